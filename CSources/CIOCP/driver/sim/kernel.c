/* Operations make progress and end. Every end goes into a queue of its socket's direction first, from which a wait
 * hands it over later: so the order within a stream stays, and no other. */
#include <errno.h>

#include "sim.h"

static const int fatal_errors[] = {ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN, ENOTCONN,
                                   EIO,        EBADF, EINVAL,    EPERM,        EACCES,      EFAULT};

static int any_of(iocp_sim *sim, const int *errors, uint32_t count)
{
    return errors[iocp_sim_below(sim, count)];
}

#define ANY_OF(sim, errors) any_of((sim), (errors), sizeof(errors) / sizeof *(errors))

/* --- sockets ------------------------------------------------------------------------------------------------ */

uint32_t iocp_sim_socket_open(iocp_sim *sim, bool established)
{
    const uint32_t count = sim->config.handle_count;
    uint32_t handle = iocp_sim_below(sim, count);
    for (uint32_t tried = 0; tried < count; tried++, handle = (handle + 1) % count) {
        iocp_sim_socket *socket = &sim->sockets[handle];
        if (socket->open)
            continue;
        socket->open = true;
        socket->established = established;
        socket->accepted = established;
        socket->broken = false;
        socket->abort = false;
        socket->unanswered = false;
        socket->finish_sent = false;
        socket->error = 0;
        socket->stream = ++sim->stream_count;
        socket->connection = 0;
        socket->port_be = 0;
        for (int kind = 0; kind < IOCP_SIM_KIND_COUNT; kind++)
            socket->operations[kind] = (iocp_sim_operation){0};
        iocp_sim_peer_new(sim, &socket->peer);
        sim->handles_held++;
        return handle;
    }
    return UINT32_MAX;
}

void iocp_sim_socket_break(iocp_sim *sim, iocp_sim_socket *socket, int32_t error)
{
    IOCP_SIM_SAY(sim, "    the transport of stream %u fails, error %d", socket->stream, error);
    socket->error = error;
    if (socket->broken)
        return;
    socket->broken = true;
    if (socket->connection != 0 && sim->observer.broke != NULL)
        sim->observer.broke(sim->observer.context, socket->connection);
}

/* The error of a broken transport is told once; later receives find the end, and sends EPIPE. */
static int32_t take_error(iocp_sim_socket *socket)
{
    const int32_t error = socket->error;
    socket->error = 0;
    return -error;
}

/* --- ends --------------------------------------------------------------------------------------------------- */

static void put(iocp_sim *sim, iocp_sim_queue *queue, iocp_event *entries, uint32_t capacity, iocp_event event)
{
    IOCP_SIM_REQUIRE(sim, queue->tail - queue->head < capacity, "G1", "more operations ended than may be submitted", 0);
    entries[queue->tail++ & (capacity - 1)] = event;
    sim->waiting_count++;
}

static void put_inbound(iocp_sim *sim, iocp_sim_socket *socket, iocp_event event)
{
    event.token = socket->operations[IOCP_SIM_RECEIVE].token;
    if (!(event.flags & IOCP_EVENT_MORE))
        socket->operations[IOCP_SIM_RECEIVE].stage = IOCP_SIM_ENDED;
    put(sim, &socket->inbound, socket->inbound_events, IOCP_SIM_INBOUND_EVENTS, event);
}

static void end_receive(iocp_sim *sim, iocp_sim_socket *socket, int32_t result)
{
    put_inbound(sim, socket, (iocp_event){.result = result, .buffer = UINT16_MAX});
}

static void end(iocp_sim *sim, iocp_sim_socket *socket, iocp_sim_kind kind, int32_t result)
{
    socket->operations[kind].stage = IOCP_SIM_ENDED;
    put(sim, &socket->outbound, socket->outbound_events, IOCP_SIM_OUTBOUND_EVENTS,
        (iocp_event){.token = socket->operations[kind].token, .result = result, .buffer = UINT16_MAX});
}

/* A fault that ends the connection. */
static int32_t strike(iocp_sim *sim, iocp_sim_socket *socket)
{
    const int error = ANY_OF(sim, fatal_errors);
    iocp_sim_socket_break(sim, socket, 0);
    return -error;
}

static bool overflows(iocp_sim *sim)
{
    if (sim->waiting_count < sim->queue_entries)
        return false;
    __atomic_store_n(sim->config.queue_overflows, *sim->config.queue_overflows + 1, __ATOMIC_RELAXED);
    return true;
}

/* --- receiving ---------------------------------------------------------------------------------------------- */

