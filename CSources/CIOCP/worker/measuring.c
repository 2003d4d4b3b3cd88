/* What a worker measures of its own turns: how long each lasted, how much a wait brought, how late a wake-up was. */
#include "measuring.h"

/* CPU time is asked of the kernel by a system call, so it is asked this often at most. */
enum { CPU_TIME_EVERY_NS = 10 * 1000 * 1000 };

/* Two system calls for each listener. */
enum { BACKLOGS_EVERY_NS = 100 * 1000 * 1000 };

/* A look at the clock is some 25 ns, and a wait under load some microseconds: so the library's own time is taken in one
 * wait of so many, and counts that often. */
enum { LIBRARY_TIME_SHARE = 16 };

/* To make so many completions of events takes long enough for a look at the clock, and is no part of the application's turn. */
enum { LARGE_BATCH_COUNT = 16 };

/* What the driver chose. An accept of many clients is not used where their rate is limited. */
static uint64_t features_of(const iocp_worker *worker)
{
    uint64_t features = worker->operations->features != NULL ? worker->operations->features(worker->driver) : 0;
    if (worker->setup.config->accepts_per_second > 0)
        features &= ~iocp_feature_bit(IOCP_FEATURE_multishot_accept, true);
    return features;
}

void iocp_worker_measure_opening(iocp_worker *worker)
{
    IOCP_STATS_SET(worker->stats, opened_at_ns, worker->now_ns);
    IOCP_STATS_SET(worker->stats, features, features_of(worker));
    const iocp_slot_table *table = &worker->table;
    IOCP_STATS_SET(worker->stats, receive_buffers, worker->buffers.classes[IOCP_BUFFER_LARGE].buffer_count);
    IOCP_STATS_SET(worker->stats, receive_memory_bytes, worker->buffers.arena.size_bytes);
    IOCP_STATS_SET(worker->stats, send_memory_bytes, worker->chunks.arena.size_bytes);
    IOCP_STATS_SET(worker->stats, connection_memory_bytes, table->arena.size_bytes + worker->pool.arena.size_bytes);
}

uint64_t iocp_worker_measure_turn(iocp_worker *worker)
{
    const uint64_t now_ns = iocp_worker_clock_ns(worker);
    iocp_turn_watch *watch = &worker->watch;
    iocp_turn_watch_step(watch, IOCP_TURN_UNKNOWN);
    if (worker->turn_began_ns != 0) {
        const uint64_t turn_ns = now_ns > worker->turn_began_ns ? now_ns - worker->turn_began_ns : 0;
        iocp_stats_record(worker->stats, IOCP_STATS_HISTOGRAM_turn_ns, turn_ns);
        if (turn_ns > worker->stats->stats.longest_turn_ns) {
            IOCP_STATS_SET(worker->stats, longest_turn_in, watch->longest_in);
            IOCP_STATS_SET(worker->stats, longest_turn_at_ns, now_ns);
            IOCP_STATS_SET(worker->stats, longest_turn_ns, turn_ns);
        }
        worker->turn_began_ns = 0;
    }
    watch->longest_ticks = 0;
    watch->longest_in = IOCP_TURN_UNKNOWN;
    worker->library_from_ns = now_ns;
    return now_ns;
}

void iocp_worker_begin_turn(iocp_worker *worker)
{
    if (worker->turn_began_ns != 0)
        return;
    worker->turn_began_ns = iocp_worker_clock_ns(worker);
    worker->watch.last_ticks = iocp_ticks();
}

/* A played kernel's clock is not the one that another thread's wake-up was stamped with, nor is its CPU time played. */
static bool has_real_clock(const iocp_worker *worker)
{
    return worker->operations->now_ns == NULL;
}

static bool is_sample(const iocp_worker *worker)
{
    return worker->wait_count % LIBRARY_TIME_SHARE == 0;
}

