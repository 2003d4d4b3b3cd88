/* Accepting on one worker: when a listener is armed, how it backs off, and what it may take. */
#include "listeners.h"

#include <errno.h>

#include "admission.h"
#include "layers.h"
#include "life.h"

/* Slots that are free, with a socket of the driver's for each: one that was refused a slot is closed a little later. Those that
 * are kept for clients of other workers are not. */
static uint32_t free_slots(const iocp_worker *worker)
{
    const uint32_t sockets = worker->operations->handles_held(worker->driver);
    const uint32_t in_use = worker->table.used_count > sockets ? worker->table.used_count : sockets;
    const uint32_t used = in_use + worker->accepting.promised;
    return used < worker->table.slot_count ? worker->table.slot_count - used : 0;
}

/* A multishot accept takes all of a backlog in one go, and drops the clients it has no slot for. So it runs only
 * while a whole backlog fits, beside whatever the other listeners' accepts may take; near the limit connections are
 * accepted one by one, at the limit not at all. */
static uint64_t reservation(const iocp_worker *worker, bool many)
{
    return many ? (uint64_t)worker->setup.config->listen_backlog + 1 : 1;
}

static bool has_room(const iocp_worker *worker)
{
    return free_slots(worker) > worker->accepting.reserved_count;
}

/* Listeners without an accept, which may all be due one. Places of closed listeners count, too: there are 64 at most. */
static uint32_t unarmed_count(const iocp_worker *worker)
{
    return atomic_load_explicit(&worker->setup.listeners->count, memory_order_acquire) - worker->accepting.armed_count;
}

/* Whether a multishot accept leaves a slot for every other listener. */
static bool many_fit(const iocp_worker *worker)
{
    return worker->setup.config->accepts_per_second == 0 &&
           free_slots(worker) >= worker->accepting.reserved_count + reservation(worker, true) + unarmed_count(worker) - 1;
}

/* Otherwise one listener that no client comes to would keep those of another waiting. */
static bool is_crowded(const iocp_worker *worker)
{
    return free_slots(worker) < worker->accepting.reserved_count + unarmed_count(worker);
}

static void reserve(iocp_worker *worker, bool many)
{
    worker->accepting.armed_count++;
    worker->accepting.one_count += !many;
    worker->accepting.reserved_count += reservation(worker, many);
}

static void give_up_reservation(iocp_worker *worker, bool many)
{
    worker->accepting.armed_count--;
    worker->accepting.one_count -= !many;
    worker->accepting.reserved_count -= reservation(worker, many);
}

bool iocp_worker_spares_slot(const iocp_worker *worker)
{
    return free_slots(worker) > worker->accepting.one_count;
}

static bool rate_limited(const iocp_worker *worker)
{
    return worker->setup.config->accepts_per_second > 0;
}

/* This worker's share of the port's rate is a bucket of credit. Each nanosecond refills it by the rate of the whole port, and
 * an accept costs as many units as all workers' buckets gain in the time of one: so the shares add up to the rate, even
 * if it is lower than the number of workers. */
static uint64_t accept_cost(const iocp_worker *worker)
{
    return worker->setup.config->worker_count * UINT64_C(1000000000);
}

/* One second deep, and at least one accept. */
static uint64_t bucket_depth(const iocp_worker *worker)
{
    const uint64_t second = worker->setup.config->accepts_per_second * UINT64_C(1000000000);
    return second > accept_cost(worker) ? second : accept_cost(worker);
}

void iocp_worker_open_accepting(iocp_worker *worker)
{
    const iocp_port_config *config = worker->setup.config;
    worker->accepting.held = iocp_slot_fifo_empty();
    worker->accepting.refilled_ns = worker->now_ns;
    /* If the rate is lower than the number of workers, the first ones begin with one accept, and the others with none. */
    if (config->accepts_per_second >= config->worker_count || worker->setup.index < config->accepts_per_second)
        worker->accepting.credit = bucket_depth(worker);
}

