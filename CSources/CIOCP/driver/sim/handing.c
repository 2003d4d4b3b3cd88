/* Sockets that go to another worker's sim, and come from one. Between the two the peer does nothing. */
#include <errno.h>
#include <stdlib.h>

#include "sim.h"

static int pack(iocp_driver *driver, uint32_t handle, iocp_traveller *traveller)
{
    iocp_sim *sim = iocp_sim_of(driver);
    const iocp_sim_socket *socket = &sim->sockets[handle];
    IOCP_SIM_REQUIRE(sim, handle < sim->config.handle_count && socket->open, "G1", "a closed socket is handed over", 0);
    for (int kind = 0; kind < IOCP_SIM_KIND_COUNT; kind++)
        IOCP_SIM_REQUIRE(sim, socket->operations[kind].stage == IOCP_SIM_IDLE, "G1",
                         "a socket is handed over beside an outstanding operation", socket->connection);
    if (sim->now_ns < sim->crowded_until_ns)
        return iocp_sim_fail(sim, "pack", -EBUSY);
    if (iocp_sim_chance(sim, sim->weather.refuse))
        return iocp_sim_fail(sim, "pack", iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 2) ? -EAGAIN : -EMFILE);
    iocp_sim_socket *copy = malloc(sizeof *copy);
    if (copy == NULL)
        return -ENOMEM;
    *copy = *socket;
    *traveller = (iocp_traveller){.fd = -1, .played = copy};
    return 0;
}

static void leave(iocp_driver *driver, uint32_t handle)
{
    iocp_sim *sim = iocp_sim_of(driver);
    IOCP_SIM_SAY(sim, "    stream %u leaves", sim->sockets[handle].stream);
    sim->sockets[handle].open = false;
    sim->handles_held--;
}

static void abandon(iocp_traveller *traveller)
{
    free(traveller->played);
    traveller->played = NULL;
}

static void stay(iocp_driver *driver, uint32_t handle, iocp_traveller *traveller)
{
    (void)driver;
    (void)handle;
    abandon(traveller);
}

static int take(iocp_driver *driver, iocp_traveller *traveller, uint32_t *handle)
{
    iocp_sim *sim = iocp_sim_of(driver);
    if (sim->now_ns < sim->crowded_until_ns)
        return iocp_sim_fail(sim, "take", -EBUSY);
    if (iocp_sim_chance(sim, sim->weather.refuse))
        return iocp_sim_fail(sim, "take", iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 2) ? -EAGAIN : -ENFILE);
    const uint32_t place = iocp_sim_socket_open(sim, true);
    if (place == UINT32_MAX)
        return iocp_sim_fail(sim, "take", -ENFILE);
    sim->stream_count--; /* it has a stream already */
    sim->sockets[place] = *(const iocp_sim_socket *)traveller->played;
    sim->sockets[place].connection = 0;
    IOCP_SIM_SAY(sim, "    stream %u arrives: handle %u", sim->sockets[place].stream, place);
    abandon(traveller);
    *handle = place;
    return 0;
}

const iocp_hand_over_operations iocp_sim_hand_over = {
    .pack = pack, .leave = leave, .stay = stay, .take = take, .abandon = abandon};
