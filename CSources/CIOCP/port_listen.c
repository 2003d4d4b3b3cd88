/* What a port listens on. */
#include <errno.h>
#include <time.h>

#include "port_state.h"

void iocp_port_wake_all(iocp_port *port)
{
    for (uint32_t i = 0; i < port->config.worker_count; i++)
        iocp_worker_wake(&port->workers[i]);
}

/* Two families on one port may well be this port's own. Called with the lock held. */
static bool listens_itself(const iocp_port *port, const iocp_endpoint *endpoint)
{
    const uint32_t count = atomic_load_explicit(&port->listeners.count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++)
        if (endpoint->kind == IOCP_ENDPOINT_TCP && port->listeners.listeners[i].bound.endpoint.kind == IOCP_ENDPOINT_TCP &&
            port->listeners.listeners[i].bound.endpoint.address.port_be == endpoint->address.port_be)
            return true;
    return false;
}

/* Why bind(2) refused. Called with the lock held. */
static const char *listening(const iocp_port *port, const iocp_endpoint *endpoint, int result)
{
    if (result != -EADDRINUSE)
        return "listening";
    if (endpoint->kind == IOCP_ENDPOINT_UNIX)
        return "a server listens there, or it is a file and no socket";
    if (listens_itself(port, endpoint))
        return "this server listens there itself, and a listener on :: takes IPv4 clients, too";
    return "another socket holds it, most likely a server that listens there";
}

static int try_to_listen(iocp_port *port, const iocp_wish *wish, iocp_endpoint *bound, iocp_listener_id *listener,
                         iocp_failure *failure, bool *again)
{
    const bool is_unix = wish->inherited < 0 && wish->endpoints[0].kind == IOCP_ENDPOINT_UNIX;
    const iocp_stage stage = is_unix ? IOCP_STAGE_LISTEN_UNIX : IOCP_STAGE_LISTEN;
    pthread_mutex_lock(&port->lock);
    int result = -ESHUTDOWN;
    if (iocp_port_is_stopping(port))
        iocp_port_fail(failure, result, IOCP_STAGE_STATE, "the port has stopped");
    else if ((result = iocp_listener_set_add(&port->listeners, wish, bound, listener)) < 0)
        iocp_port_fail(failure, result, stage, listening(port, &wish->endpoints[0], result));
    *again = result == -EADDRINUSE && !listens_itself(port, &wish->endpoints[0]);
    pthread_mutex_unlock(&port->lock);
    return result;
}

/* A server that is started again at once may find its address still held by the one that was killed. */
static bool may_come_free(const iocp_port *port, const iocp_wish *wish)
{
    bool (*const may)(const iocp_endpoint *) = port->driver->listening->may_come_free;
    for (uint32_t i = 0; may != NULL && i < wish->count; i++)
        if (may(&wish->endpoints[i]))
            return true;
    return false;
}

static int listen_on(iocp_port *port, const iocp_wish *wish, iocp_endpoint *bound, iocp_listener_id *listener,
                     iocp_failure *failure)
{
    enum { PATIENCE_MS = 500, PAUSE_MS = 2 };
    iocp_listener_id unwanted;
    if (listener == NULL)
        listener = &unwanted;
    bool again;
    int result = try_to_listen(port, wish, bound, listener, failure, &again);
    for (int waited = 0; again && waited < PATIENCE_MS && may_come_free(port, wish); waited += PAUSE_MS) {
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000}, NULL);
        result = try_to_listen(port, wish, bound, listener, failure, &again);
    }
    if (result == 0)
        iocp_port_wake_all(port);
    return result;
}

static iocp_wish wish_of(const iocp_endpoint *endpoints, uint32_t count, const iocp_listen_options *options, int inherited)
{
    iocp_wish wish = {.endpoints = endpoints, .count = count, .inherited = inherited};
    if (options != NULL)
        wish.options = *options;
    return wish;
}

int iocp_port_listen_on(iocp_port *port, const iocp_endpoint *endpoints, uint32_t endpoint_count,
                        const iocp_listen_options *options, iocp_endpoint *bound, iocp_listener_id *listener,
                        iocp_failure *failure)
{
    if (endpoint_count == 0 || endpoint_count > IOCP_ADDRESSES_MAX)
        return iocp_port_fail(failure, -EINVAL, IOCP_STAGE_LISTEN, "1 to 16 endpoints can be listened on at once");
    for (uint32_t i = 0; i < endpoint_count; i++)
        if (endpoints[i].kind == IOCP_ENDPOINT_UNIX &&
            (endpoints[i].name_bytes == 0 || endpoints[i].name_bytes > IOCP_UNIX_NAME_BYTES_MAX))
            return iocp_port_fail(failure, -EINVAL, IOCP_STAGE_LISTEN_UNIX, "the name of a Unix socket has 1 to 108 bytes");
    const iocp_wish wish = wish_of(endpoints, endpoint_count, options, -1);
    return listen_on(port, &wish, bound, listener, failure);
}

int iocp_port_listen_inherited(iocp_port *port, int fd, const iocp_listen_options *options, iocp_endpoint *bound,
                               iocp_listener_id *listener, iocp_failure *failure)
{
    if (fd < 0)
        return iocp_port_fail(failure, -EBADF, IOCP_STAGE_LISTEN, "an inherited descriptor is 0 or more");
    const iocp_endpoint any = {.kind = IOCP_ENDPOINT_UNIX};
    const iocp_wish wish = wish_of(&any, 1, options, fd);
    return listen_on(port, &wish, bound, listener, failure);
}

int iocp_port_listen(iocp_port *port, const iocp_address *address, iocp_address *bound, iocp_failure *failure)
{
    const iocp_endpoint wanted = iocp_endpoint_tcp(address);
    iocp_endpoint found;
    const int result = iocp_port_listen_on(port, &wanted, 1, NULL, &found, NULL, failure);
    if (result == 0)
        *bound = found.address;
    return result;
}

static int change(iocp_port *port, iocp_listener_id listener, iocp_listener_state state)
{
    const int result = iocp_listener_set_change(&port->listeners, listener, state);
    if (result == 0)
        iocp_port_wake_all(port);
    return result;
}

void iocp_port_stop_listening(iocp_port *port)
{
    iocp_listener_set_end(&port->listeners);
    iocp_port_wake_all(port);
}

int iocp_port_listener_close(iocp_port *port, iocp_listener_id listener)
{
    return change(port, listener, IOCP_LISTENER_CLOSED);
}

int iocp_port_listener_pause(iocp_port *port, iocp_listener_id listener)
{
    return change(port, listener, IOCP_LISTENER_PAUSED);
}

int iocp_port_listener_resume(iocp_port *port, iocp_listener_id listener)
{
    return change(port, listener, IOCP_LISTENER_LISTENING);
}

iocp_listener_state iocp_port_listener_state(iocp_port *port, iocp_listener_id listener)
{
    return iocp_listener_set_state(&port->listeners, listener);
}

int iocp_port_listening(iocp_port *port, uint32_t place, iocp_endpoint *endpoint, iocp_listener_id *listener)
{
    iocp_listener_id unwanted;
    return iocp_listener_set_endpoint(&port->listeners, place, endpoint, listener != NULL ? listener : &unwanted);
}
