/* The driver: the uring driver's own functions over a played ring, but for those that need a socket of the kernel's. */
#include "played_ring.h"

#include <errno.h>
#include <fcntl.h>

#include "../../../CSources/CIOCP/base/token.h"

static played_ring *opening;

/* A ring of the kernel's that nothing is ever submitted to: entering it is without effect. -1: there is none, and
 * nothing may enter. */
static int idle_ring(void)
{
    static _Thread_local struct io_uring idle;
    static _Thread_local bool tried, works;
    if (!tried)
        works = io_uring_queue_init(2, &idle, 0) == 0;
    tried = true;
    return works ? idle.ring_fd : -1;
}

static played_ring *ring_of(iocp_driver *driver)
{
    return (played_ring *)driver;
}

static void release(played_ring *ring)
{
    for (int class = 0; class < IOCP_BUFFER_CLASS_COUNT; class++)
        iocp_arena_close(&ring->uring.buffer_rings[class].arena);
    free(ring->uring.consumed_bytes);
}

static int played_open(iocp_driver **driver, const iocp_driver_config *config, iocp_failure *failure)
{
    played_ring *ring = opening;
    iocp_uring *uring = &ring->uring;
    uring->config = *config;
    uring->direct = true;
    uring->silents.work = fuzz_one_in(ring->input, 2);
    uint32_t buffer_count = 0;
    (void)failure;
    for (int class = 0; class < IOCP_BUFFER_CLASS_COUNT; class++) {
        iocp_uring_buffer_ring *buffers = &uring->buffer_rings[class];
        buffers->entry_count = config->buffers->classes[class].buffer_count;
        buffer_count += buffers->entry_count;
        if (buffers->entry_count == 0)
            continue;
        FUZZ_REQUIRE(iocp_arena_open(&buffers->arena, buffers->entry_count * sizeof(struct io_uring_buf), 0) == 0,
                     "no memory");
        buffers->ring = (struct io_uring_buf_ring *)buffers->arena.start;
    }
    uring->consumed_bytes = calloc(buffer_count, sizeof *uring->consumed_bytes);
    FUZZ_REQUIRE(uring->consumed_bytes != NULL, "no memory");
    iocp_uring_arm_wake(uring);
    *driver = (iocp_driver *)ring;
    return 0;
}

static void played_close(iocp_driver *driver)
{
    release(ring_of(driver));
}

static bool has_free_command(const played_ring *ring)
{
    for (uint32_t i = 0; i < IOCP_URING_COMMANDS_MAX; i++)
        if (ring->uring.commands[i].state == IOCP_URING_COMMAND_FREE)
            return true;
    return false;
}

/* The driver's own needs a socket of the kernel's. */
static int played_connect(iocp_driver *driver, uint64_t token, const iocp_endpoint *endpoint, const iocp_endpoint *source,
                          uint32_t *handle)
{
    (void)endpoint;
    (void)source;
    played_ring *ring = ring_of(driver);
    *handle = ring_free_handle(ring);
    if (*handle == ring->uring.config.handle_count || fuzz_one_in(ring->input, 8))
        return -ENFILE;
    ring_open_socket(ring, *handle, false);
    /* Placed, and not answered: the connect is refused, and the socket closed once that is known. */
    if (has_free_command(ring) && fuzz_one_in(ring->input, 8)) {
        ring_take_command(ring, open("/dev/null", O_RDONLY | O_CLOEXEC), *handle);
        return -EBUSY;
    }
    ring->uring.handles_held++;
    ring_name_socket(ring, &ring->sockets[*handle], token);
    ring_begin(&ring->sockets[*handle].connect, token);
    return 0;
}

static int played_peer(iocp_driver *driver, uint32_t handle, iocp_address *address)
{
    played_ring *ring = ring_of(driver);
    const ring_socket *socket = ring_socket_at(ring, handle);
    *address = (iocp_address){.bytes = {10, 0, 0, (uint8_t)(socket->stream % 3)}};
    if (!fuzz_one_in(ring->input, 8))
        return 0;
    ring_take_command(ring, -1, 0);
    return -EBUSY;
}

