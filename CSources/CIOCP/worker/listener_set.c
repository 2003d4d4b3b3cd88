/* Binds, joins and gives up the port's listening sockets, so that only an open worker has clients in a backlog. */
#include "listener_set.h"

#include <errno.h>
#include <stdlib.h>

static void unbind_once(const iocp_listener_set *set, _Atomic int *socket)
{
    const int fd = atomic_exchange(socket, -1);
    if (fd >= 0)
        set->operations->unbind(fd);
}

/* --- one listener ------------------------------------------------------------------------------------------- */

static bool any_member(const iocp_listener_set *set, iocp_membership membership)
{
    for (uint32_t i = 0; i < set->worker_count; i++)
        if (atomic_load_explicit(&set->members[i], memory_order_relaxed) == membership)
            return true;
    return false;
}

static void remove_path(const iocp_listener_set *set, iocp_listener *listener)
{
    if (atomic_exchange(&listener->has_path, false))
        set->operations->remove(&listener->bound);
}

static void close_sockets(const iocp_listener_set *set, iocp_listener *listener)
{
    remove_path(set, listener);
    unbind_once(set, &listener->holder);
    for (uint32_t i = 0; i < set->worker_count; i++)
        unbind_once(set, &listener->sockets[i]);
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

static int bind_one(const iocp_listener_set *set, iocp_listener *listener, iocp_bind_role role, int sibling)
{
    return set->operations->bind(&listener->bound, &listener->options, role, sibling);
}

static int bind_all(const iocp_listener_set *set, iocp_listener *listener, int claim)
{
    if (any_member(set, IOCP_MEMBER_NOT_YET)) {
        const int holder = bind_one(set, listener, IOCP_BIND_HOLD, claim);
        if (holder < 0)
            return holder;
        atomic_store(&listener->holder, holder);
    }
    for (uint32_t i = 0; i < set->worker_count; i++) {
        if (atomic_load_explicit(&set->members[i], memory_order_relaxed) != IOCP_MEMBER_JOINED)
            continue;
        const int fd = bind_one(set, listener, IOCP_BIND_SHARE, claim);
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
        const int result = fd >= 0 ? set->operations->listen(fd, listener->options.backlog) : 0;
        if (result < 0)
            return result;
    }
    return 0;
}

static int bind_listener(iocp_listener_set *set, const iocp_endpoint *endpoint, const iocp_listen_options *options,
                         int inherited, iocp_listener *listener)
{
    atomic_store(&listener->holder, -1);
    listener->bound = (iocp_bound){.endpoint = *endpoint};
    listener->options = *options;
    int result = make_places(listener, set->worker_count);
    if (result < 0)
        return result;
    const int claim = bind_one(set, listener, IOCP_BIND_CLAIM, inherited);
    if (claim < 0)
        return claim;
    atomic_store(&listener->has_path, listener->bound.file_number != 0);
    result = bind_all(set, listener, claim);
    set->operations->unbind(claim);
    if (result < 0)
        close_sockets(set, listener);
    return result;
}

/* --- the set ------------------------------------------------------------------------------------------------ */

void iocp_listener_set_open(iocp_listener_set *set, const iocp_listening_operations *operations, uint32_t worker_count,
                            uint32_t backlog)
{
    pthread_mutex_init(&set->lock, NULL);
    set->operations = operations;
    set->worker_count = worker_count;
    set->backlog = backlog;
}

void iocp_listener_set_close(iocp_listener_set *set)
{
    for (uint32_t i = 0; i < IOCP_LISTENERS_MAX && set->listeners[i].sockets != NULL; i++) {
        close_sockets(set, &set->listeners[i]);
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
        unbind_once(set, &set->listeners[i].holder);
}

static void remove_paths(iocp_listener_set *set)
{
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count; i++)
        remove_path(set, &set->listeners[i]);
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

static bool is_v4(const iocp_endpoint *endpoint)
{
    return endpoint->kind == IOCP_ENDPOINT_TCP && !endpoint->address.family_is_v6;
}

/* IPv4 addresses have sockets of their own beside an IPv6 wildcard, which must leave them alone then. */
static bool has_v4(const iocp_endpoint *endpoints, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (is_v4(&endpoints[i]))
            return true;
    return false;
}

/* What one call listens on. */
typedef struct iocp_wish {
    const iocp_endpoint *endpoints;
    uint32_t count;
    iocp_listen_options options;
    int inherited;
} iocp_wish;

/* All on the port that the first one gets. Listening starts when all are bound: a client must not reach a group that
 * may still be given up. */
static int open_listeners(iocp_listener_set *set, iocp_listener **places, const iocp_wish *wish)
{
    int result = 0;
    uint32_t bound_count = 0;
    while (bound_count < wish->count && result == 0) {
        iocp_endpoint endpoint = wish->endpoints[bound_count];
        if (endpoint.address.port_be == 0 && bound_count > 0)
            endpoint.address.port_be = places[0]->bound.endpoint.address.port_be;
        result = bind_listener(set, &endpoint, &wish->options, wish->inherited, places[bound_count]);
        bound_count += result == 0;
    }
    for (uint32_t i = 0; i < wish->count && result == 0; i++)
        result = listen_all(set, places[i]);
    for (uint32_t i = 0; i < bound_count && result < 0; i++)
        close_sockets(set, places[i]);
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

static bool wants_any_port(const iocp_wish *wish)
{
    return wish->inherited < 0 && wish->endpoints[0].kind == IOCP_ENDPOINT_TCP &&
           wish->endpoints[0].address.port_be == 0;
}

static int add_listeners(iocp_listener_set *set, const iocp_wish *wish, iocp_endpoint *bound)
{
    enum { TRIES = 16 };
    iocp_listener *places[IOCP_ADDRESSES_MAX];
    int result = find_places(set, places, wish->count);
    if (result < 0)
        return result;
    if (!any_member(set, IOCP_MEMBER_NOT_YET) && !any_member(set, IOCP_MEMBER_JOINED))
        return -ESHUTDOWN;
    /* A port that is free of one address may be taken of another, or meanwhile: any other will do as well. */
    result = open_listeners(set, places, wish);
    for (int i = 1; i < TRIES && result == -EADDRINUSE && wants_any_port(wish); i++)
        result = open_listeners(set, places, wish);
    if (result < 0)
        return result;
    for (uint32_t i = 0; i < wish->count; i++)
        bound[i] = places[i]->bound.endpoint;
    /* A stop that came meanwhile did not see these, or it is seen here: sequential consistency. */
    publish(set, places, wish->count);
    if (atomic_load(&set->stopped)) {
        close_holders(set);
        remove_paths(set);
    }
    return 0;
}

int iocp_listener_set_add(iocp_listener_set *set, const iocp_endpoint *endpoints, uint32_t endpoint_count,
                          const iocp_listen_options *options, int inherited, iocp_endpoint *bound)
{
    iocp_wish wish = {.endpoints = endpoints, .count = endpoint_count, .options = *options, .inherited = inherited};
    wish.options.v6_only |= has_v4(endpoints, endpoint_count);
    if (wish.options.backlog == 0)
        wish.options.backlog = set->backlog;
    pthread_mutex_lock(&set->lock);
    const int result = add_listeners(set, &wish, bound);
    pthread_mutex_unlock(&set->lock);
    return result;
}

int iocp_listener_set_endpoint(iocp_listener_set *set, uint32_t index, iocp_endpoint *endpoint)
{
    int result = -ENOENT;
    pthread_mutex_lock(&set->lock);
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count && result != 0; i++) {
        if (atomic_load(&set->listeners[i].ended) || index-- > 0)
            continue;
        *endpoint = set->listeners[i].bound.endpoint;
        result = 0;
    }
    pthread_mutex_unlock(&set->lock);
    return result;
}

/* A descriptor that is closed may leave its socket listening for a while: an accept that a ring still takes apart holds
 * it, and so does a child between fork and exec. Clients that come meanwhile would wait for nobody, and be reset. So a
 * socket that is the worker's alone is shut first. */
static void close_worker(iocp_listener_set *set, uint32_t worker)
{
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count; i++) {
        iocp_listener *listener = &set->listeners[i];
        const int fd = atomic_load(&listener->sockets[worker]);
        if (fd >= 0 && !listener->bound.shared)
            set->operations->end(fd);
        unbind_once(set, &listener->sockets[worker]);
    }
}

static int join(iocp_listener_set *set, uint32_t worker)
{
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count; i++) {
        if (atomic_load(&set->listeners[i].ended))
            continue;
        iocp_listener *listener = &set->listeners[i];
        const int fd = bind_one(set, listener, IOCP_BIND_SHARE, atomic_load(&listener->holder));
        if (fd < 0)
            return fd;
        atomic_store(&set->listeners[i].sockets[worker], fd);
    }
    for (uint32_t i = 0; i < count; i++) {
        const int fd = atomic_load(&set->listeners[i].sockets[worker]);
        const int result = fd >= 0 ? set->operations->listen(fd, set->listeners[i].options.backlog) : 0;
        if (result < 0)
            return result;
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
    if (!any_member(set, IOCP_MEMBER_NOT_YET) && !any_member(set, IOCP_MEMBER_JOINED))
        remove_paths(set);
    pthread_mutex_unlock(&set->lock);
}

/* Shut, a socket listens no more at once, whatever its worker does; accepts that wait there end with EINVAL. */
static void end_listener(const iocp_listener_set *set, iocp_listener *listener)
{
    atomic_store(&listener->ended, true);
    remove_path(set, listener);
    unbind_once(set, &listener->holder);
    for (uint32_t i = 0; i < set->worker_count; i++) {
        const int fd = atomic_load(&listener->sockets[i]);
        if (fd >= 0)
            set->operations->end(fd);
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
        unbind_once(set, &set->listeners[listener].sockets[worker]);
    pthread_mutex_unlock(&set->lock);
}

void iocp_listener_set_stop(iocp_listener_set *set)
{
    atomic_store(&set->stopped, true);
    close_holders(set);
    remove_paths(set);
}
