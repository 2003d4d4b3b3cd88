/* Accepting on one worker: when a listener is armed, how it backs off, and who is let in. */
#include "listeners.h"

#include <errno.h>

#include "worker.h"

static uint32_t free_slots(const iocp_worker *worker)
{
    return worker->table.slot_count - worker->table.used_count;
}

/* A multishot accept takes all of a backlog in one go, and drops the clients it has no slot for. So it runs only
 * while a whole backlog fits; near the limit connections are accepted one by one, at the limit not at all. */
static bool many_fit(const iocp_worker *worker)
{
    return free_slots(worker) > worker->setup.config->listen_backlog && worker->setup.config->accepts_per_second == 0;
}

/* A bucket of tokens, one second deep, refilled by time: this worker's share of the port's rate. */
static uint64_t rate_per_second(const iocp_worker *worker)
{
    const uint64_t share = worker->setup.config->accepts_per_second / worker->setup.config->worker_count;
    return share > 0 ? share : 1;
}

static const uint64_t token_unit = 1000000000;

static bool rate_limited(const iocp_worker *worker)
{
    return worker->setup.config->accepts_per_second > 0;
}

static void refill(iocp_worker *worker)
{
    const uint64_t rate = rate_per_second(worker);
    const uint64_t passed_ns = worker->now_ns - worker->accepting.refilled_ns;
    worker->accepting.refilled_ns = worker->now_ns;
    const uint64_t tokens = worker->accepting.tokens + (passed_ns < token_unit ? passed_ns * rate : rate * token_unit);
    worker->accepting.tokens = tokens < rate * token_unit ? tokens : rate * token_unit;
}

static void back_off(iocp_worker *worker, uint32_t listener, uint64_t delay_ns)
{
    worker->accepting.states[listener].backing_off = true;
    iocp_deadlines_arm(&worker->deadlines, iocp_worker_first_listener_deadline(worker) + listener,
                       worker->now_ns + delay_ns);
}

/* Whether the rate allows one more accept; otherwise the listener waits until it does. */
static bool take_token(iocp_worker *worker, uint32_t listener)
{
    if (!rate_limited(worker))
        return true;
    refill(worker);
    if (worker->accepting.tokens >= token_unit) {
        worker->accepting.tokens -= token_unit;
        return true;
    }
    IOCP_STATS_ADD(worker->stats, delayed_accepts, 1);
    back_off(worker, listener, (token_unit - worker->accepting.tokens) / rate_per_second(worker) + 1);
    return false;
}

/* Says once that clients wait because every slot is taken. */
static bool has_slot(iocp_worker *worker, iocp_accept_state *state)
{
    const bool room = free_slots(worker) > worker->accepting.armed_count;
    if (!room && !state->full)
        IOCP_STATS_ADD(worker->stats, delayed_accepts, 1);
    state->full = !room;
    return room;
}

static uint64_t accept_token(const iocp_worker *worker, uint32_t listener)
{
    return iocp_token_make(IOCP_OPERATION_ACCEPT, worker->setup.index, listener, 1);
}

static bool has_ended(const iocp_worker *worker, uint32_t listener)
{
    return atomic_load_explicit(&worker->setup.listeners->listeners[listener].ended, memory_order_acquire);
}

/* Nothing is armed any more: the socket may go. */
static void give_up(iocp_worker *worker, uint32_t index, int listening_socket)
{
    iocp_accept_state *state = &worker->accepting.states[index];
    if (state->backing_off) {
        state->backing_off = false;
        iocp_deadlines_disarm(&worker->deadlines, iocp_worker_first_listener_deadline(worker) + index);
    }
    if (listening_socket >= 0 && has_ended(worker, index))
        iocp_listener_set_withdraw(worker->setup.listeners, index, worker->setup.index);
}

static void service_listener(iocp_worker *worker, uint32_t index)
{
    iocp_accept_state *state = &worker->accepting.states[index];
    const bool ends = worker->stop != IOCP_STOP_NONE || has_ended(worker, index);
    const int listening_socket = atomic_load_explicit(
        &worker->setup.listeners->listeners[index].sockets[worker->setup.index], memory_order_relaxed);
    if (state->armed) {
        if ((ends || (state->many && !many_fit(worker))) && !state->cancelled) {
            state->cancelled = true;
            worker->operations->cancel(worker->driver, accept_token(worker, index), 0);
        }
        return;
    }
    if (ends) {
        give_up(worker, index, listening_socket);
        return;
    }
    if (state->backing_off || !has_slot(worker, state) || !take_token(worker, index))
        return;
    *state = (iocp_accept_state){.armed = true, .many = many_fit(worker)};
    worker->accepting.armed_count++;
    worker->operations->accept(worker->driver, accept_token(worker, index), listening_socket, state->many);
}

void iocp_worker_service_listeners(iocp_worker *worker)
{
    iocp_listener_set *set = worker->setup.listeners;
    const uint32_t count = atomic_load_explicit(&set->count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++)
        service_listener(worker, i);
    if (worker->stop != IOCP_STOP_NONE && worker->accepting.armed_count == 0)
        iocp_listener_set_leave(set, worker->setup.index);
}

/* Counts a new connection by its peer's address. False when that address has as many as it may. */
static bool admit(iocp_worker *worker, uint32_t handle, iocp_address_key *key)
{
    *key = 0;
    if (worker->setup.config->connections_per_address == 0)
        return true;
    iocp_address address;
    if (worker->operations->peer(worker->driver, handle, &address) < 0)
        return true; /* gone already, or cannot be asked: the slot limit still holds */
    *key = iocp_address_key_of(&address);
    if (iocp_address_counts_take(worker->setup.addresses, *key))
        return true;
    *key = 0;
    IOCP_STATS_ADD(worker->stats, refused_addresses, 1);
    return false;
}

static void adopt(iocp_worker *worker, uint32_t handle)
{
    iocp_address_key key;
    if (!admit(worker, handle, &key)) {
        worker->operations->close_handle(worker->driver, 0, handle, true);
        return;
    }
    iocp_slot *slot = iocp_worker_slot_take(worker, handle, IOCP_SLOT_OPEN);
    if (slot == NULL) {
        IOCP_STATS_ADD(worker->stats, accept_failures, 1);
        if (key != 0)
            iocp_address_counts_release(worker->setup.addresses, key);
        worker->operations->close_handle(worker->driver, 0, handle, false);
        return;
    }
    slot->address = key;
    IOCP_STATS_ADD(worker->stats, accepted, 1);
    iocp_worker_opened(worker, slot);
    if (!worker->setup.config->deliver_after_first_bytes)
        iocp_worker_announce(worker, slot);
    iocp_worker_touch(worker, slot);
}

void iocp_worker_accepted(iocp_worker *worker, uint64_t token, int32_t result, bool more)
{
    const uint32_t index = iocp_token_slot(token);
    iocp_accept_state *state = &worker->accepting.states[index];
    if (!more) {
        state->armed = false;
        worker->accepting.armed_count--;
    }
    if (result >= 0) {
        adopt(worker, (uint32_t)result);
        return;
    }
    switch (-result) {
    case ECANCELED:    /* ours: near the limit, or the end of listening */
    case ECONNABORTED: /* the client left the backlog before it was accepted; the next one may still be there */
    case EINTR:
    case EAGAIN:
        return;
    default:
        if (has_ended(worker, index))
            return;
        /* EMFILE, ENFILE, ENOBUFS, ENOMEM and what the network passes on (accept(2)): the clients stay in the
         * backlog, and asking again at once would spin. */
        IOCP_STATS_ADD(worker->stats, accept_failures, 1);
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