static void refill(iocp_worker *worker)
{
    const uint64_t rate = worker->setup.config->accepts_per_second;
    const uint64_t depth = bucket_depth(worker);
    const uint64_t passed_ns = worker->now_ns - worker->accepting.refilled_ns;
    worker->accepting.refilled_ns = worker->now_ns;
    const uint64_t missing = depth - worker->accepting.credit;
    worker->accepting.credit = passed_ns <= missing / rate ? worker->accepting.credit + passed_ns * rate : depth;
}

static void back_off(iocp_worker *worker, uint32_t listener, uint64_t delay_ns)
{
    worker->accepting.states[listener].backing_off = true;
    iocp_deadlines_arm(&worker->deadlines, iocp_worker_first_listener_deadline(worker) + listener,
                       worker->now_ns + delay_ns);
}

/* Whether the rate allows one more accept; otherwise the listener waits until it does. */
static bool pay_for_accept(iocp_worker *worker, uint32_t listener)
{
    if (!rate_limited(worker))
        return true;
    refill(worker);
    const uint64_t cost = accept_cost(worker);
    if (worker->accepting.credit >= cost) {
        worker->accepting.credit -= cost;
        return true;
    }
    IOCP_STATS_ADD(worker->stats, delayed_accepts, 1);
    IOCP_STATS_ADD(worker->stats, delays_by_rate, 1);
    back_off(worker, listener, (cost - worker->accepting.credit) / worker->setup.config->accepts_per_second + 1);
    return false;
}

/* Says once that clients wait because every slot is taken. */
static bool has_slot(iocp_worker *worker, iocp_accept_state *state)
{
    const bool room = has_room(worker);
    if (!room && !state->full) {
        IOCP_STATS_ADD(worker->stats, delayed_accepts, 1);
        IOCP_STATS_ADD(worker->stats, delays_by_full_table, 1);
    }
    state->full = !room;
    return room;
}

static uint64_t accept_token(uint32_t listener)
{
    return iocp_token_make(IOCP_OPERATION_ACCEPT, listener, 1);
}

static iocp_listener_state state_of(const iocp_worker *worker, uint32_t listener)
{
    return atomic_load_explicit(&worker->setup.listeners->listeners[listener].state, memory_order_acquire);
}

/* Nothing is armed any more: the socket may go. */
static void give_up(iocp_worker *worker, uint32_t index, int listening_socket)
{
    iocp_accept_state *state = &worker->accepting.states[index];
    if (state->backing_off) {
        state->backing_off = false;
        iocp_deadlines_disarm(&worker->deadlines, iocp_worker_first_listener_deadline(worker) + index);
    }
    if (listening_socket >= 0 && state_of(worker, index) == IOCP_LISTENER_CLOSED)
        iocp_listener_set_withdraw(worker->setup.listeners, index, worker->setup.index);
}

static void service_listener(iocp_worker *worker, uint32_t index)
{
    iocp_accept_state *state = &worker->accepting.states[index];
    const iocp_listener_state wanted = state_of(worker, index);
    const bool ends = worker->stop != IOCP_STOP_NONE || wanted == IOCP_LISTENER_CLOSED;
    const bool rests = ends || wanted == IOCP_LISTENER_PAUSED;
    const int listening_socket = atomic_load_explicit(
        &worker->setup.listeners->listeners[index].sockets[worker->setup.index], memory_order_relaxed);
    if (state->armed) {
        if ((rests || (state->many && is_crowded(worker))) && !state->cancelled) {
            state->cancelled = true;
            worker->operations->cancel(worker->driver, accept_token(index), 0);
        }
        return;
    }
    if (ends) {
        give_up(worker, index, listening_socket);
        return;
    }
    if (rests || state->backing_off || !has_slot(worker, state) || !pay_for_accept(worker, index))
        return;
    *state = (iocp_accept_state){.armed = true, .many = many_fit(worker)};
    reserve(worker, state->many);
    worker->operations->accept(worker->driver, accept_token(index), listening_socket, state->many);
}

