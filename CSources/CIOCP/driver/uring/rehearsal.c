/* Whether all rings of a port can be opened at once, found by doing it: their memory is charged to RLIMIT_MEMLOCK, which
 * all of a user's processes share, so nobody can tell beforehand what is left of it. */
#include <errno.h>
#include <stdlib.h>

#include "../../system/topology.h"
#include "uring.h"

typedef struct rehearsed_ring {
    struct io_uring ring;
    bool ring_open;
    iocp_uring_buffer_ring buffers[IOCP_BUFFER_CLASS_COUNT];
} rehearsed_ring;

static int refused(iocp_failure *failure, int code, iocp_stage stage, const char *detail)
{
    *failure = (iocp_failure){.code = code, .stage = stage, .detail = detail};
    return code;
}

static int open_ring(rehearsed_ring *rehearsed, const iocp_driver_rehearsal *rehearsal, iocp_failure *failure)
{
    int result =
        iocp_uring_ring_open(&rehearsed->ring, IOCP_URING_SQ_ENTRIES, rehearsal->completion_queue_entries, 0);
    if (result < 0)
        return refused(failure, result, IOCP_STAGE_RING, "io_uring_setup");
    rehearsed->ring_open = true;
    const uint32_t flags = iocp_capabilities_get()->incremental_buffers ? IOCP_URING_PBUF_RING_INC : 0;
    for (uint16_t class = 0; class < IOCP_BUFFER_CLASS_COUNT; class++) {
        if (rehearsal->buffer_counts[class] == 0)
            continue;
        result = iocp_uring_buffer_ring_open(&rehearsed->ring, &rehearsed->buffers[class], class,
                                             rehearsal->buffer_counts[class], flags, 0);
        if (result < 0)
            return refused(failure, result, IOCP_STAGE_RING_BUFFERS, "io_uring_register_buf_ring");
    }
    return 0;
}

static void close_ring(rehearsed_ring *rehearsed)
{
    if (rehearsed->ring_open)
        iocp_uring_ring_close(&rehearsed->ring);
    for (int class = 0; class < IOCP_BUFFER_CLASS_COUNT; class++)
        iocp_arena_close(&rehearsed->buffers[class].arena);
    *rehearsed = (rehearsed_ring){0};
}

int iocp_uring_rehearse(const iocp_driver_rehearsal *rehearsal, iocp_failure *failure)
{
    rehearsed_ring *rings = calloc(rehearsal->instance_count, sizeof *rings);
    if (rings == NULL)
        return refused(failure, -ENOMEM, IOCP_STAGE_MEMORY, "the io_uring driver");
    /* A server that is started again may find what its predecessor held, for some milliseconds. */
    const uint64_t until_ns = iocp_clock_ns() + IOCP_URING_MEMORY_NS;
    int result = 0;
    for (uint32_t i = 0; i < rehearsal->instance_count && result == 0; i++) {
        result = open_ring(&rings[i], rehearsal, failure);
        while (result == -ENOMEM && iocp_uring_wait_for_memory(until_ns)) {
            close_ring(&rings[i]);
            result = open_ring(&rings[i], rehearsal, failure);
        }
    }
    for (uint32_t i = 0; i < rehearsal->instance_count; i++)
        close_ring(&rings[i]);
    free(rings);
    return result;
}
