/* Binds, joins and gives up the port's listening sockets, so that only an open worker has clients in a backlog. */
#include "listener_set.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../system/socket_address.h"

/* --- one socket --------------------------------------------------------------------------------------------- */

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
 * So the port is claimed without it: that fails while anybody listens there. Afterwards the claim shares the port, so
 * that it can stand until the sockets of the workers are bound. Returns its fd or -errno. */
static int claim_address(const iocp_address *address, uint32_t backlog, iocp_address *claimed)
{
    const int one = 1;
    const int fd = bound_socket(address, false);
    if (fd < 0)
        return fd;
    int result = bound_address(fd, claimed);
    if (result == 0 &&
        (listen(fd, (int)backlog) < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0))
        result = -errno;
    if (result == 0)
        return fd;
    close(fd);
    return result;
}

/* Without SO_REUSEADDR a bound socket is in the way of other servers even while it does not listen. It is switched off
 * after the bind, which would otherwise fail beside connections in TIME_WAIT. */
static int holding_socket(const iocp_address *address)
{
    const int zero = 0;
    const int fd = bound_socket(address, true);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &zero, sizeof zero) == 0)
        return fd;
    const int result = -errno;
    close(fd);
    return result;
}

static void close_once(_Atomic int *socket)
{
    const int fd = atomic_exchange(socket, -1);
    if (fd >= 0)
        close(fd);
}

/* --- one listener ------------------------------------------------------------------------------------------- */

static bool any_member(const iocp_listener_set *set, iocp_membership membership)
{
    for (uint32_t i = 0; i < set->worker_count; i++)
        if (atomic_load_explicit(&set->members[i], memory_order_relaxed) == membership)
            return true;
    return false;
}

static void close_sockets(iocp_listener *listener, uint32_t worker_count)
{
    close_once(&listener->holder);
    for (uint32_t i = 0; i < worker_count; i++)
        close_once(&listener->sockets[i]);
}

/* Once made, the places of a listener's sockets stay: workers look at them without the lock. */
static int make_places(iocp_listener *listener, uint32_t worker_count)
{
    if (listener->sockets != NULL)
        return 0;
    listener->sockets = malloc(worker_count * sizeof *listener->sockets);
    if (listener->sockets == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < worker_count; i++)
        atomic_init(&listener->sockets[i], -1);
    return 0;
}

static int bind_all(iocp_listener_set *set, iocp_listener *listener)
{
    if (any_member(set, IOCP_MEMBER_NOT_YET)) {
        const int holder = holding_socket(&listener->address);
        if (holder < 0)
            return holder;
        atomic_store(&listener->holder, holder);
    }
    for (uint32_t i = 0; i < set->worker_count; i++) {
        if (atomic_load_explicit(&set->members[i], memory_order_relaxed) != IOCP_MEMBER_JOINED)
            continue;
        const int fd = bound_socket(&listener->address, true);
        if (fd < 0)
            return fd;
        atomic_store(&listener->sockets[i], fd);
    }
    return 0;
}

static int listen_all(const iocp_listener_set *set, const iocp_listener *listener)
{
    for (uint32_t i = 0; i < set->worker_count; i++) {
        const int fd = atomic_load(&listener->sockets[i]);
        if (fd >= 0 && listen(fd, (int)set->backlog) < 0)
            return -errno;
    }
    return 0;
}

static int open_listener(iocp_listener_set *set, const iocp_address *address, iocp_listener *listener)
{
    atomic_store(&listener->holder, -1);
    const int claim = claim_address(address, set->backlog, &listener->address);
    if (claim < 0)
        return claim;
    int result = make_places(listener, set->worker_count);
    if (result == 0)
        result = bind_all(set, listener);
    close(claim);
    /* Listening starts when all are bound: a client must not reach a group that may still be given up. */
    if (result == 0)
        result = listen_all(set, listener);
    if (result < 0 && listener->sockets != NULL)
        close_sockets(listener, set->worker_count);
    return result;
}

/* --- the set ------------------------------------------------------------------------------------------------ */

void iocp_listener_set_open(iocp_listener_set *set, uint32_t worker_count, uint32_t backlog)
{
    pthread_mutex_init(&set->lock, NULL);
    set->worker_count = worker_count;
    set->backlog = backlog;
}

void iocp_listener_set_close(iocp_listener_set *set)
{
    for (uint32_t i = 0; i < IOCP_LISTENERS_MAX && set->listeners[i].sockets != NULL; i++) {
        close_sockets(&set->listeners[i], set->worker_count);
        free(set->listeners[i].sockets);
        set->listeners[i].sockets = NULL;
    }
    atomic_store(&set->count, 0);
    pthread_mutex_destroy(&set->lock);
}

static void close_holders(iocp_listener_set *set)
{
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count; i++)
        close_once(&set->listeners[i].holder);
}

