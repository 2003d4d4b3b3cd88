/* Waiting: time passes, the kernel and the peers act, and some of what ended is handed over. */
#include <errno.h>
#include <unistd.h>

#include "sim.h"

typedef struct output {
    iocp_event *events;
    uint32_t capacity;
    uint32_t count;
} output;

/* --- time passes -------------------------------------------------------------------------------------------- */

/* One thing somewhere. */
static void step(iocp_sim *sim)
{
    enum { OTHER_THREADS = 40 };
    sim->now_ns += 1 + iocp_sim_below(sim, sim->pace_ns);
    if (!sim->clients_stopped && iocp_sim_chance(sim, sim->weather.client))
        iocp_sim_client_comes(sim);
    for (uint32_t i = 0; i < sim->listener_count; i++)
        iocp_sim_listener_progress(sim, &sim->listeners[i]);
    const uint32_t handle = iocp_sim_below(sim, sim->config.handle_count);
    if (sim->sockets[handle].open) {
        iocp_sim_peer_act(sim, &sim->sockets[handle]);
        iocp_sim_socket_progress(sim, handle);
    }
    if (sim->observer.meanwhile != NULL && iocp_sim_chance(sim, OTHER_THREADS))
        sim->observer.meanwhile(sim->observer.context);
}

/* In clear weather everybody acts in turn. */
static void steps(iocp_sim *sim)
{
    const uint32_t count = 1 + iocp_sim_below(sim, sim->config.handle_count * 2);
    for (uint32_t i = 0; i < count; i++)
        step(sim);
    for (uint32_t handle = 0; sim->clear && handle < sim->config.handle_count; handle++) {
        if (sim->sockets[handle].open) {
            iocp_sim_peer_act(sim, &sim->sockets[handle]);
            iocp_sim_socket_progress(sim, handle);
        }
    }
}

/* --- handing over ------------------------------------------------------------------------------------------- */

static const char *operation_name(uint64_t token)
{
    switch (iocp_token_operation(token)) {
    case IOCP_OPERATION_ACCEPT:
        return "accept";
    case IOCP_OPERATION_CONNECT:
        return "connect";
    case IOCP_OPERATION_RECEIVE:
        return "receive";
    case IOCP_OPERATION_SEND:
        return "send";
    case IOCP_OPERATION_SHUTDOWN:
        return "shutdown";
    case IOCP_OPERATION_CLOSE:
    case IOCP_OPERATION_NONE: /* of a socket that never got a slot */
        return "close";
    case IOCP_OPERATION_WATCH:
        return "watch";
    case IOCP_OPERATION_CANCEL:
    case IOCP_OPERATION_DRIVER:
        return "nothing";
    }
    return "nothing";
}

/* An event without a buffer has UINT16_MAX for one. */
static void give(iocp_sim *sim, output *out, iocp_event *event, bool late)
{
    if (event->buffer != UINT16_MAX)
        iocp_sim_buffer_named(sim, event);
    else
        event->buffer = 0;
    IOCP_SIM_SAY(sim, "    event %s %u.%llu: %d%s%s%s", operation_name(event->token), iocp_token_slot(event->token),
                 (unsigned long long)iocp_token_generation(event->token), event->result, event->flags & IOCP_EVENT_MORE ? "" : ", ends",
                 event->flags & IOCP_EVENT_BUFFER_DONE ? ", buffer done" : "", late ? ", late" : "");
    (void)iocp_sim_fail(sim, late ? "late" : operation_name(event->token), event->result);
    out->events[out->count++] = *event;
    sim->event_count++;
}

/* The name of a socket is free again, and its connection's is one that only late events have. */
static void closed(iocp_sim *sim, iocp_sim_socket *socket)
{
    if (socket->connection != 0)
        sim->ended[sim->ended_count++ % IOCP_SIM_ENDED_NAMES] = socket->connection;
    socket->open = false;
    sim->handles_held--;
}

