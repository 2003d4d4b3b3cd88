/* Opens and closes a worker, and says what it holds. */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "../system/task_pool.h"
#include "capture.h"
#include "layers.h"
#include "life.h"
#include "measuring.h"
#include "travel.h"

/* Small buffers for drivers that spend a whole one on each receive. */
enum { SMALL_BUFFER_BYTES = 4096, SMALL_BUFFERS_MAX = 8192 };

static int fail(iocp_failure *failure, int code, iocp_stage stage, const char *detail)
{
    *failure = (iocp_failure){.code = code, .stage = stage, .detail = detail};
    return code;
}

static uint32_t round_up_power_of_two(uint32_t value)
{
    return value <= 1 ? 1 : UINT32_C(1) << (32 - __builtin_clz(value - 1));
}

uint32_t iocp_worker_small_buffer_count(const iocp_port_config *config, const iocp_driver_operations *operations)
{
    if (!operations->whole_buffers)
        return 0;
    return config->connections_per_worker < SMALL_BUFFERS_MAX ? round_up_power_of_two(config->connections_per_worker)
                                                              : SMALL_BUFFERS_MAX;
}

static int open_buffers(iocp_worker *worker)
{
    const iocp_port_config *config = worker->setup.config;
    const uint32_t small_count = iocp_worker_small_buffer_count(config, worker->operations);
    const int result =
        iocp_receive_buffers_open(&worker->buffers, worker->setup.node, config->receive_buffer_bytes,
                                  config->receive_buffers_per_worker, SMALL_BUFFER_BYTES, small_count);
    if (result == 0 && worker->operations->queues != NULL)
        iocp_receive_buffers_serve(&worker->buffers, worker->operations->queues(config->connections_per_worker));
    return result;
}

/* Room for every slot. */
static int open_list(iocp_service_list *list, uint32_t slot_count, uint32_t node)
{
    const uint32_t entry_count = round_up_power_of_two(slot_count);
    *list = (iocp_service_list){.mask = entry_count - 1};
    const int result = iocp_arena_open(&list->arena, (size_t)entry_count * sizeof *list->slots, node);
    list->slots = (uint32_t *)list->arena.start;
    return result;
}

/* Everything the loop will ever use, reserved now and touched as it is used. */
static int open_memory(iocp_worker *worker, const char **detail)
{
    const iocp_port_config *config = worker->setup.config;
    const uint32_t node = worker->setup.node;
    const uint32_t slot_count = config->connections_per_worker;
    const uint32_t reserve_count = slot_count * IOCP_SEND_RESERVE_NODES;
    const uint32_t node_count = reserve_count + slot_count * 2 + config->send_chunks_per_worker;
    /* Spilled at worst: every mark, OPENED, WRITABLE, UNSENT_FELL, LEAVING, ARRIVED and CLOSED of every slot, every timer, STOPPING,
     * and one batch of events. */
    const uint32_t spill_count = round_up_power_of_two(node_count + 6 * slot_count + config->timers_per_worker + 1 +
                                                       IOCP_DRIVER_EVENTS_MAX * IOCP_COMPLETIONS_PER_EVENT_MAX);
    int result;

    *detail = "connection slots";
    if ((result = iocp_slot_table_open(&worker->table, node, worker->setup.index, slot_count)) < 0)
        return result;
    *detail = "receive buffers";
    if ((result = open_buffers(worker)) < 0)
        return result;
    *detail = "send chunks";
    if ((result = iocp_send_chunks_open(&worker->chunks, node, config->send_chunks_per_worker)) < 0)
        return result;
    *detail = "send queue nodes";
    if ((result = iocp_send_pool_open(&worker->pool, node, node_count, reserve_count, &worker->chunks,
                                      &worker->buffers)) < 0)
        return result;
    *detail = "deadlines";
    if ((result =
             iocp_deadlines_open(&worker->deadlines, node, slot_count + IOCP_LISTENERS_MAX + config->timers_per_worker,
                                 IOCP_COARSE_TICK_BITS, worker->now_ns)) < 0)
        return result;
    *detail = "timers";
    if ((result = iocp_timers_open(&worker->timers, node, config->timers_per_worker, worker->now_ns)) < 0)
        return result;
    *detail = "the list of stalled slots";
    if ((result = iocp_slot_list_open(&worker->stalled, node, slot_count)) < 0)
        return result;
    *detail = "the lists of slots to service";
    if ((result = open_list(&worker->traffic, slot_count, node)) < 0 ||
        (result = open_list(&worker->closing, slot_count, node)) < 0)
        return result;
    *detail = "spilled completions";
    if ((result = iocp_arena_open(&worker->spill.arena, (size_t)spill_count * sizeof(iocp_completion), node)) < 0)
        return result;
    worker->spill.records = (iocp_completion *)worker->spill.arena.start;
    worker->spill.mask = spill_count - 1;
    return 0;
}

