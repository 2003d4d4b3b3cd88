/* Listeners that come, pause and end at random, and what the ledger knows of them. */
#include <errno.h>

#include "application.h"

/* --- the ledger's side --------------------------------------------------------------------------------------- */

/* The latest of that short name, or NULL. */
static const ledger_listener *listener_called(const ledger *ledger, uint16_t name)
{
    for (uint32_t i = ledger->listener_count; i > 0; i--)
        if (iocp_listener_short(ledger->listeners[i - 1].id) == name)
            return &ledger->listeners[i - 1];
    return NULL;
}

void ledger_check_origin(const ledger *ledger, const iocp_completion *opened, bool connected)
{
    LEDGER_REQUIRE(ledger, (opened->detail == 0) == connected, "G4", "what connected has a listener, or a client none",
                   opened->connection);
    const uint16_t port_be = iocp_sim_accepted_at(ledger->sim, opened->connection);
    if (connected || port_be == 0)
        return;
    const ledger_listener *listener = listener_called(ledger, opened->detail);
    bool found = false;
    for (uint32_t i = 0; listener != NULL && i < listener->endpoint_count; i++)
        found |= listener->port_be == port_be;
    LEDGER_REQUIRE(ledger, found, "G4", "a client came from another listener than it is told", opened->connection);
}

layer_context *ledger_layer_at(const ledger *ledger, uint16_t port_be)
{
    for (uint32_t i = ledger->listener_count; i > 0; i--)
        if (ledger->listeners[i - 1].port_be == port_be)
            return ledger->listeners[i - 1].layer;
    return NULL;
}

static uint32_t endpoints_in(const ledger *ledger, iocp_listener_state state)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < ledger->listener_count; i++)
        count += ledger->listeners[i].state == state ? ledger->listeners[i].endpoint_count : 0;
    return count;
}

uint32_t ledger_endpoints(const ledger *ledger)
{
    return endpoints_in(ledger, IOCP_LISTENER_LISTENING) + endpoints_in(ledger, IOCP_LISTENER_PAUSED);
}

/* Each accept that is armed keeps a slot, so the last ones may be out of reach for the listener that has clients. */
static bool has_room(const ledger *ledger)
{
    const iocp_worker_holdings held = iocp_worker_hold(ledger->worker);
    const uint32_t used = held.connections > held.driver_handles ? held.connections : held.driver_handles;
    return used + ledger_endpoints(ledger) < ledger->config->connections_per_worker;
}

void ledger_check_listeners(const ledger *ledger)
{
    LEDGER_REQUIRE(ledger, iocp_sim_accepting(ledger->sim) <= endpoints_in(ledger, IOCP_LISTENER_LISTENING), "G6",
                   "a listener accepts that pauses or is closed", 0);
    const uint32_t sockets = iocp_sim_bound_sockets(ledger->sim);
    const uint32_t endpoints = ledger_endpoints(ledger);
    LEDGER_REQUIRE(ledger, sockets == endpoints || (ledger->has_neighbour && sockets == 2 * endpoints), "G6",
                   "a listener that is closed keeps a socket, or another has none", 0);
}

bool ledger_owes_clients(const ledger *ledger)
{
    /* Those of a neighbour wait for that one's table. */
    return !ledger->has_neighbour && endpoints_in(ledger, IOCP_LISTENER_PAUSED) == 0 && iocp_sim_clients_waiting(ledger->sim) > 0 &&
           ledger->config->accepts_per_second == 0 && ledger->failure == 0 && has_room(ledger);
}

/* --- the application's side ---------------------------------------------------------------------------------- */

static bool may_refuse(const ledger *ledger)
{
    return ledger->stopped || ledger->failure != 0;
}