void iocp_sim_buffer_spend(iocp_sim *sim, iocp_buffer_class class, iocp_event *event)
{
    iocp_sim_buffers *buffers = &sim->buffers[class];
    event->buffer = buffers->ids[buffers->head];
    buffers->head = (buffers->head + 1) % buffers->capacity;
    buffers->count--;
    buffers->filled_bytes = 0;
    sim->all_buffers[event->buffer].spent = true;
}

void iocp_sim_buffer_named(iocp_sim *sim, iocp_event *event)
{
    iocp_sim_buffer *buffer = &sim->all_buffers[event->buffer];
    buffer->waiting_count--;
    if (!buffer->spent || buffer->waiting_count > 0)
        return;
    event->flags |= IOCP_EVENT_BUFFER_DONE;
    buffer->held = false;
}

/* Fills the first buffer on, or a whole one. */
static void deliver(iocp_sim *sim, iocp_sim_socket *socket)
{
    enum { LEAST_ROOM_BYTES = 64, GIVEN_UP_EARLY = 40 };
    iocp_sim_buffers *buffers = &sim->buffers[socket->class];
    iocp_sim_peer *peer = &socket->peer;
    const uint32_t size_bytes = sim->config.buffers->classes[socket->class].buffer_bytes;
    const uint32_t offset = buffers->filled_bytes;
    const uint64_t waiting = peer->arrived_bytes - peer->delivered_bytes;
    uint32_t count = waiting < size_bytes - offset ? (uint32_t)waiting : size_bytes - offset;
    if (!sim->clear && iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 3))
        count = 1 + iocp_sim_below(sim, count);

    const uint16_t buffer = buffers->ids[buffers->head];
    iocp_sim_peer_copy(sim, socket, peer->delivered_bytes,
                       iocp_receive_buffers_start(sim->config.buffers, buffer) + offset, count);
    peer->delivered_bytes += count;
    buffers->filled_bytes += count;
    iocp_event event = {.result = (int32_t)count, .offset = offset, .buffer = buffer, .flags = IOCP_EVENT_BUFFER};
    if (sim->whole_buffers || size_bytes - buffers->filled_bytes < LEAST_ROOM_BYTES ||
        iocp_sim_chance(sim, GIVEN_UP_EARLY))
        iocp_sim_buffer_spend(sim, socket->class, &event);
    sim->all_buffers[buffer].waiting_count++;
    const bool ends = iocp_sim_chance(sim, sim->weather.end_multishot) || overflows(sim) ||
                      (socket->operations[IOCP_SIM_RECEIVE].cancelled && iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 2));
    if (!ends)
        event.flags |= IOCP_EVENT_MORE;
    put_inbound(sim, socket, event);
}

/* The peer's FIN, or the end that a receive finds behind an error told to somebody else. */
static void end_of_stream(iocp_sim *sim, iocp_sim_socket *socket)
{
    iocp_event event = {.result = 0, .buffer = UINT16_MAX};
    socket->peer.finish_seen = true;
    /* io_uring may have picked a buffer already, and gives it back with the end. */
    if (sim->buffers[socket->class].count > 0 && iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 8)) {
        iocp_sim_buffer_spend(sim, socket->class, &event);
        sim->all_buffers[event.buffer].waiting_count++;
    }
    put_inbound(sim, socket, event);
}

static void progress_receive(iocp_sim *sim, iocp_sim_socket *socket)
{
    static const int transient[] = {EAGAIN, EINTR, ECANCELED};
    const iocp_sim_peer *peer = &socket->peer;
    if (socket->inbound.tail - socket->inbound.head == IOCP_SIM_INBOUND_EVENTS)
        return;
    if (socket->operations[IOCP_SIM_RECEIVE].cancelled && !iocp_sim_chance(sim, sim->weather.late_cancel))
        end_receive(sim, socket, -ECANCELED);
    else if (iocp_sim_chance(sim, sim->weather.fatal))
        end_receive(sim, socket, strike(sim, socket));
    else if (iocp_sim_chance(sim, sim->weather.transient))
        end_receive(sim, socket, -ANY_OF(sim, transient));
    else if (iocp_sim_chance(sim, sim->weather.starve))
        end_receive(sim, socket, -ENOBUFS);
    else if (socket->error != 0 && iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 2))
        end_receive(sim, socket, take_error(socket));
    else if (peer->arrived_bytes > peer->delivered_bytes && sim->buffers[socket->class].count == 0)
        end_receive(sim, socket, -ENOBUFS);
    else if (peer->arrived_bytes > peer->delivered_bytes)
        deliver(sim, socket);
    else if (socket->error != 0)
        end_receive(sim, socket, take_error(socket));
    else if (peer->finished || socket->broken)
        end_of_stream(sim, socket);
    else if (iocp_sim_chance(sim, sim->weather.end_multishot / 16))
        end_receive(sim, socket, -EAGAIN);
}

