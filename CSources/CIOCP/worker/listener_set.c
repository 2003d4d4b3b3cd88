/* What the port listens on: places for endpoints, taken by a call to listen and free again when they ended. */
#include "layers.h"
#include "listener_set.h"

#include <errno.h>
#include <stdlib.h>

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
        iocp_listener_close(set, &set->listeners[i]);
        free(set->listeners[i].sockets);
        set->listeners[i].sockets = NULL;
        iocp_layer_release(&set->listeners[i].options.layer);
        set->listeners[i].options.layer = (iocp_layer){0};
    }
    atomic_store(&set->count, 0);
    pthread_mutex_destroy(&set->lock);
}

void iocp_listener_set_close_holders(iocp_listener_set *set)
{
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count; i++)
        iocp_listener_unbind(set, &set->listeners[i].holder);
}

void iocp_listener_set_remove_paths(iocp_listener_set *set)
{
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count; i++)
        iocp_listener_remove_path(set, &set->listeners[i]);
}

/* Fills `places` with the first that are free. Returns 0, or -ENOSPC where there are fewer. */
static int find_places(iocp_listener_set *set, iocp_listener **places, uint32_t wanted)
{
    const uint32_t count = atomic_load(&set->count);
    uint32_t found = 0;
    for (uint32_t i = 0; i < IOCP_LISTENERS_MAX && found < wanted; i++)
        if (i >= count || iocp_listener_is_vacant(set, &set->listeners[i]))
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
        result = iocp_listener_bind(set, &endpoint, &wish->options, wish->inherited, places[bound_count]);
        bound_count += result == 0;
    }
    for (uint32_t i = 0; i < wish->count && result == 0; i++)
        result = iocp_listener_listen(set, places[i]);
    for (uint32_t i = 0; i < bound_count && result < 0; i++)
        iocp_listener_close(set, places[i]);
    return result;
}

/* Whether a listener that has sockets is called so, in short. */
static bool is_named(const iocp_listener_set *set, uint16_t name)
{
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count; i++)
        if (iocp_listener_short(set->listeners[i].id) == name && !iocp_listener_is_vacant(set, &set->listeners[i]))
            return true;
    return false;
}

static iocp_listener_id next_id(iocp_listener_set *set)
{
    uint16_t name;
    do
        name = iocp_listener_short(++set->last_id);
    while (name == 0 || is_named(set, name));
    return set->last_id;
}

/* Workers see a place once it is counted, or once it is not closed. */
static void publish(iocp_listener_set *set, iocp_listener **places, uint32_t count, iocp_listener_id id)
{
    for (uint32_t i = 0; i < count; i++) {
        places[i]->id = id;
        atomic_store(&places[i]->state, IOCP_LISTENER_LISTENING);
    }
    const uint32_t end = (uint32_t)(places[count - 1] - set->listeners) + 1;
    if (end > atomic_load(&set->count))
        atomic_store(&set->count, end);
}

static bool wants_any_port(const iocp_wish *wish)
{
    return wish->inherited < 0 && wish->endpoints[0].kind == IOCP_ENDPOINT_TCP &&
           wish->endpoints[0].address.port_be == 0;
}

static int add_listeners(iocp_listener_set *set, const iocp_wish *wish, iocp_endpoint *bound, iocp_listener_id *id)
{
    enum { TRIES = 16 };
    iocp_listener *places[IOCP_ADDRESSES_MAX];
    int result = find_places(set, places, wish->count);
    if (result < 0)
        return result;
    if (!iocp_listener_set_has(set, IOCP_MEMBER_NOT_YET) && !iocp_listener_set_has(set, IOCP_MEMBER_JOINED))
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
    *id = next_id(set);
    publish(set, places, wish->count, *id);
    if (atomic_load(&set->stopped)) {
        iocp_listener_set_close_holders(set);
        iocp_listener_set_remove_paths(set);
    }
    return 0;
}

int iocp_listener_set_add(iocp_listener_set *set, const iocp_wish *wanted, iocp_endpoint *bound, iocp_listener_id *id)
{
    iocp_wish wish = *wanted;
    wish.options.v6_only |= has_v4(wish.endpoints, wish.count);
    if (wish.options.backlog == 0)
        wish.options.backlog = set->backlog;
    pthread_mutex_lock(&set->lock);
    const int result = add_listeners(set, &wish, bound, id);
    pthread_mutex_unlock(&set->lock);
    return result;
}

/* --- what is listened on -------------------------------------------------------------------------------------- */

static bool is_closed(const iocp_listener *listener)
{
    return atomic_load(&listener->state) == IOCP_LISTENER_CLOSED;
}

int iocp_listener_set_endpoint(iocp_listener_set *set, uint32_t place, iocp_endpoint *endpoint, iocp_listener_id *id)
{
    pthread_mutex_lock(&set->lock);
    const uint32_t count = atomic_load(&set->stopped) ? 0 : atomic_load(&set->count);
    while (place < count && is_closed(&set->listeners[place]))
        place++;
    if (place < count) {
        *endpoint = set->listeners[place].bound.endpoint;
        *id = set->listeners[place].id;
    }
    pthread_mutex_unlock(&set->lock);
    return place < count ? (int)place : -ENOENT;
}

iocp_listener_state iocp_listener_set_state(iocp_listener_set *set, iocp_listener_id id)
{
    iocp_listener_state state = IOCP_LISTENER_CLOSED;
    pthread_mutex_lock(&set->lock);
    const uint32_t count = atomic_load(&set->stopped) ? 0 : atomic_load(&set->count);
    for (uint32_t i = 0; i < count && state == IOCP_LISTENER_CLOSED; i++)
        if (set->listeners[i].id == id)
            state = atomic_load(&set->listeners[i].state);
    pthread_mutex_unlock(&set->lock);
    return state;
}

static void change(const iocp_listener_set *set, iocp_listener *listener, iocp_listener_state state)
{
    if (state == IOCP_LISTENER_CLOSED)
        iocp_listener_end(set, listener);
    else
        atomic_store(&listener->state, state);
}

int iocp_listener_set_change(iocp_listener_set *set, iocp_listener_id id, iocp_listener_state state)
{
    int result = -ENOENT;
    pthread_mutex_lock(&set->lock);
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count; i++) {
        if (is_closed(&set->listeners[i]) || set->listeners[i].id != id)
            continue;
        change(set, &set->listeners[i], state);
        result = 0;
    }
    pthread_mutex_unlock(&set->lock);
    return result;
}

void iocp_listener_set_end(iocp_listener_set *set)
{
    pthread_mutex_lock(&set->lock);
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count; i++)
        iocp_listener_end(set, &set->listeners[i]);
    pthread_mutex_unlock(&set->lock);
}

void iocp_listener_set_stop(iocp_listener_set *set)
{
    atomic_store(&set->stopped, true);
    iocp_listener_set_close_holders(set);
    iocp_listener_set_remove_paths(set);
}
