/* The epoll driver from the outside: opening it, closing it, and the table of its functions. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "../listening.h"
#include "epoll.h"

static int fail(iocp_failure *failure, int code, iocp_stage stage, const char *detail)
{
    *failure = (iocp_failure){.code = code, .stage = stage, .detail = detail};
    return code;
}

static uint32_t power_of_two_at_least(uint32_t value)
{
    return value <= 1 ? 1 : UINT32_C(1) << (32 - __builtin_clz(value - 1));
}

static int open_list(iocp_epoll_list *list, uint32_t count)
{
    const uint32_t entries = power_of_two_at_least(count);
    const int result = iocp_arena_open(&list->arena, entries * sizeof *list->entries, 0);
    list->entries = (uint32_t *)list->arena.start;
    list->mask = entries - 1;
    return result;
}

static int open_memory(iocp_epoll *epoll)
{
    /* At worst each socket ends a receive, a watch, a send, a shutdown and a close between two waits. */
    const uint32_t pending = power_of_two_at_least(5 * epoll->config.handle_count + IOCP_LISTENERS_MAX);
    int result = iocp_arena_open(&epoll->sockets_arena, epoll->config.handle_count * sizeof *epoll->sockets, 0);
    if (result < 0)
        return result;
    epoll->sockets = (iocp_epoll_socket *)epoll->sockets_arena.start;
    if ((result = iocp_arena_open(&epoll->pending.arena, pending * sizeof(iocp_event), 0)) < 0)
        return result;
    epoll->pending.entries = (iocp_event *)epoll->pending.arena.start;
    epoll->pending.mask = pending - 1;
    if ((result = open_list(&epoll->readable, epoll->config.handle_count)) < 0)
        return result;
    return open_list(&epoll->buffers, epoll->config.buffers->classes[IOCP_BUFFER_LARGE].buffer_count);
}

static void epoll_close(iocp_driver *driver)
{
    iocp_epoll *epoll = iocp_epoll_of(driver);
    for (uint32_t handle = 0; handle < epoll->untouched; handle++)
        if (epoll->sockets[handle].fd != IOCP_EPOLL_NONE)
            iocp_epoll_forget(epoll, handle);
    if (epoll->fd >= 0)
        close(epoll->fd);
    iocp_arena_close(&epoll->buffers.arena);
    iocp_arena_close(&epoll->readable.arena);
    iocp_arena_close(&epoll->pending.arena);
    iocp_arena_close(&epoll->sockets_arena);
    free(epoll);
}

static int busy_poll(iocp_epoll *epoll, iocp_failure *failure)
{
    const iocp_epoll_busy_poll parameters = {
        .timeout_us = epoll->config.busy_poll_us, .packets_max = IOCP_EPOLL_POLLED_PACKETS_MAX, .prefer = true};
    if (ioctl(epoll->fd, IOCP_EPOLL_SET_BUSY_POLL, &parameters) < 0)
        return fail(failure, -errno, IOCP_STAGE_BUSY_POLL, "EPIOCSPARAMS");
    return 0;
}

/* By trial: a kernel may lack the call (ENOSYS), and a seccomp profile refuse it. 0 or -errno. */
static int try_nanoseconds(int fd)
{
    const struct timespec none = {0};
    struct epoll_event unused;
    if (epoll_pwait2 == NULL)
        return -ENOSYS;
    return epoll_pwait2(fd, &unused, 1, &none, NULL) < 0 ? -errno : 0;
}

int iocp_epoll_try_nanoseconds(void)
{
    const int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return -errno;
    const int result = try_nanoseconds(fd);
    close(fd);
    return result;
}

static int epoll_open(iocp_driver **driver, const iocp_driver_config *config, iocp_failure *failure)
{
    iocp_epoll *epoll = calloc(1, sizeof *epoll);
    if (epoll == NULL)
        return fail(failure, -ENOMEM, IOCP_STAGE_MEMORY, "the epoll driver");
    epoll->config = *config;
    epoll->free_head = UINT32_MAX;
    for (uint32_t i = 0; i < IOCP_LISTENERS_MAX; i++)
        epoll->listeners[i].fd = IOCP_EPOLL_NONE;
    epoll->fd = epoll_create1(EPOLL_CLOEXEC);
    int result = epoll->fd < 0 ? -errno : 0;
    if (result < 0) {
        fail(failure, result, IOCP_STAGE_EPOLL, "epoll_create1");
    } else if ((result = open_memory(epoll)) < 0) {
        fail(failure, result, IOCP_STAGE_MEMORY, "the epoll driver's tables");
    } else {
        epoll->waits_for_nanoseconds = try_nanoseconds(epoll->fd) == 0;
        struct epoll_event wake = {.events = EPOLLIN, .data.u64 = iocp_epoll_about(IOCP_EPOLL_ABOUT_WAKE, 0)};
        if (epoll_ctl(epoll->fd, EPOLL_CTL_ADD, config->wake_fd, &wake) < 0)
            result = fail(failure, -errno, IOCP_STAGE_EPOLL, "epoll_ctl");
        else if (config->busy_poll_us > 0)
            result = busy_poll(epoll, failure);
    }
    if (result < 0) {
        epoll_close((iocp_driver *)epoll);
        return result;
    }
    *driver = (iocp_driver *)epoll;
    return 0;
}

static uint64_t epoll_features(const iocp_driver *driver)
{
    const iocp_epoll *epoll = (const iocp_epoll *)driver;
    return iocp_feature_bit(IOCP_FEATURE_nanosecond_waits, epoll->waits_for_nanoseconds) |
           iocp_feature_bit(IOCP_FEATURE_busy_poll, epoll->config.busy_poll_us > 0);
}

static uint32_t epoll_handles_held(const iocp_driver *driver)
{
    return ((const iocp_epoll *)driver)->handles_held;
}

const iocp_driver_operations *iocp_driver_epoll(void)
{
    static const iocp_driver_operations operations = {
        .name = "epoll",
        .kind = IOCP_DRIVER_EPOLL,
        .listening = &iocp_listening_kernel,
        .hand_over = &iocp_epoll_hand_over,
        .whole_buffers = false,
        .open = epoll_open,
        .close = epoll_close,
        .accept = iocp_epoll_accept,
        .connect = iocp_epoll_connect,
        .adopt = iocp_epoll_adopt_connected,
        .receive = iocp_epoll_receive,
        .watch = iocp_epoll_watch,
        .send = iocp_epoll_send,
        .shutdown = iocp_epoll_shutdown,
        .cancel = iocp_epoll_cancel,
        .close_handle = iocp_epoll_close_handle,
        .peer = iocp_epoll_peer,
        .get_option = iocp_epoll_get_option,
        .set_option = iocp_epoll_set_option,
        .local = iocp_epoll_local,
        .unacknowledged = iocp_epoll_unacknowledged,
        .provide = iocp_epoll_provide,
        .wait = iocp_epoll_wait,
        .features = epoll_features,
        .handles_held = epoll_handles_held,
    };
    return &operations;
}