/* Everything but the receive buffers, which may be lent. */
static void close_memory(iocp_worker *worker)
{
    iocp_arena_close(&worker->spill.arena);
    iocp_arena_close(&worker->closing.arena);
    iocp_arena_close(&worker->traffic.arena);
    iocp_slot_list_close(&worker->stalled);
    iocp_timers_close(&worker->timers);
    iocp_deadlines_close(&worker->deadlines);
    iocp_send_pool_close(&worker->pool);
    iocp_send_chunks_close(&worker->chunks);
    iocp_slot_table_close(&worker->table);
}

static void give_memory_up(iocp_worker *worker)
{
    close_memory(worker);
    iocp_receive_buffers_close(&worker->buffers);
}

static int open_on_this_thread(iocp_worker *worker, iocp_failure *failure)
{
    const iocp_worker_setup *setup = &worker->setup;
    worker->operations = setup->driver;
    worker->stats = setup->stats;
    worker->now_ns = iocp_worker_clock_ns(worker);
    worker->timeouts = (iocp_timeouts){.idle_ns = setup->config->idle_timeout_ns,
                                       .receive_ns = setup->config->receive_timeout_ns,
                                       .send_ns = setup->config->send_timeout_ns,
                                       .receive_progress_bytes = setup->config->receive_progress_bytes};
    worker->counts_idle = worker->timeouts.idle_ns > 0;
    worker->marks = (iocp_send_marks){.low_bytes = setup->config->send_low_bytes,
                                      .high_bytes = setup->config->send_high_bytes,
                                      .cap_bytes = setup->config->send_cap_bytes};
    for (int class = 0; class < IOCP_BUFFER_CLASS_COUNT; class++)
        worker->starved[class] = worker->passed_over[class] = iocp_slot_fifo_empty();
    worker->resting = worker->leaving = iocp_slot_fifo_empty();
    worker->turns = (iocp_layer_turns){.head = IOCP_SLOT_NONE, .tail = IOCP_SLOT_NONE};
    iocp_worker_open_accepting(worker);

    const char *detail = NULL;
    int result = open_memory(worker, &detail);
    if (result < 0) {
        give_memory_up(worker);
        return fail(failure, result, IOCP_STAGE_MEMORY, detail);
    }
    const iocp_driver_config driver_config = {
        .worker = setup->index,
        .handle_count = setup->config->connections_per_worker,
        .completion_queue_entries = setup->config->completion_queue_entries,
        .enters = &setup->stats->stats.enters,
        .queue_overflows = &setup->stats->stats.queue_overflows,
        .lockdown = setup->config->lockdown,
        .busy_poll_us = setup->config->busy_poll_us,
        .rehearsed = setup->rehearsed,
        .wake_fd = setup->wake_fd,
        .buffers = &worker->buffers,
    };
    result = worker->operations->open(&worker->driver, &driver_config, failure);
    if (result < 0) {
        give_memory_up(worker);
        return result;
    }
    /* Last: from here on clients and posts are this worker's. */
    result = iocp_listener_set_join(setup->listeners, setup->index);
    if (result < 0) {
        worker->operations->close(worker->driver);
        give_memory_up(worker);
        return fail(failure, result, IOCP_STAGE_LISTEN, "joining an address that the port listens on");
    }
    iocp_mailbox_open(&worker->mailbox);
    if (setup->offload != NULL)
        iocp_offload_pool_join(setup->offload);
    iocp_worker_measure_opening(worker);
    iocp_worker_begin_balancing(worker);
    iocp_worker_begin_residence(worker);
    IOCP_STATS_SET(worker->stats, cpu, setup->cpu);
    IOCP_STATS_SET(worker->stats, node, setup->node);
    worker->open = true;
    iocp_lifetime_hold(setup->lifetime);
    atomic_store_explicit(&worker->owner, iocp_thread_number_take(), memory_order_relaxed);
    return 0;
}

int iocp_worker_open(iocp_worker *worker, iocp_failure *failure)
{
    int result = iocp_thread_assume(worker->setup.index, worker->setup.cpu);
    /* A thread that may run anywhere has its memory where it begins: the scheduler keeps it near. */
    if (worker->setup.cpu == UINT32_MAX)
        worker->setup.node = iocp_current_node();
    if (result < 0) {
        fail(failure, result, IOCP_STAGE_THREAD, "pinning to a CPU");
    } else {
        iocp_task_pool_unbind_starts();
        result = open_on_this_thread(worker, failure);
    }
    if (result < 0)
        iocp_thread_restore();
    return result;
}

/* What queued sends refer to goes back to its owners, without completions. */
static void drop_connections(iocp_worker *worker)
{
    for (uint32_t i = 0; i < worker->table.untouched; i++) {
        iocp_slot *slot = &worker->table.slots[i];
        if (slot->state == IOCP_SLOT_FREE || slot->state == IOCP_SLOT_AWAY)
            continue;
        uint64_t key;
        while (slot->queue.head != IOCP_NODE_NONE)
            iocp_send_queue_drop(&worker->pool, &slot->queue, &key);
        iocp_worker_layer_end(worker, slot);
        if (slot->address != 0)
            iocp_address_counts_release(worker->setup.addresses, slot->address);
        iocp_worker_count_closed(worker, slot);
    }
    IOCP_STATS_SET(worker->stats, unsent_bytes, 0);
    IOCP_STATS_SET(worker->stats, waiting_clients, 0);
    IOCP_STATS_SET(worker->stats, backlog_limit, 0);
    /* Who has ended stalls nobody: an old heartbeat would say that a handler does not return. */
    IOCP_STATS_SET(worker->stats, heartbeat_ns, 0);
}

