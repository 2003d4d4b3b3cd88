#include "listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "../system/socket_address.h"
#include "worker.h"

/* --- the sockets -------------------------------------------------------------------------------------------- */

static int bound_socket(const iocp_address *address, bool shared)
{
    const int one = 1;
    struct sockaddr_storage storage;
    const socklen_t length = iocp_sockaddr_write(address, &storage);
    const int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0)
        return -errno;
    /* TCP_NODELAY is inherited by accepted sockets: replies are coalesced by the flush, not by Nagle. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0) ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        bind(fd, (struct sockaddr *)&storage, length) < 0) {
        const int result = -errno;
        close(fd);
        return result;
    }
    return fd;
}

static int bound_address(int fd, iocp_address *address)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &length) < 0)
        return -errno;
    return iocp_sockaddr_read(&storage, address);
}

/* SO_REUSEPORT lets a second server of the same user share the port in silence, and take half of the connections.
 * So the port is claimed once without it: that fails while anybody listens there. */
static int claim_address(const iocp_address *address, uint32_t backlog, iocp_address *claimed)
{
    const int fd = bound_socket(address, false);
    if (fd < 0)
        return fd;
    int result = bound_address(fd, claimed);
    if (result == 0 && listen(fd, (int)backlog) < 0)
        result = -errno;
    close(fd);
    return result;
}

static void close_socket(iocp_listener *listener, uint32_t worker)
{
    const int fd = atomic_exchange(&listener->sockets[worker], -1);
    if (fd >= 0)
        close(fd);
}

static void close_sockets(iocp_listener *listener, uint32_t worker_count)
{
    for (uint32_t i = 0; i < worker_count; i++)
        close_socket(listener, i);
    free(listener->sockets);
    listener->sockets = NULL;
}

/* Listening starts when all are bound: a client must not reach a group that may still be given up. */
static int listen_on_all(iocp_listener_set *set, iocp_listener *listener, uint32_t worker_count, uint32_t backlog)
{
    int result = -ESHUTDOWN;
    for (uint32_t i = 0; i < worker_count; i++) {
        const int fd = set->left[i] ? -1 : bound_socket(&listener->address, true);
        if (fd < -1)
            return fd;
        listener->sockets[i] = fd;
    }
    for (uint32_t i = 0; i < worker_count; i++) {
        if (listener->sockets[i] < 0)
            continue;
        if (listen(listener->sockets[i], (int)backlog) < 0)
            return -errno;
        result = 0;
    }
    return result;
}

static int add_once(iocp_listener_set *set, uint32_t worker_count, const iocp_address *address, uint32_t backlog,
                    iocp_address *bound)
{
    const uint32_t count = atomic_load_explicit(&set->count, memory_order_relaxed);
    if (count == IOCP_LISTENERS_MAX)
        return -ENOSPC;
    iocp_listener *listener = &set->listeners[count];
    int result = claim_address(address, backlog, &listener->address);
    if (result < 0)
        return result;
    listener->sockets = malloc(worker_count * sizeof *listener->sockets);
    if (listener->sockets == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < worker_count; i++)
        listener->sockets[i] = -1;
    result = listen_on_all(set, listener, worker_count, backlog);
    if (result < 0) {
        close_sockets(listener, worker_count);
        return result;
    }
    *bound = listener->address;
    atomic_store(&set->count, count + 1);
    /* One that left meanwhile did not see this listener, or it is seen here that it left: sequential consistency. */
    for (uint32_t i = 0; i < worker_count; i++)
        if (set->left[i])
            close_socket(listener, i);
    return 0;
}

int iocp_listener_set_add(iocp_listener_set *set, uint32_t worker_count, const iocp_address *address,
                          uint32_t backlog, iocp_address *bound)
{
    enum { TRIES = 16 };
    int result = -EADDRINUSE;
    /* A free port that was claimed and let go may be taken before it is bound again: any other will do as well. */
    for (int i = 0; i < TRIES && result == -EADDRINUSE; i++) {
        result = add_once(set, worker_count, address, backlog, bound);
        if (address->port_be != 0)
            break;
    }
    return result;
}

void iocp_listener_set_close(iocp_listener_set *set, uint32_t worker_count)
{
    const uint32_t count = atomic_load_explicit(&set->count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++)
        close_sockets(&set->listeners[i], worker_count);
    atomic_store_explicit(&set->count, 0, memory_order_relaxed);
}

void iocp_listener_set_leave(iocp_listener_set *set, uint32_t worker)
{
    if (atomic_exchange(&set->left[worker], true))
        return;
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count; i++)
        close_socket(&set->listeners[i], worker);
}

/* --- accepting ---------------------------------------------------------------------------------------------- */

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

static void service_listener(iocp_worker *worker, uint32_t index, int listening_socket)
{
    iocp_accept_state *state = &worker->accepting.states[index];
    const bool stop = worker->stopping || (state->many && !many_fit(worker));
    if (state->armed) {
        if (stop && !state->cancelled) {
            state->cancelled = true;
            worker->operations->cancel(worker->driver, accept_token(worker, index), 0);
        }
        return;
    }
    if (worker->stopping && state->backing_off) {
        state->backing_off = false;
        iocp_deadlines_disarm(&worker->deadlines, iocp_worker_first_listener_deadline(worker) + index);
    }
    if (worker->stopping || state->backing_off || !has_slot(worker, state) || !take_token(worker, index))
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
        service_listener(worker, i,
                         atomic_load_explicit(&set->listeners[i].sockets[worker->setup.index], memory_order_relaxed));
    if (worker->stopping && worker->accepting.armed_count == 0)
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
    if (worker->stopping)
        iocp_worker_begin_close(worker, slot, IOCP_CLOSE_STOPPED, 0, false);
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
    case ECANCELED:    /* ours: near the limit, or stopping */
    case ECONNABORTED: /* the client left the backlog before it was accepted; the next one may still be there */
    case EINTR:
    case EAGAIN:
        return;
    default:
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
