/* The simulated driver from the outside: opening it, closing it, and the table of its functions. */
#include <errno.h>
#include <stdlib.h>

#include "sim.h"

static int fail(iocp_failure *failure, int code, iocp_stage stage, const char *detail)
{
    *failure = (iocp_failure){.code = code, .stage = stage, .detail = detail};
    return code;
}

static void sim_close(iocp_driver *driver)
{
    iocp_sim *sim = iocp_sim_of(driver);
    for (int class = 0; class < IOCP_BUFFER_CLASS_COUNT; class++) {
        free(sim->buffers[class].ids);
        sim->buffers[class] = (iocp_sim_buffers){0};
    }
    free(sim->all_buffers);
    free(sim->listeners);
    free(sim->sockets);
    sim->all_buffers = NULL;
    sim->listeners = NULL;
    sim->sockets = NULL;
    sim->driver_open = false;
    sim->config.handle_count = 0;
}

static int open_memory(iocp_sim *sim)
{
    uint32_t buffer_count = 0;
    for (int class = 0; class < IOCP_BUFFER_CLASS_COUNT; class++) {
        const uint32_t count = sim->config.buffers->classes[class].buffer_count;
        sim->buffers[class] = (iocp_sim_buffers){.capacity = count, .ids = calloc(count + 1, sizeof(uint16_t))};
        if (sim->buffers[class].ids == NULL)
            return -ENOMEM;
        buffer_count += count;
    }
    sim->all_buffers = calloc(buffer_count, sizeof *sim->all_buffers);
    sim->listeners = calloc(IOCP_LISTENERS_MAX, sizeof *sim->listeners);
    sim->sockets = calloc(sim->config.handle_count, sizeof *sim->sockets);
    return sim->all_buffers != NULL && sim->listeners != NULL && sim->sockets != NULL ? 0 : -ENOMEM;
}

static int sim_open(iocp_driver **driver, const iocp_driver_config *config, iocp_failure *failure)
{
    iocp_sim *sim = iocp_sim_current();
    if (sim == NULL || sim->driver_open)
        return fail(failure, -EBUSY, IOCP_STAGE_STATE, "a worker stands on a sim of its own, used by its thread");
    if (config->handle_count > IOCP_SIM_HANDLES_MAX)
        return fail(failure, -EINVAL, IOCP_STAGE_CONFIGURATION, "connections_per_worker (a sim has at most 1,024)");
    sim->config = *config;
    sim->driver_open = true;
    sim->handles_held = 0;
    sim->waiting_count = 0;
    sim->wait_count = 0;
    sim->listener_count = 0;
    sim->ended_count = 0;
    const int result = open_memory(sim);
    if (result < 0) {
        sim_close((iocp_driver *)sim);
        return fail(failure, result, IOCP_STAGE_MEMORY, "the sim's sockets");
    }
    *driver = (iocp_driver *)sim;
    return 0;
}

static uint32_t sim_handles_held(const iocp_driver *driver)
{
    return iocp_sim_of(driver)->handles_held;
}

/* Asked before the driver opens, too: a worker's deadlines start from it. */
static uint64_t sim_now_ns(const iocp_driver *driver)
{
    return (driver != NULL ? iocp_sim_of(driver) : iocp_sim_current())->now_ns;
}

/* The sockets of a sim have no descriptors. */
static int sim_adopt(iocp_driver *driver, uint64_t token, int fd, uint32_t *handle)
{
    (void)driver;
    (void)token;
    (void)fd;
    (void)handle;
    return -EAFNOSUPPORT;
}

/* --- the table ---------------------------------------------------------------------------------------------- */

#define OPERATIONS(whole)                       \
    {                                           \
        .name = "sim",                          \
        .kind = IOCP_DRIVER_SIM,                \
        .listening = &iocp_sim_listening,       \
        .hand_over = &iocp_sim_hand_over,       \
        .whole_buffers = (whole),               \
        .open = sim_open,                       \
        .close = sim_close,                     \
        .accept = iocp_sim_accept,              \
        .connect = iocp_sim_connect,            \
        .adopt = sim_adopt,                     \
        .receive = iocp_sim_receive,            \
        .watch = iocp_sim_watch,                \
        .send = iocp_sim_send,                  \
        .shutdown = iocp_sim_shutdown,          \
        .cancel = iocp_sim_cancel,              \
        .close_handle = iocp_sim_close_handle,  \
        .peer = iocp_sim_peer_address,          \
        .get_option = iocp_sim_get_option,      \
        .set_option = iocp_sim_set_option,      \
        .local = iocp_sim_local_address,        \
        .unacknowledged = iocp_sim_unacknowledged, \
        .provide = iocp_sim_provide,            \
        .wait = iocp_sim_wait,                  \
        .now_ns = sim_now_ns,                   \
        .handles_held = sim_handles_held,       \
    }

const iocp_driver_operations *iocp_sim_operations(bool whole_buffers)
{
    static const iocp_driver_operations piecewise = OPERATIONS(false);
    static const iocp_driver_operations whole = OPERATIONS(true);
    return whole_buffers ? &whole : &piecewise;
}
