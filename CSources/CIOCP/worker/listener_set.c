/* Binds, joins and gives up the port's listening sockets, so that only an open worker has clients in a backlog. */
#include "listener_set.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listening_socket.h"

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
        const int holder = iocp_listening_socket_hold(&listener->address, listener->v6_only);
        if (holder < 0)
            return holder;
        atomic_store(&listener->holder, holder);
    }
    for (uint32_t i = 0; i < set->worker_count; i++) {
        if (atomic_load_explicit(&set->members[i], memory_order_relaxed) != IOCP_MEMBER_JOINED)
            continue;
        const int fd = iocp_listening_socket_bind(&listener->address, listener->v6_only);
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

static int bind_listener(iocp_listener_set *set, const iocp_address *address, bool v6_only, iocp_listener *listener)
{
    atomic_store(&listener->holder, -1);
    const int claim = iocp_listening_socket_claim(address, v6_only, set->backlog, &listener->address);
    if (claim < 0)
        return claim;
    listener->v6_only = v6_only;
    int result = make_places(listener, set->worker_count);
    if (result == 0)
        result = bind_all(set, listener);
    close(claim);
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

/* Fills `places` with the first that are free. Returns 0, or -ENOSPC where there are fewer. */
static int find_places(iocp_listener_set *set, iocp_listener **places, uint32_t wanted)
{
    const uint32_t count = atomic_load(&set->count);
    uint32_t found = 0;
    for (uint32_t i = 0; i < IOCP_LISTENERS_MAX && found < wanted; i++)
        if (i >= count || is_vacant(set, &set->listeners[i]))
            places[found++] = &set->listeners[i];
    return found == wanted ? 0 : -ENOSPC;
}

/* IPv4 addresses have sockets of their own beside an IPv6 wildcard, which must leave them alone then. */
static bool has_v4(const iocp_address *addresses, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!addresses[i].family_is_v6)
            return true;
    return false;
}

/* All on the port that the first one gets. Listening starts when all are bound: a client must not reach a group that may
 * still be given up. */
static int open_listeners(iocp_listener_set *set, iocp_listener **places, const iocp_address *addresses, uint32_t count,
                          bool v6_only)
{
    int result = 0;
    uint32_t bound_count = 0;
    while (bound_count < count && result == 0) {
        iocp_address address = addresses[bound_count];
        if (address.port_be == 0 && bound_count > 0)
            address.port_be = places[0]->address.port_be;
        result = bind_listener(set, &address, v6_only, places[bound_count]);
        bound_count += result == 0;
    }
    for (uint32_t i = 0; i < count && result == 0; i++)
        result = listen_all(set, places[i]);
    for (uint32_t i = 0; i < bound_count && result < 0; i++)
        close_sockets(places[i], set->worker_count);
    return result;
}

/* Workers see a place once it is counted, or once it has not ended. */
static void publish(iocp_listener_set *set, iocp_listener **places, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        atomic_store(&places[i]->ended, false);
    const uint32_t end = (uint32_t)(places[count - 1] - set->listeners) + 1;
    if (end > atomic_load(&set->count))
        atomic_store(&set->count, end);
}

static int add_listeners(iocp_listener_set *set, const iocp_address *addresses, uint32_t address_count, bool v6_only,
                         iocp_address *bound)
{
    enum { TRIES = 16 };
    iocp_listener *places[IOCP_ADDRESSES_MAX];
    int result = find_places(set, places, address_count);
    if (result < 0)
        return result;
    if (!any_member(set, IOCP_MEMBER_NOT_YET) && !any_member(set, IOCP_MEMBER_JOINED))
        return -ESHUTDOWN;
    v6_only |= has_v4(addresses, address_count);
    /* A port that is free of one address may be taken of another, or meanwhile: any other will do as well. */
    result = open_listeners(set, places, addresses, address_count, v6_only);
    for (int i = 1; i < TRIES && result == -EADDRINUSE && addresses[0].port_be == 0; i++)
        result = open_listeners(set, places, addresses, address_count, v6_only);
    if (result < 0)
        return result;
    for (uint32_t i = 0; i < address_count; i++)
        bound[i] = places[i]->address;
    /* A stop that came meanwhile did not see these, or it is seen here: sequential consistency. */
    publish(set, places, address_count);
    if (atomic_load(&set->stopped))
        close_holders(set);
    return 0;
}

int iocp_listener_set_add(iocp_listener_set *set, const iocp_address *addresses, uint32_t address_count, bool v6_only,
                          iocp_address *bound)
{
    pthread_mutex_lock(&set->lock);
    const int result = add_listeners(set, addresses, address_count, v6_only, bound);
    pthread_mutex_unlock(&set->lock);
    return result;
}

int iocp_listener_set_address(iocp_listener_set *set, uint32_t index, iocp_address *address)
{
    int result = -ENOENT;
    pthread_mutex_lock(&set->lock);
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count && result != 0; i++) {
        if (atomic_load(&set->listeners[i].ended) || index-- > 0)
            continue;
        *address = set->listeners[i].address;
        result = 0;
    }
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
        const int fd = iocp_listening_socket_bind(&set->listeners[i].address, set->listeners[i].v6_only);
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
