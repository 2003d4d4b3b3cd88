/* Sockets that listen, made up so that a simulated port needs none, and the clients that wait there. */
#include <errno.h>
#include <stdatomic.h>

#include "sim.h"

iocp_sim_bound *iocp_sim_bound_find(iocp_sim *sim, int name)
{
    if (sim == NULL)
        return NULL;
    sim = iocp_sim_network(sim);
    for (uint32_t i = 0; i < sim->bound_count; i++)
        if (sim->bound[i].name == name)
            return &sim->bound[i];
    return NULL;
}

/* --- clients ------------------------------------------------------------------------------------------------ */

void iocp_sim_client_comes(iocp_sim *sim)
{
    iocp_sim *network = iocp_sim_network(sim);
    if (network->bound_count == 0)
        return;
    iocp_sim_bound *bound = &network->bound[network->bound_count > 1 ? iocp_sim_below(sim, network->bound_count) : 0];
    if (bound->listens && bound->waiting_count < IOCP_SIM_BACKLOG_MAX)
        bound->waiting_count++;
}

void iocp_sim_clients_go(iocp_sim *sim)
{
    sim = iocp_sim_network(sim);
    for (uint32_t i = 0; i < sim->bound_count; i++)
        sim->bound[i].waiting_count = 0;
}

uint32_t iocp_sim_clients_waiting(const iocp_sim *sim)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < sim->bound_count; i++)
        count += sim->bound[i].waiting_count;
    return count;
}

/* --- the operations ----------------------------------------------------------------------------------------- */

static int sim_bind(iocp_bound *bound, const iocp_listen_options *options, iocp_bind_role role, int sibling)
{
    static _Atomic int last;
    (void)options;
    (void)sibling;
    iocp_sim *sim = iocp_sim_current() != NULL ? iocp_sim_network(iocp_sim_current()) : NULL;
    if (sim == NULL || sim->bound_count == IOCP_SIM_BOUND_MAX)
        return -EMFILE;
    const int name = atomic_fetch_add(&last, 1) & INT32_MAX;
    if (role == IOCP_BIND_CLAIM && bound->endpoint.address.port_be == 0)
        bound->endpoint.address.port_be = (uint16_t)(1 + name % UINT16_MAX);
    sim->bound[sim->bound_count++] = (iocp_sim_bound){.name = name, .port_be = bound->endpoint.address.port_be};
    return name;
}

static int sim_listen(int name, uint32_t backlog)
{
    (void)backlog;
    iocp_sim_bound *bound = iocp_sim_bound_find(iocp_sim_current(), name);
    if (bound == NULL)
        return -EBADF;
    bound->listens = !bound->ended;
    return 0;
}

static void sim_end(int name)
{
    iocp_sim_bound *bound = iocp_sim_bound_find(iocp_sim_current(), name);
    if (bound != NULL)
        *bound = (iocp_sim_bound){.name = name, .port_be = bound->port_be, .ended = true};
}

static void sim_unbind(int name)
{
    iocp_sim_bound *bound = iocp_sim_bound_find(iocp_sim_current(), name);
    if (bound == NULL)
        return;
    iocp_sim *sim = iocp_sim_network(iocp_sim_current());
    *bound = sim->bound[--sim->bound_count];
}

static void sim_remove(const iocp_bound *bound)
{
    (void)bound;
}

const iocp_listening_operations iocp_sim_listening = {
    .bind = sim_bind, .listen = sim_listen, .end = sim_end, .unbind = sim_unbind, .remove = sim_remove};