static iocp_sim_kind kind_of(uint64_t token)
{
    switch (iocp_token_operation(token)) {
    case IOCP_OPERATION_RECEIVE:
        return IOCP_SIM_RECEIVE;
    case IOCP_OPERATION_SEND:
        return IOCP_SIM_SEND;
    case IOCP_OPERATION_CONNECT:
        return IOCP_SIM_CONNECT;
    case IOCP_OPERATION_SHUTDOWN:
        return IOCP_SIM_SHUTDOWN;
    case IOCP_OPERATION_WATCH:
        return IOCP_SIM_WATCH;
    case IOCP_OPERATION_NONE: /* a socket that never got a slot has no other */
    case IOCP_OPERATION_CLOSE:
    case IOCP_OPERATION_ACCEPT:
    case IOCP_OPERATION_CANCEL:
    case IOCP_OPERATION_DRIVER:
        break;
    }
    return IOCP_SIM_CLOSE;
}

static void hand_over_one(iocp_sim *sim, iocp_sim_socket *socket, iocp_sim_queue *queue, iocp_event *entries,
                          uint32_t capacity, output *out)
{
    iocp_event *event = &entries[queue->head++ & (capacity - 1)];
    sim->waiting_count--;
    give(sim, out, event, false);
    if (event->flags & IOCP_EVENT_MORE)
        return;
    const iocp_sim_kind kind = kind_of(event->token);
    socket->operations[kind].stage = IOCP_SIM_IDLE;
    if (kind == IOCP_SIM_CLOSE)
        closed(sim, socket);
}

/* The success of a silent send ends no wait but one that comes after that which submitted it. */
static bool ends_no_wait(const iocp_sim *sim, const iocp_sim_socket *socket)
{
    const iocp_event *event = &socket->outbound_events[socket->outbound.head & (IOCP_SIM_OUTBOUND_EVENTS - 1)];
    return socket->send_mode == IOCP_SEND_SILENT && socket->sent_in_wait == sim->wait_count &&
           iocp_token_operation(event->token) == IOCP_OPERATION_SEND && event->result == (int32_t)socket->send_bytes;
}

static void hand_over_socket(iocp_sim *sim, iocp_sim_socket *socket, output *out)
{
    while (out->count < out->capacity && !iocp_sim_chance(sim, sim->weather.delay)) {
        const bool in = socket->inbound.head != socket->inbound.tail;
        const bool from_out = socket->outbound.head != socket->outbound.tail &&
                              (out->count > 0 || !ends_no_wait(sim, socket));
        if (!in && !from_out)
            return;
        if (in && (!from_out || iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 2)))
            hand_over_one(sim, socket, &socket->inbound, socket->inbound_events, IOCP_SIM_INBOUND_EVENTS, out);
        else
            hand_over_one(sim, socket, &socket->outbound, socket->outbound_events, IOCP_SIM_OUTBOUND_EVENTS, out);
    }
}

