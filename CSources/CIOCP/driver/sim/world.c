/* A simulated kernel from the outside: creating one, its weather, its chances and its trace. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../base/check.h"
#include "sim.h"

static _Thread_local iocp_sim *current;

/* --- the random sequence ------------------------------------------------------------------------------------ */

/* SplitMix64 (Steele, Lea and Flood, 2014). */
static uint64_t next(iocp_sim *sim)
{
    uint64_t value = sim->random += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

uint32_t iocp_sim_below(iocp_sim *sim, uint32_t bound)
{
    uint32_t choice;
    if (sim->observer.choose != NULL && bound > 1 && sim->observer.choose(sim->observer.context, bound, &choice))
        return choice;
    return (uint32_t)(((next(sim) >> 32) * bound) >> 32);
}

bool iocp_sim_chance(iocp_sim *sim, uint32_t of_1024)
{
    return of_1024 > 0 && iocp_sim_below(sim, IOCP_SIM_ALWAYS) < of_1024;
}

uint32_t iocp_sim_magnitude(iocp_sim *sim, uint32_t most)
{
    const uint32_t bits = most > 1 ? 32 - (uint32_t)__builtin_clz(most) : 1;
    const uint32_t bound = UINT32_C(1) << iocp_sim_below(sim, bits + 1);
    return iocp_sim_below(sim, (bound < most ? bound : most) + 1);
}

/* --- the weather -------------------------------------------------------------------------------------------- */

/* Nothing at all, a little, or up to `most`. A world in which everything goes wrong all the time gets nowhere; one
 * without a certain fault shows what others do. */
static uint32_t rate(iocp_sim *sim, uint32_t most)
{
    switch (iocp_sim_below(sim, 4)) {
    case 0:
    case 1:
        return 0;
    case 2:
        return 1 + iocp_sim_below(sim, most / 8 + 1);
    default:
        return 1 + iocp_sim_below(sim, most);
    }
}

static iocp_sim_weather draw_weather(iocp_sim *sim)
{
    return (iocp_sim_weather){
        .client = 40 + iocp_sim_below(sim, 300),
        .delay = rate(sim, 900),
        .short_send = rate(sim, 600),
        .transient = rate(sim, 200),
        .fatal = rate(sim, 20),
        .starve = rate(sim, 150),
        .end_multishot = rate(sim, 400),
        .refuse = rate(sim, 250),
        .unanswered = rate(sim, 400),
        .crowd = rate(sim, 100),
        .collapse = rate(sim, 3),
        .reset = rate(sim, 20),
        .vanish = rate(sim, 20),
        .stall = rate(sim, 100),
        .stale = rate(sim, 200),
        .late_cancel = rate(sim, 700),
        .late_close = rate(sim, 900),
        .interrupt = rate(sim, 60),
    };
}

/* --- creating ----------------------------------------------------------------------------------------------- */

iocp_sim *iocp_sim_create(uint64_t seed, bool whole_buffers, const iocp_sim_observer *observer)
{
    iocp_sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL)
        return NULL;
    sim->random = seed;
    sim->now_ns = UINT64_C(1000000000);
    sim->whole_buffers = whole_buffers;
    sim->observer = *observer;
    sim->weather = draw_weather(sim);
    sim->pace_ns = UINT32_C(1) << (8 + iocp_sim_below(sim, 16)); /* 256 ns to 8 ms */
    sim->peer_bytes_max = UINT32_C(1) << (6 + iocp_sim_below(sim, 11));
    sim->cannot_be_asked = iocp_sim_below(sim, 8) == 0;
    sim->address_count = 1 + iocp_sim_magnitude(sim, 30);
    sim->queue_entries = UINT32_C(8) << iocp_sim_below(sim, 4); /* bursts are small here, so the queue is, too */
    sim->window_bytes_max = UINT32_C(1) << (8 + iocp_sim_below(sim, 10));
    return sim;
}

iocp_sim *iocp_sim_create_beside(iocp_sim *neighbour, uint64_t seed, const iocp_sim_observer *observer)
{
    iocp_sim *sim = iocp_sim_create(seed, neighbour->whole_buffers, observer);
    if (sim == NULL)
        return NULL;
    sim->neighbour = neighbour;
    sim->stream_count = IOCP_SIM_NEIGHBOUR_STREAM * ++neighbour->neighbour_count;
    return sim;
}

void iocp_sim_destroy(iocp_sim *sim)
{
    IOCP_CHECK(!sim->driver_open, "a sim was destroyed while a worker stands on it");
    if (current == sim)
        current = NULL;
    free(sim);
}

void iocp_sim_use(iocp_sim *sim)
{
    current = sim;
}

iocp_sim *iocp_sim_current(void)
{
    return current;
}

const iocp_driver_operations *iocp_driver_sim(void)
{
    return current != NULL ? iocp_sim_operations(current->whole_buffers) : NULL;
}

/* --- what a test asks --------------------------------------------------------------------------------------- */

