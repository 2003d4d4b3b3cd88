/* Receive buffers: who holds each of them. */
#include "receive_buffers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/check.h"
#include "../base/limits.h"

/* As much as a core's second-level cache holds, so that what arrives is written to lines that are still there. Growing
 * with the demand instead was measured at 6 to 10 % more CPU per message of 64 KiB, half as much at 11 to 15 %. */
enum { PROVIDED_BYTES = 512 * 1024, PROVIDED_LEAST = 2 };

#define DRIVER_HOLDS UINT32_C(0x80000000)

static int range_open(iocp_buffer_range *range, uint8_t *start, uint32_t bytes, uint32_t first_id, uint32_t count)
{
    if (count == 0)
        return 0; /* not used */
    const uint32_t target = bytes < PROVIDED_BYTES / PROVIDED_LEAST ? PROVIDED_BYTES / bytes : PROVIDED_LEAST;
    range->start = start;
    range->buffer_bytes = bytes;
    range->first_id = first_id;
    range->buffer_count = count;
    range->provided_target = target < count ? target : count;
    range->free_ids = malloc(count * sizeof *range->free_ids);
    if (range->free_ids == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        range->free_ids[i] = (uint16_t)(first_id + count - 1 - i);
    range->free_count = count;
    return 0;
}

int iocp_receive_buffers_open(iocp_receive_buffers *buffers, uint32_t node, uint32_t large_bytes, uint32_t large_count,
                              uint32_t small_bytes, uint32_t small_count)
{
    *buffers = (iocp_receive_buffers){0};
    const size_t large_total = (size_t)large_bytes * large_count;
    const size_t small_total = (size_t)small_bytes * small_count;
    int result = iocp_arena_open(&buffers->arena, large_total + small_total, node);
    if (result < 0)
        return result;
    buffers->holders = calloc(large_count + small_count, sizeof *buffers->holders);
    if (buffers->holders == NULL)
        return -ENOMEM;
    result = range_open(&buffers->classes[IOCP_BUFFER_LARGE], buffers->arena.start, large_bytes, 0, large_count);
    if (result < 0)
        return result;
    return range_open(&buffers->classes[IOCP_BUFFER_SMALL], buffers->arena.start + large_total, small_bytes,
                      large_count, small_count);
}

void iocp_receive_buffers_serve(iocp_receive_buffers *buffers, uint32_t queue_count)
{
    for (int class = 0; class < IOCP_BUFFER_CLASS_COUNT; class++) {
        iocp_buffer_range *range = &buffers->classes[class];
        const uint64_t target = (uint64_t)range->provided_target * queue_count;
        range->provided_target = target < range->buffer_count ? (uint32_t)target : range->buffer_count;
    }
}

void iocp_receive_buffers_close(iocp_receive_buffers *buffers)
{
    IOCP_CHECK(buffers->lease_count == 0, "received bytes are still lent at the port's end: return every lease first");
    for (int class = 0; class < IOCP_BUFFER_CLASS_COUNT; class++)
        free(buffers->classes[class].free_ids);
    free(buffers->holders);
    iocp_arena_close(&buffers->arena);
    *buffers = (iocp_receive_buffers){0};
}

iocp_buffer_class iocp_receive_buffers_class(const iocp_receive_buffers *buffers, uint16_t id)
{
    return id < buffers->classes[IOCP_BUFFER_LARGE].buffer_count ? IOCP_BUFFER_LARGE : IOCP_BUFFER_SMALL;
}

uint8_t *iocp_receive_buffers_start(const iocp_receive_buffers *buffers, uint16_t id)
{
    const iocp_buffer_range *range = &buffers->classes[iocp_receive_buffers_class(buffers, id)];
    return range->start + (size_t)(id - range->first_id) * range->buffer_bytes;
}

int iocp_receive_buffers_provide(iocp_receive_buffers *buffers, iocp_buffer_class class)
{
    iocp_buffer_range *range = &buffers->classes[class];
    if (range->free_count == 0 || range->provided_count >= range->provided_target)
        return -ENOBUFS;
    const uint16_t id = range->free_ids[--range->free_count];
    range->provided_count++;
    buffers->holders[id] = DRIVER_HOLDS;
    return id;
}

static void free_when_unheld(iocp_receive_buffers *buffers, uint16_t id)
{
    if (buffers->holders[id] != 0)
        return;
    iocp_buffer_range *range = &buffers->classes[iocp_receive_buffers_class(buffers, id)];
#ifndef NDEBUG
    /* A reader of a returned lease must see nonsense, not the next peer's bytes. */
    memset(iocp_receive_buffers_start(buffers, id), 0xdb, range->buffer_bytes);
#endif
    range->free_ids[range->free_count++] = id;
}

void iocp_receive_buffers_driver_done(iocp_receive_buffers *buffers, uint16_t id)
{
    IOCP_CHECK(buffers->holders[id] & DRIVER_HOLDS, "a driver gave back a buffer it did not hold");
    buffers->holders[id] &= ~DRIVER_HOLDS;
    buffers->classes[iocp_receive_buffers_class(buffers, id)].provided_count--;
    free_when_unheld(buffers, id);
}

void iocp_receive_buffers_lease(iocp_receive_buffers *buffers, uint16_t id)
{
    buffers->holders[id]++;
    buffers->lease_count++;
}

bool iocp_receive_buffers_scarce(const iocp_receive_buffers *buffers)
{
    const iocp_buffer_range *range = &buffers->classes[IOCP_BUFFER_LARGE];
    return 2 * (range->free_count + range->provided_count) <= range->buffer_count;
}

void iocp_receive_buffers_return(iocp_receive_buffers *buffers, uint16_t id)
{
    IOCP_CHECK((buffers->holders[id] & ~DRIVER_HOLDS) != 0, "a receive lease was returned twice");
    buffers->holders[id]--;
    buffers->lease_count--;
    free_when_unheld(buffers, id);
}