/* --- sending ------------------------------------------------------------------------------------------------ */

static void take_bytes(iocp_sim *sim, iocp_sim_socket *socket, uint32_t count_bytes)
{
    socket->peer.unread_bytes += count_bytes;
    for (uint32_t i = 0; count_bytes > 0; i++) {
        const iocp_range *range = &socket->ranges[i];
        const uint32_t step = range->count_bytes < count_bytes ? (uint32_t)range->count_bytes : count_bytes;
        if (sim->observer.taken != NULL)
            sim->observer.taken(sim->observer.context, socket->connection, range->start, step);
        count_bytes -= step;
    }
}

/* What fits, or less; nothing while there is no room and the send may wait. A full socket reports room only once a third
 * of it was drained. */
static void take_what_fits(iocp_sim *sim, iocp_sim_socket *socket)
{
    const uint32_t room = socket->peer.window_bytes - socket->peer.unread_bytes;
    const bool waits = socket->send_mode == IOCP_SEND_WAIT;
    uint32_t count = room < socket->send_bytes ? room : socket->send_bytes;
    if (count == 0 && !waits)
        end(sim, socket, IOCP_SIM_SEND, -EAGAIN);
    if (count == 0 || (waits && room < socket->peer.window_bytes / 3))
        return;
    if (iocp_sim_chance(sim, sim->weather.short_send))
        count = 1 + iocp_sim_below(sim, count);
    take_bytes(sim, socket, count);
    end(sim, socket, IOCP_SIM_SEND, (int32_t)count);
}

static void progress_send(iocp_sim *sim, iocp_sim_socket *socket)
{
    static const int transient[] = {EAGAIN, EINTR, ECANCELED, ENOBUFS, ENOMEM};
    if (socket->operations[IOCP_SIM_SEND].cancelled && !iocp_sim_chance(sim, sim->weather.late_cancel))
        end(sim, socket, IOCP_SIM_SEND, -ECANCELED);
    else if (iocp_sim_chance(sim, sim->weather.fatal))
        end(sim, socket, IOCP_SIM_SEND, strike(sim, socket));
    else if (iocp_sim_chance(sim, sim->weather.transient))
        end(sim, socket, IOCP_SIM_SEND, -ANY_OF(sim, transient));
    else if (socket->error != 0)
        end(sim, socket, IOCP_SIM_SEND, take_error(socket));
    else if (socket->broken)
        end(sim, socket, IOCP_SIM_SEND, -EPIPE);
    else
        take_what_fits(sim, socket);
}

/* --- connecting, finishing, closing ------------------------------------------------------------------------- */

static void progress_connect(iocp_sim *sim, iocp_sim_socket *socket)
{
    static const int refusals[] = {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL, ECANCELED};
    const bool cancelled = socket->operations[IOCP_SIM_CONNECT].cancelled;
    if (cancelled && !iocp_sim_chance(sim, sim->weather.late_cancel)) {
        end(sim, socket, IOCP_SIM_CONNECT, -ECANCELED);
    } else if (socket->unanswered) {
        return;
    } else if (iocp_sim_chance(sim, sim->weather.refuse)) {
        end(sim, socket, IOCP_SIM_CONNECT, -ANY_OF(sim, refusals));
    } else if (iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 2)) {
        socket->established = true;
        end(sim, socket, IOCP_SIM_CONNECT, 0);
    }
}

static void tell_ending(iocp_sim *sim, const iocp_sim_socket *socket, iocp_sim_ending ending)
{
    static const char *const names[] = {"", "FIN", "FIN and is closed", "RST", "RST for unread bytes"};
    IOCP_SIM_SAY(sim, "    the peer of stream %u gets %s", socket->stream, names[ending]);
    if (socket->connection != 0 && sim->observer.ended != NULL)
        sim->observer.ended(sim->observer.context, socket->connection, ending);
}

static void progress_shutdown(iocp_sim *sim, iocp_sim_socket *socket)
{
    enum { ONCE_IN_A_LIFE = 8 }; /* receives and sends are asked for again and again */
    int32_t result = 0;
    if (iocp_sim_chance(sim, sim->weather.fatal * ONCE_IN_A_LIFE))
        result = strike(sim, socket);
    else if (socket->broken)
        result = -ENOTCONN;
    if (result == 0) {
        socket->finish_sent = true;
        tell_ending(sim, socket, IOCP_SIM_FIN);
    }
    end(sim, socket, IOCP_SIM_SHUTDOWN, result);
}