static int played_unacknowledged(iocp_driver *driver, uint32_t handle)
{
    played_ring *ring = ring_of(driver);
    (void)ring_socket_at(ring, handle);
    return fuzz_one_in(ring->input, 8) ? -EBUSY : (int)fuzz_below(ring->input, 1 << 16);
}

static int played_wait(iocp_driver *driver, iocp_event *events, uint32_t capacity, uint64_t timeout_ns)
{
    (void)timeout_ns;
    played_ring *ring = ring_of(driver);
    ring_take_submissions(ring);
    ring->now_ns += ring->clear ? UINT64_C(50000000) : (uint64_t)1000 << fuzz_below(ring->input, 20);
    if (ring->clear)
        ring_complete_everything(ring);
    else
        ring_complete_some(ring);
    ring_flush_overflow(ring);
    const uint32_t most = ring->clear ? capacity : 1 + fuzz_below(ring->input, capacity);
    return iocp_uring_wait(driver, events, most, 0);
}

static uint64_t played_now(const iocp_driver *driver)
{
    return driver != NULL ? ((const played_ring *)driver)->now_ns : opening->now_ns;
}

static uint32_t played_handles_held(const iocp_driver *driver)
{
    return ((const played_ring *)driver)->uring.handles_held;
}

void played_ring_setup(played_ring *ring, fuzz_input *input, bool incremental, const ring_observer *observer)
{
    memset(ring, 0, sizeof *ring);
    ring->input = input;
    ring->observer = *observer;
    ring->now_ns = UINT64_C(5000000000);
    ring->uring.incremental = incremental;
    struct io_uring *uring = &ring->uring.ring;
    ring->entries_cq[2] = RING_CQ_ENTRIES - 1;
    ring->entries_cq[3] = RING_CQ_ENTRIES;
    uring->sq = (struct io_uring_sq){.khead = &ring->entries_sq[0],
                                     .ktail = &ring->entries_sq[1],
                                     .kflags = &ring->entries_sq[2],
                                     .kdropped = &ring->entries_sq[3],
                                     .sqes = ring->sqes,
                                     .ring_mask = RING_SQ_ENTRIES - 1,
                                     .ring_entries = RING_SQ_ENTRIES};
    uring->cq = (struct io_uring_cq){.khead = &ring->entries_cq[0],
                                     .ktail = &ring->entries_cq[1],
                                     .kring_mask = &ring->entries_cq[2],
                                     .kring_entries = &ring->entries_cq[3],
                                     .cqes = ring->cqes,
                                     .ring_mask = RING_CQ_ENTRIES - 1,
                                     .ring_entries = RING_CQ_ENTRIES};
    uring->ring_fd = uring->enter_ring_fd = idle_ring(); /* a wait enters to have the overflow list emptied */
    ring->uring.enter_flags = IORING_ENTER_EXT_ARG;
    opening = ring;
}

void played_ring_check_end(const played_ring *ring)
{
    for (uint32_t i = 0; i < IOCP_URING_COMMANDS_MAX; i++)
        FUZZ_REQUIRE(ring->uring.commands[i].state == IOCP_URING_COMMAND_FREE || ring->uring.commands[i].fd < 0,
                     "a socket that was placed late is kept");
}

#define OPERATIONS(whole)                                                                                           \
    {                                                                                                               \
        .name = "played", .kind = IOCP_DRIVER_URING, .whole_buffers = whole, .open = played_open,                   \
        .close = played_close, .accept = iocp_uring_accept, .connect = played_connect,                              \
        .receive = iocp_uring_receive, .watch = iocp_uring_watch, .send = iocp_uring_send,                          \
        .shutdown = iocp_uring_shutdown, .cancel = iocp_uring_cancel, .close_handle = iocp_uring_close_handle,      \
        .peer = played_peer, .local = played_peer, .unacknowledged = played_unacknowledged,                         \
        .provide = iocp_uring_provide, .wait = played_wait, .now_ns = played_now,                                   \
        .handles_held = played_handles_held,                                                                        \
    }

const iocp_driver_operations *played_ring_operations(bool whole_buffers)
{
    static const iocp_driver_operations piecewise = OPERATIONS(false);
    static const iocp_driver_operations whole = OPERATIONS(true);
    return whole_buffers ? &whole : &piecewise;
}