void iocp_sim_stop_clients(iocp_sim *sim)
{
    sim->clients_stopped = true;
    iocp_sim_clients_go(sim);
}

void iocp_sim_clear(iocp_sim *sim)
{
    sim->clients_stopped = true; /* those that wait stay */
    sim->clear = true;
    sim->crowded_until_ns = 0;
    sim->dam_reader = 0;
    sim->weather = (iocp_sim_weather){0};
}

void iocp_sim_dam(iocp_sim *sim, iocp_token reader)
{
    iocp_sim_clear(sim);
    iocp_sim_clients_go(sim);
    sim->dam_reader = reader;
}

/* Nothing is on its way, in either direction. */
static bool socket_settled(const iocp_sim *sim, const iocp_sim_socket *socket)
{
    const iocp_sim_peer *peer = &socket->peer;
    if (socket->broken || socket->operations[IOCP_SIM_CLOSE].stage != IOCP_SIM_IDLE)
        return true;
    return socket->established && peer->delivered_bytes == iocp_sim_peer_may_send(sim, socket) &&
           (!peer->finished || peer->finish_seen) && socket->operations[IOCP_SIM_SEND].stage == IOCP_SIM_IDLE &&
           socket->inbound.head == socket->inbound.tail && socket->outbound.head == socket->outbound.tail;
}

bool iocp_sim_settled(const iocp_sim *sim, iocp_token *connection)
{
    for (uint32_t i = 0; i < sim->config.handle_count; i++) {
        const iocp_sim_socket *socket = &sim->sockets[i];
        if (!socket->open || socket_settled(sim, socket))
            continue;
        *connection = socket->connection;
        return false;
    }
    return true;
}

bool iocp_sim_connection_settled(const iocp_sim *sim, iocp_token connection)
{
    for (uint32_t i = 0; i < sim->config.handle_count; i++)
        if (sim->sockets[i].open && sim->sockets[i].connection == connection && !socket_settled(sim, &sim->sockets[i]))
            return false;
    return true;
}

static bool has_name(const iocp_sim_socket *socket)
{
    return socket->open && socket->connection != 0 && socket->operations[IOCP_SIM_CLOSE].stage != IOCP_SIM_ENDED;
}

uint32_t iocp_sim_accepted_with(const iocp_sim *sim, iocp_token connection)
{
    const iocp_sim_socket *named = NULL;
    for (uint32_t i = 0; i < sim->config.handle_count; i++)
        if (has_name(&sim->sockets[i]) && sim->sockets[i].connection == connection)
            named = &sim->sockets[i];
    if (named == NULL || !named->accepted)
        return 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < sim->config.handle_count; i++)
        count += has_name(&sim->sockets[i]) && sim->sockets[i].accepted &&
                 iocp_sim_host_of(sim, &sim->sockets[i]) == iocp_sim_host_of(sim, named);
    return count;
}

uint16_t iocp_sim_accepted_at(const iocp_sim *sim, iocp_token connection)
{
    for (uint32_t i = 0; i < sim->config.handle_count; i++)
        if (has_name(&sim->sockets[i]) && sim->sockets[i].connection == connection)
            return sim->sockets[i].port_be;
    return 0;
}

uint32_t iocp_sim_accepting(const iocp_sim *sim)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < sim->listener_count; i++)
        count += sim->listeners[i].accept.stage != IOCP_SIM_IDLE;
    return count;
}

uint64_t iocp_sim_clients_accepted(const iocp_sim *sim)
{
    return sim->accepted_count;
}

uint32_t iocp_sim_bound_sockets(const iocp_sim *sim)
{
    return sim->bound_count;
}

bool iocp_sim_peer_finished(const iocp_sim *sim, iocp_token connection)
{
    for (uint32_t i = 0; i < sim->config.handle_count; i++)
        if (sim->sockets[i].open && sim->sockets[i].connection == connection)
            return sim->sockets[i].peer.finished;
    return false;
}

uint64_t iocp_sim_sleep_count(const iocp_sim *sim)
{
    return sim->sleep_count;
}

uint64_t iocp_sim_now_ns(const iocp_sim *sim)
{
    return sim->now_ns;
}

uint64_t iocp_sim_event_count(const iocp_sim *sim)
{
    return sim->event_count;
}

/* --- what a test sees --------------------------------------------------------------------------------------- */

void iocp_sim_say(iocp_sim *sim, const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    sim->observer.trace(sim->observer.context, line);
}

int iocp_sim_fail(iocp_sim *sim, const char *operation, int32_t result)
{
    if (result < 0 && sim->observer.failed != NULL)
        sim->observer.failed(sim->observer.context, operation, -result);
    return result;
}

void iocp_sim_violated(iocp_sim *sim, const char *rule, const char *what, iocp_token connection)
{
    if (sim->observer.violated != NULL)
        sim->observer.violated(sim->observer.context, rule, what, connection);
    IOCP_CHECK(false, "a worker broke a rule of its driver");
}