void application_listen(application *application)
{
    ledger *ledger = application->ledger;
    if (ledger->listener_count == LEDGER_LISTENERS_MAX)
        return;
    enum { ENDPOINTS_MAX = 3 };
    iocp_endpoint endpoints[ENDPOINTS_MAX] = {0};
    iocp_endpoint bound[ENDPOINTS_MAX];
    iocp_failure failure;
    ledger_listener *listener = &ledger->listeners[ledger->listener_count];
    const uint32_t count = 1 + random_magnitude(&application->random, ENDPOINTS_MAX - 1);
    listener->layer = layers_choose(&ledger->layers, false);
    const iocp_listen_options options = {.layer = layer_of(listener->layer)};
    ledger->layers.listens = true;
    const int result = iocp_port_listen_on(application->port, endpoints, count,
                                           listener->layer != NULL ? &options : NULL, bound, &listener->id, &failure);
    ledger->layers.listens = false;
    /* 64 endpoints are the most, and one that was closed a moment ago may still have its place. */
    LEDGER_REQUIRE(ledger, result == 0 || (result == -ESHUTDOWN && may_refuse(ledger)) ||
                       (result == -ENOSPC && ledger_endpoints(ledger) + count + ledger->closed_lately > 64),
                   "G6", "listening was refused", 0);
    if (result < 0)
        return;
    listener->state = IOCP_LISTENER_LISTENING;
    listener->endpoint_count = count;
    listener->port_be = bound[0].address.port_be;
    ledger->listener_count++;
}

static void change(application *application, ledger_listener *listener, iocp_listener_state state)
{
    const ledger *ledger = application->ledger;
    const int expected = listener->state == IOCP_LISTENER_CLOSED ? -ENOENT : 0;
    int result = 0;
    switch (state) {
    case IOCP_LISTENER_LISTENING:
        result = iocp_port_listener_resume(application->port, listener->id);
        break;
    case IOCP_LISTENER_PAUSED:
        result = iocp_port_listener_pause(application->port, listener->id);
        break;
    case IOCP_LISTENER_CLOSED:
        result = iocp_port_listener_close(application->port, listener->id);
        break;
    }
    LEDGER_REQUIRE(ledger, result == expected, "G6", "a listener does not do as it is told", 0);
    if (result == 0)
        listener->state = state;
    if (state == IOCP_LISTENER_CLOSED && result == 0)
        application->ledger->closed_lately += listener->endpoint_count;
    LEDGER_REQUIRE(ledger, may_refuse(ledger) || iocp_port_listener_state(application->port, listener->id) == listener->state,
                   "G6", "a listener is not what it was told to be", 0);
}

void application_stop_listening(application *application)
{
    ledger *ledger = application->ledger;
    iocp_port_stop_listening(application->port);
    ledger->closed_lately += ledger_endpoints(ledger);
    for (uint32_t i = 0; i < ledger->listener_count; i++)
        ledger->listeners[i].state = IOCP_LISTENER_CLOSED;
}

void application_resume_listeners(application *application)
{
    ledger *ledger = application->ledger;
    for (uint32_t i = 0; i < ledger->listener_count; i++)
        if (ledger->listeners[i].state == IOCP_LISTENER_PAUSED)
            change(application, &ledger->listeners[i], IOCP_LISTENER_LISTENING);
}

/* What the port says it listens on is what the ledger knows. */
static void ask(const application *application)
{
    const ledger *ledger = application->ledger;
    uint32_t found = 0;
    iocp_endpoint endpoint;
    iocp_listener_id id;
    for (int place = -1; (place = iocp_port_listening(application->port, (uint32_t)(place + 1), &endpoint, &id)) >= 0;) {
        const ledger_listener *listener = listener_called(ledger, iocp_listener_short(id));
        LEDGER_REQUIRE(ledger, listener != NULL && listener->id == id && listener->state != IOCP_LISTENER_CLOSED, "G6",
                       "a port listens that should not", 0);
        found++;
    }
    LEDGER_REQUIRE(ledger, may_refuse(ledger) || found == ledger_endpoints(ledger), "G6", "a listener is not told of", 0);
}

void application_use_listeners(application *application)
{
    ledger *ledger = application->ledger;
    sim_random *random = &application->random;
    if (ledger->listener_count == 0 || random_one_in(random, ledger_endpoints(ledger) == 0 ? 2 : 16)) {
        application_listen(application);
        return;
    }
    ledger_listener *listener = &ledger->listeners[random_below(random, ledger->listener_count)];
    switch (random_below(random, 24)) {
    case 0:
        change(application, listener, IOCP_LISTENER_CLOSED);
        return;
    case 1:
        ask(application);
        return;
    case 2:
        if (random_one_in(random, 8))
            application_stop_listening(application);
        return;
    default:
        change(application, listener, random_one_in(random, 2) ? IOCP_LISTENER_PAUSED : IOCP_LISTENER_LISTENING);
        return;
    }
}