/* Keeps some slots for clients of other workers, and few where few are left. Only what no accept of its own may need. */
static void open_door(iocp_worker *worker)
{
    enum { SHARE = 4 };
    const uint64_t kept = worker->accepting.reserved_count + unarmed_count(worker);
    const uint64_t free = free_slots(worker) + (uint64_t)worker->accepting.promised;
    const uint64_t most = worker->stop == IOCP_STOP_NONE && free > kept ? (free - kept) / SHARE : 0;
    iocp_worker_show_door(worker, most < IOCP_DOOR_CREDITS_MAX ? (uint32_t)most : IOCP_DOOR_CREDITS_MAX);
}

void iocp_worker_service_listeners(iocp_worker *worker)
{
    iocp_listener_set *set = worker->setup.listeners;
    const uint32_t count = atomic_load_explicit(&set->count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++)
        service_listener(worker, i);
    if (worker->stop != IOCP_STOP_NONE && worker->accepting.armed_count == 0)
        iocp_listener_set_leave(set, worker->setup.index);
    if (worker->parcels != NULL || atomic_load_explicit(&worker->door.moves_kind, memory_order_relaxed) != 0)
        open_door(worker);
}

/* --- what comes ---------------------------------------------------------------------------------------------- */

/* Clients that a cancel found accepted already still come, of a listener that pauses or is closed, too: its place is no
 * other's while this accept is outstanding. */
static void arrived(iocp_worker *worker, uint32_t listener, uint32_t handle)
{
    iocp_slot *slot = iocp_worker_has_free_slot(worker) ? iocp_worker_slot_take(worker, handle, IOCP_SLOT_HELD) : NULL;
    if (slot == NULL) {
        IOCP_STATS_ADD(worker->stats, accept_failures, 1);
        IOCP_STATS_ADD(worker->stats, accepts_out_of_slots, 1);
        worker->operations->close_handle(worker->driver, 0, handle, false);
        return;
    }
    const iocp_listener *from = &worker->setup.listeners->listeners[listener];
    slot->listener = iocp_listener_short(from->id);
    if (!iocp_layer_is_none(&from->options.layer))
        iocp_worker_layer_give(worker, slot, &from->options.layer);
    iocp_worker_admit_new(worker, slot);
}

static void count_failure(iocp_worker *worker, int error)
{
    IOCP_STATS_ADD(worker->stats, accept_failures, 1);
    switch (error) {
    case EMFILE:
    case ENFILE:
        IOCP_STATS_ADD(worker->stats, accepts_out_of_descriptors, 1);
        return;
    case ENOBUFS:
    case ENOMEM:
        IOCP_STATS_ADD(worker->stats, accepts_out_of_memory, 1);
        return;
    default:
        IOCP_STATS_ADD(worker->stats, accepts_failed_otherwise, 1);
        return;
    }
}

void iocp_worker_accepted(iocp_worker *worker, uint64_t token, int32_t result, bool more)
{
    const uint32_t index = iocp_token_slot(token);
    iocp_accept_state *state = &worker->accepting.states[index];
    if (!more) {
        state->armed = false;
        give_up_reservation(worker, state->many);
    }
    if (result >= 0) {
        arrived(worker, index, (uint32_t)result);
        return;
    }
    switch (-result) {
    case ECANCELED:    /* ours: near the limit, or a pause or the end of listening */
    case ECONNABORTED: /* the client left the backlog before it was accepted; the next one may still be there */
    case EINTR:
    case EAGAIN:
        return;
    default:
        if (state_of(worker, index) == IOCP_LISTENER_CLOSED)
            return;
        /* EMFILE, ENFILE, ENOBUFS, ENOMEM and what the network passes on (accept(2)): the clients stay in the
         * backlog, and asking again at once would spin. */
        count_failure(worker, -result);
        if (state->armed)
            return;
        back_off(worker, index, IOCP_ACCEPT_RETRY_MS * UINT64_C(1000000));
        return;
    }
}

void iocp_worker_accept_again(iocp_worker *worker, uint32_t listener)
{
    worker->accepting.states[listener].backing_off = false;
}
