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

static void close_sockets(iocp_listener *listener, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        close(listener->sockets[i]);
    free(listener->sockets);
    listener->sockets = NULL;
}

int iocp_listener_set_add(iocp_listener_set *set, uint32_t worker_count, const iocp_address *address,
                          uint32_t backlog, iocp_address *bound)
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

    uint32_t opened = 0;
    for (; opened < worker_count; opened++) {
        result = bound_socket(&listener->address, true);
        if (result < 0)
            break;
        listener->sockets[opened] = result;
    }
    /* Listening starts when all are bound: a client must not reach a group that may still be given up. */
    for (uint32_t i = 0; result >= 0 && i < worker_count; i++) {
        if (listen(listener->sockets[i], (int)backlog) < 0)
            result = -errno;
    }
    if (result < 0) {
        close_sockets(listener, opened);
        return result;
    }
    *bound = listener->address;
    atomic_store_explicit(&set->count, count + 1, memory_order_release);
    return 0;
}

void iocp_listener_set_close(iocp_listener_set *set, uint32_t worker_count)
{
    const uint32_t count = atomic_load_explicit(&set->count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++)
        close_sockets(&set->listeners[i], worker_count);
    atomic_store_explicit(&set->count, 0, memory_order_relaxed);
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
    return free_slots(worker) > worker->setup.config->listen_backlog;
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
    if (worker->stopping || state->backing_off || free_slots(worker) <= worker->accepting.armed_count)
        return;
    *state = (iocp_accept_state){.armed = true, .many = many_fit(worker)};
    worker->accepting.armed_count++;
    worker->operations->accept(worker->driver, accept_token(worker, index), listening_socket, state->many);
}

void iocp_worker_service_listeners(iocp_worker *worker)
{
    const iocp_listener_set *set = worker->setup.listeners;
    const uint32_t count = atomic_load_explicit(&set->count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++)
        service_listener(worker, i, set->listeners[i].sockets[worker->setup.index]);
}

static void adopt(iocp_worker *worker, uint32_t handle)
{
    iocp_slot *slot = iocp_worker_slot_take(worker, handle, IOCP_SLOT_OPEN);
    if (slot == NULL) {
        IOCP_STATS_ADD(worker->stats, accept_failures, 1);
        worker->operations->close_handle(worker->driver, 0, handle, false);
        return;
    }
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
        state->backing_off = true;
        iocp_deadlines_arm(&worker->deadlines, worker->table.slot_count + index,
                           worker->now_ns + IOCP_ACCEPT_RETRY_MS * UINT64_C(1000000));
        return;
    }
}

void iocp_worker_accept_again(iocp_worker *worker, uint32_t listener)
{
    worker->accepting.states[listener].backing_off = false;
}