/* Guards the buffers of closed workers, whose last leases may come back on any thread. One for all: it is taken when a
 * worker closes, and for leases that come back after that. */
static pthread_mutex_t late_leases = PTHREAD_MUTEX_INITIALIZER;

void iocp_worker_close(iocp_worker *worker)
{
    IOCP_CHECK(worker->open, "a worker was closed twice");
    IOCP_CHECK(iocp_worker_is_mine(worker),
               "an attached worker was closed or released on another thread than the one that attached it");
    iocp_lifetime *lifetime = worker->setup.lifetime;
    iocp_mailbox_discard(&worker->mailbox);
    iocp_worker_release_jobs(worker);
    iocp_worker_abandon_arrived(worker);
    iocp_worker_drop_dispatches(worker);
    if (worker->setup.offload != NULL)
        iocp_offload_pool_leave(worker->setup.offload, &worker->offloads);
    iocp_worker_end_capture(worker);
    /* The driver first: until it is gone the kernel may still read what is queued. */
    if (worker->failure == 0)
        worker->operations->close(worker->driver);
    drop_connections(worker);
    close_memory(worker);
    iocp_listener_set_leave(worker->setup.listeners, worker->setup.index);
    iocp_thread_restore();

    pthread_mutex_lock(&late_leases);
    /* Received bytes that are still held may be read: the buffers, and the port, go with the last lease. */
    const bool lent = worker->buffers.lease_count > 0;
    if (!lent)
        iocp_receive_buffers_close(&worker->buffers);
    worker->open = false;
    atomic_store_explicit(&worker->owner, IOCP_OWNER_NONE, memory_order_relaxed);
    pthread_mutex_unlock(&late_leases);
    if (!lent)
        iocp_lifetime_release(lifetime);
}

void iocp_worker_lease_late(iocp_worker *worker, uint16_t lease)
{
    IOCP_CHECK(
        !iocp_worker_is_foreign(worker),
        "received bytes were dropped on another thread than their worker's: copy them out, and send the copy there");
    iocp_lifetime *lifetime = worker->setup.lifetime;
    pthread_mutex_lock(&late_leases);
    iocp_receive_buffers_return(&worker->buffers, lease);
    const bool last = worker->buffers.lease_count == 0;
    if (last)
        iocp_receive_buffers_close(&worker->buffers);
    pthread_mutex_unlock(&late_leases);
    if (last)
        iocp_lifetime_release(lifetime);
}

/* --- what is asked of a worker ------------------------------------------------------------------------------ */

uint32_t iocp_worker_index(const iocp_worker *worker)
{
    return worker->setup.index;
}

uint32_t iocp_worker_cpu(const iocp_worker *worker)
{
    return worker->setup.cpu;
}

uint32_t iocp_worker_node(const iocp_worker *worker)
{
    return worker->setup.node;
}

iocp_port *iocp_worker_port(const iocp_worker *worker)
{
    return worker->setup.port;
}

const char *iocp_worker_driver_name(const iocp_worker *worker)
{
    return worker->setup.driver->name;
}

uint32_t iocp_worker_slot_count(const iocp_worker *worker)
{
    return worker->setup.config->connections_per_worker;
}

iocp_turn_watch *iocp_worker_turn_watch(iocp_worker *worker)
{
    return &worker->watch;
}

bool iocp_worker_is_stopping(const iocp_worker *worker)
{
    return iocp_worker_is_mine(worker) && worker->stop != IOCP_STOP_NONE;
}

uint64_t iocp_worker_now_ns(const iocp_worker *worker)
{
    return worker->now_ns;
}

uint32_t iocp_worker_leases(const iocp_worker *worker)
{
    return iocp_worker_is_mine(worker) ? worker->buffers.lease_count : 0;
}

uint64_t iocp_worker_time_ns(const iocp_worker *worker)
{
    return iocp_worker_is_mine(worker) ? iocp_worker_clock_ns(worker) : iocp_clock_ns();
}

uint64_t iocp_monotonic_ns(void)
{
    return iocp_clock_ns();
}

iocp_worker_holdings iocp_worker_hold(const iocp_worker *worker)
{
    IOCP_CHECK(!iocp_worker_is_foreign(worker), "a worker was asked what it holds on another thread than its own");
    if (!worker->open)
        return (iocp_worker_holdings){0};
    return (iocp_worker_holdings){
        .connections = worker->table.used_count,
        .leases = worker->buffers.lease_count,
        .send_nodes = worker->pool.used_count,
        .send_chunks = iocp_send_chunks_held(&worker->chunks),
        .deadlines = worker->deadlines.armed_count + worker->timers.wheel.armed_count,
        .driver_handles = worker->failure == 0 ? worker->operations->handles_held(worker->driver) : 0,
    };
}