static void hand_over_listener(iocp_sim *sim, iocp_sim_listener *listener, output *out)
{
    while (listener->queue.head != listener->queue.tail && out->count < out->capacity &&
           !iocp_sim_chance(sim, sim->weather.delay)) {
        iocp_event *event = &listener->events[listener->queue.head++ & (IOCP_SIM_ACCEPT_EVENTS - 1)];
        sim->waiting_count--;
        sim->accepted_count += event->result >= 0;
        give(sim, out, event, false);
        if (!(event->flags & IOCP_EVENT_MORE))
            listener->accept.stage = IOCP_SIM_IDLE;
    }
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* An event that comes after its connection ended: real ones were seen naming a slot that was closed long before. */
static void hand_over_late(iocp_sim *sim, output *out)
{
    static const iocp_operation operations[] = {IOCP_OPERATION_RECEIVE, IOCP_OPERATION_SEND, IOCP_OPERATION_SHUTDOWN,
                                                IOCP_OPERATION_CONNECT, IOCP_OPERATION_CLOSE};
    static const int32_t results[] = {0, 1, -ECANCELED, -ECONNRESET, -EPIPE, -ENOBUFS};
    /* The latest, which cannot have come back yet, however few names there are. */
    const uint64_t most = least(IOCP_SIM_ENDED_NAMES, IOCP_GENERATION_MASK - 1);
    const uint32_t known = (uint32_t)least(sim->ended_count, most);
    if (known == 0 || out->count == out->capacity)
        return;
    const uint64_t name = sim->ended[(sim->ended_count - 1 - iocp_sim_below(sim, known)) % IOCP_SIM_ENDED_NAMES];
    const iocp_operation operation = operations[iocp_sim_below(sim, sizeof operations / sizeof *operations)];
    iocp_event event = {.token = iocp_token_with(name, operation),
                        .result = results[iocp_sim_below(sim, sizeof results / sizeof *results)],
                        .buffer = UINT16_MAX};
    if (operation == IOCP_OPERATION_RECEIVE && event.result == 1) {
        event.result = 0;
        if (sim->buffers[IOCP_BUFFER_LARGE].count > 0) {
            event.result = 1;
            event.offset = sim->buffers[IOCP_BUFFER_LARGE].filled_bytes;
            event.flags = IOCP_EVENT_BUFFER;
            iocp_sim_buffer_spend(sim, IOCP_BUFFER_LARGE, &event);
            sim->all_buffers[event.buffer].waiting_count++;
        }
    }
    give(sim, out, &event, true);
}

/* Sockets in random order, some of them twice, some not at all. */
static void hand_over(iocp_sim *sim, output *out)
{
    const uint32_t count = sim->config.handle_count;
    for (uint32_t i = 0; i < sim->listener_count; i++)
        hand_over_listener(sim, &sim->listeners[i], out);
    for (uint32_t turn = 0; turn < 2 * count && sim->waiting_count > 0; turn++) {
        iocp_sim_socket *socket = &sim->sockets[sim->clear ? turn % count : iocp_sim_below(sim, count)];
        if (socket->open)
            hand_over_socket(sim, socket, out);
    }
    if (iocp_sim_chance(sim, sim->weather.stale))
        hand_over_late(sim, out);
}

/* --- the wait ----------------------------------------------------------------------------------------------- */

/* Empties the eventfd; returns whether somebody wrote to it. */
static bool woken(iocp_sim *sim)
{
    uint64_t count;
    return read(sim->config.wake_fd, &count, sizeof count) == (ssize_t)sizeof count;
}

int iocp_sim_wait(iocp_driver *driver, iocp_event *events, uint32_t capacity, uint64_t timeout_ns)
{
    enum { JUMPS_MAX = 64 };
    static const uint64_t jump_most_ns = UINT64_C(1000000000);
    iocp_sim *sim = iocp_sim_of(driver);
    output out = {.events = events, .capacity = 1 + iocp_sim_below(sim, capacity)};
    const uint64_t start_ns = sim->now_ns;
    sim->wait_count++;
    sim->sleep_count += timeout_ns > 0;
    __atomic_store_n(sim->config.enters, *sim->config.enters + 1, __ATOMIC_RELAXED);
    IOCP_SIM_SAY(sim, "%llu us: wait %lld us", (unsigned long long)(start_ns / 1000),
                 timeout_ns == UINT64_MAX ? -1LL : (long long)(timeout_ns / 1000));
    if (sim->observer.waits != NULL)
        sim->observer.waits(sim->observer.context, timeout_ns);
    steps(sim);
    if (iocp_sim_chance(sim, sim->weather.collapse)) {
        iocp_sim_break_all(sim);
        return iocp_sim_fail(sim, "wait", iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 2) ? -EBADR : -ENOMEM);
    }
    hand_over(sim, &out);
    if (iocp_sim_chance(sim, sim->weather.interrupt))
        return out.count == 0 && iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 2) ? iocp_sim_fail(sim, "wait", -EINTR)
                                                                            : (int)out.count;

    /* Nothing happened yet, and the worker sleeps: time leaps ahead, further each time. */
    uint64_t jump_ns = 1000;
    for (uint32_t jumps = 0; out.count == 0 && timeout_ns > 0; jumps++) {
        const uint64_t passed_ns = sim->now_ns - start_ns;
        if (passed_ns >= timeout_ns || woken(sim))
            break;
        if (jumps == JUMPS_MAX)
            return iocp_sim_fail(sim, "wait", -EINTR); /* nothing will ever happen */
        const uint64_t left_ns = timeout_ns - passed_ns;
        sim->now_ns += jump_ns < left_ns ? jump_ns : left_ns;
        jump_ns = jump_ns * 2 < jump_most_ns ? jump_ns * 2 : jump_most_ns;
        steps(sim);
        hand_over(sim, &out);
    }
    return (int)out.count;
}