/* Whether every worker has closed its socket of a listener that ended. */
static bool is_vacant(const iocp_listener_set *set, const iocp_listener *listener)
{
    if (!atomic_load(&listener->ended))
        return false;
    for (uint32_t i = 0; i < set->worker_count; i++)
        if (atomic_load(&listener->sockets[i]) >= 0)
            return false;
    return true;
}

/* The first place that is free; IOCP_LISTENERS_MAX where none is. */
static uint32_t free_place(const iocp_listener_set *set)
{
    const uint32_t count = atomic_load(&set->count);
    uint32_t place = 0;
    while (place < count && !is_vacant(set, &set->listeners[place]))
        place++;
    return place;
}

static int add_listener(iocp_listener_set *set, const iocp_address *address, iocp_address *bound)
{
    enum { TRIES = 16 };
    const uint32_t place = free_place(set);
    if (place == IOCP_LISTENERS_MAX)
        return -ENOSPC;
    if (!any_member(set, IOCP_MEMBER_NOT_YET) && !any_member(set, IOCP_MEMBER_JOINED))
        return -ESHUTDOWN;
    iocp_listener *listener = &set->listeners[place];
    /* A free port may be taken between its choice and the last bind: any other will do as well. */
    int result = open_listener(set, address, listener);
    for (int i = 1; i < TRIES && result == -EADDRINUSE && address->port_be == 0; i++)
        result = open_listener(set, address, listener);
    if (result < 0)
        return result;
    *bound = listener->address;
    /* A stop that came meanwhile did not see this listener, or it is seen here: sequential consistency. */
    if (place == atomic_load(&set->count))
        atomic_store(&set->count, place + 1);
    else
        atomic_store(&listener->ended, false);
    if (atomic_load(&set->stopped))
        close_holders(set);
    return 0;
}

int iocp_listener_set_add(iocp_listener_set *set, const iocp_address *address, iocp_address *bound)
{
    pthread_mutex_lock(&set->lock);
    const int result = add_listener(set, address, bound);
    pthread_mutex_unlock(&set->lock);
    return result;
}

static void close_worker(iocp_listener_set *set, uint32_t worker)
{
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count; i++)
        close_once(&set->listeners[i].sockets[worker]);
}

static int join(iocp_listener_set *set, uint32_t worker)
{
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count; i++) {
        if (atomic_load(&set->listeners[i].ended))
            continue;
        const int fd = bound_socket(&set->listeners[i].address, true);
        if (fd < 0)
            return fd;
        atomic_store(&set->listeners[i].sockets[worker], fd);
    }
    for (uint32_t i = 0; i < count; i++) {
        const int fd = atomic_load(&set->listeners[i].sockets[worker]);
        if (fd >= 0 && listen(fd, (int)set->backlog) < 0)
            return -errno;
    }
    return 0;
}

int iocp_listener_set_join(iocp_listener_set *set, uint32_t worker)
{
    pthread_mutex_lock(&set->lock);
    int result = 0;
    /* After a stop it would accept from none of them. */
    if (!atomic_load(&set->stopped))
        result = join(set, worker);
    if (result < 0)
        close_worker(set, worker);
    else
        atomic_store(&set->members[worker], IOCP_MEMBER_JOINED);
    if (!any_member(set, IOCP_MEMBER_NOT_YET))
        close_holders(set);
    pthread_mutex_unlock(&set->lock);
    return result;
}

void iocp_listener_set_leave(iocp_listener_set *set, uint32_t worker)
{
    if (atomic_load(&set->members[worker]) == IOCP_MEMBER_LEFT)
        return;
    pthread_mutex_lock(&set->lock);
    atomic_store(&set->members[worker], IOCP_MEMBER_LEFT);
    close_worker(set, worker);
    pthread_mutex_unlock(&set->lock);
}

/* Shut, a socket listens no more at once, whatever its worker does; accepts that wait there end with EINVAL. */
static void end_listener(const iocp_listener_set *set, iocp_listener *listener)
{
    atomic_store(&listener->ended, true);
    close_once(&listener->holder);
    for (uint32_t i = 0; i < set->worker_count; i++) {
        const int fd = atomic_load(&listener->sockets[i]);
        if (fd >= 0)
            shutdown(fd, SHUT_RDWR);
    }
}

void iocp_listener_set_end(iocp_listener_set *set)
{
    pthread_mutex_lock(&set->lock);
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count; i++)
        end_listener(set, &set->listeners[i]);
    pthread_mutex_unlock(&set->lock);
}

void iocp_listener_set_withdraw(iocp_listener_set *set, uint32_t listener, uint32_t worker)
{
    pthread_mutex_lock(&set->lock);
    /* It may have been given to another address meanwhile. */
    if (atomic_load(&set->listeners[listener].ended))
        close_once(&set->listeners[listener].sockets[worker]);
    pthread_mutex_unlock(&set->lock);
}

void iocp_listener_set_stop(iocp_listener_set *set)
{
    atomic_store(&set->stopped, true);
    close_holders(set);
}