static void progress_close(iocp_sim *sim, iocp_sim_socket *socket)
{
    if (iocp_sim_chance(sim, sim->weather.late_close))
        return;
    const bool dirty = socket->peer.arrived_bytes > socket->peer.delivered_bytes;
    if (socket->established)
        tell_ending(sim, socket,
                    socket->abort ? IOCP_SIM_CLOSED_RST
                    : dirty       ? IOCP_SIM_CLOSED_DIRTY
                                  : IOCP_SIM_CLOSED_FIN);
    end(sim, socket, IOCP_SIM_CLOSE, iocp_sim_chance(sim, sim->weather.transient) ? -EINTR : 0);
}

/* Tells of an error, and leaves it to whoever reads. */
static void progress_watch(iocp_sim *sim, iocp_sim_socket *socket)
{
    if (socket->operations[IOCP_SIM_WATCH].cancelled && !iocp_sim_chance(sim, sim->weather.late_cancel))
        end(sim, socket, IOCP_SIM_WATCH, -ECANCELED);
    else if (socket->broken)
        end(sim, socket, IOCP_SIM_WATCH, -ECONNRESET);
    else if (socket->peer.finished)
        end(sim, socket, IOCP_SIM_WATCH, 0);
}

void iocp_sim_socket_progress(iocp_sim *sim, uint32_t handle)
{
    static void (*const progress[])(iocp_sim *, iocp_sim_socket *) = {
        [IOCP_SIM_RECEIVE] = progress_receive,   [IOCP_SIM_SEND] = progress_send,   [IOCP_SIM_CONNECT] = progress_connect,
        [IOCP_SIM_SHUTDOWN] = progress_shutdown, [IOCP_SIM_CLOSE] = progress_close, [IOCP_SIM_WATCH] = progress_watch,
    };
    iocp_sim_socket *socket = &sim->sockets[handle];
    for (int kind = 0; kind < IOCP_SIM_KIND_COUNT; kind++) {
        if (socket->operations[kind].stage == IOCP_SIM_SUBMITTED)
            progress[kind](sim, socket);
    }
}

/* --- accepting ---------------------------------------------------------------------------------------------- */

static void put_accepted(iocp_sim *sim, iocp_sim_listener *listener, int32_t result, bool more)
{
    if (!more)
        listener->accept.stage = IOCP_SIM_ENDED;
    put(sim, &listener->queue, listener->events, IOCP_SIM_ACCEPT_EVENTS,
        (iocp_event){.token = listener->accept.token,
                     .result = result,
                     .buffer = UINT16_MAX,
                     .flags = more ? IOCP_EVENT_MORE : 0});
}

void iocp_sim_listener_progress(iocp_sim *sim, iocp_sim_listener *listener)
{
    static const int failures[] = {ECONNABORTED, EINTR, EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EPROTO};
    if (listener->accept.stage != IOCP_SIM_SUBMITTED ||
        listener->queue.tail - listener->queue.head == IOCP_SIM_ACCEPT_EVENTS)
        return;
    if (listener->accept.cancelled && !iocp_sim_chance(sim, sim->weather.late_cancel)) {
        put_accepted(sim, listener, -ECANCELED, false);
        return;
    }
    iocp_sim_bound *bound = iocp_sim_bound_find(sim, listener->socket);
    if (bound == NULL || bound->ended) {
        put_accepted(sim, listener, -EINVAL, false);
        return;
    }
    if (iocp_sim_chance(sim, sim->weather.refuse / 4)) {
        put_accepted(sim, listener, -ANY_OF(sim, failures), false);
        return;
    }
    if (bound->waiting_count == 0)
        return;
    bound->waiting_count--;
    const uint32_t handle = iocp_sim_socket_open(sim, true);
    if (handle == UINT32_MAX) { /* the client is dropped */
        put_accepted(sim, listener, -ENFILE, false);
        return;
    }
    sim->sockets[handle].port_be = bound->port_be;
    iocp_sim_peer_meet(sim, &sim->sockets[handle]);
    IOCP_SIM_SAY(sim, "    a client: handle %u, stream %u", handle, sim->sockets[handle].stream);
    const bool ends = !listener->many || iocp_sim_chance(sim, sim->weather.end_multishot) || overflows(sim);
    put_accepted(sim, listener, (int32_t)handle, !ends);
}

/* --- the end of everything ---------------------------------------------------------------------------------- */

void iocp_sim_break_all(iocp_sim *sim)
{
    for (uint32_t handle = 0; handle < sim->config.handle_count; handle++) {
        iocp_sim_socket *socket = &sim->sockets[handle];
        if (!socket->open)
            continue;
        iocp_sim_socket_break(sim, socket, 0);
        if (socket->operations[IOCP_SIM_CLOSE].stage != IOCP_SIM_ENDED)
            tell_ending(sim, socket, IOCP_SIM_CLOSED_RST);
    }
}