void iocp_worker_measure_library(iocp_worker *worker)
{
    if (!is_sample(worker))
        return;
    const uint64_t now_ns = iocp_worker_clock_ns(worker);
    const uint64_t library_ns = now_ns > worker->library_from_ns ? now_ns - worker->library_from_ns : 0;
    iocp_stats_record(worker->stats, IOCP_STATS_HISTOGRAM_library_ns, library_ns);
    IOCP_STATS_ADD(worker->stats, library_time_ns, library_ns * LIBRARY_TIME_SHARE);
}

static uint64_t latest_ns(const iocp_worker *worker)
{
    return worker->now_ns > worker->entered_ns ? worker->now_ns : worker->entered_ns;
}

void iocp_worker_measure_backlogs(iocp_worker *worker)
{
    iocp_worker_listeners *accepting = &worker->accepting;
    const iocp_listener_set *set = worker->setup.listeners;
    if (latest_ns(worker) < accepting->look_due_ns || set->operations->backlog == NULL)
        return;
    accepting->look_due_ns = latest_ns(worker) + BACKLOGS_EVERY_NS;
    const iocp_backlogs found = iocp_listener_set_backlogs(set, worker->setup.index, accepting->drops);
    accepting->socket_count = found.socket_count;
    IOCP_STATS_SET(worker->stats, waiting_clients, found.waiting_count);
    IOCP_STATS_SET(worker->stats, backlog_limit, found.limit_count);
    IOCP_STATS_ADD(worker->stats, dropped_clients, found.dropped_count);
}

uint64_t iocp_worker_measure_backlogs_in_ns(const iocp_worker *worker)
{
    const iocp_worker_listeners *accepting = &worker->accepting;
    const bool all_accept = accepting->armed_count >= accepting->socket_count;
    if (accepting->socket_count == 0 || (all_accept && worker->stats->stats.waiting_clients == 0))
        return UINT64_MAX;
    return accepting->look_due_ns > worker->now_ns ? accepting->look_due_ns - worker->now_ns : 0;
}

void iocp_worker_measure_wait(iocp_worker *worker, uint32_t event_count)
{
    iocp_stats_record(worker->stats, IOCP_STATS_HISTOGRAM_wait_events, event_count);
    worker->library_from_ns = worker->now_ns;
    if (!has_real_clock(worker))
        return;
    const uint64_t woken_ns = iocp_mailbox_take_wake(&worker->mailbox);
    if (woken_ns != 0)
        iocp_stats_record(
            worker->stats, IOCP_STATS_HISTOGRAM_wake_ns, worker->now_ns > woken_ns ? worker->now_ns - woken_ns : 0);
    if (worker->now_ns >= worker->cpu_time_due_ns) {
        worker->cpu_time_due_ns = worker->now_ns + CPU_TIME_EVERY_NS;
        IOCP_STATS_SET(worker->stats, cpu_time_ns, iocp_clock_thread_cpu_ns());
    }
}

void iocp_worker_measure_delivery(iocp_worker *worker, uint32_t completion_count)
{
    worker->wait_count++;
    IOCP_STATS_SET(worker->stats, timers, worker->timers.armed_count);
    IOCP_STATS_SET(worker->stats, leases, worker->buffers.lease_count);
    IOCP_STATS_SET(worker->stats, free_receive_buffers, worker->buffers.classes[IOCP_BUFFER_LARGE].free_count);
    IOCP_STATS_SET(worker->stats, refused_posts, iocp_mailbox_refused(&worker->mailbox));
    if (completion_count == 0)
        return;
    IOCP_STATS_ADD(worker->stats, completions, completion_count);
    iocp_stats_record(worker->stats, IOCP_STATS_HISTOGRAM_wait_completions, completion_count);
    worker->turn_began_ns = worker->now_ns;
    if (completion_count >= LARGE_BATCH_COUNT) {
        worker->turn_began_ns = iocp_worker_clock_ns(worker);
        IOCP_STATS_ADD(worker->stats, library_time_ns, worker->turn_began_ns - worker->now_ns);
    }
    worker->watch.last_ticks = iocp_ticks();
}
