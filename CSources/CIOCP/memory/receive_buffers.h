/* The receive buffers of one worker, and who holds each of them.
 *
 * A buffer is held by the driver (it may write there), by leases (the application reads there), by both while it
 * is consumed piece by piece, or by nobody: then it lies on a LIFO stack, so that the hottest is provided next.
 * Only as many are provided at a time as stay in the cache. Bytes beyond what a receive reported are never handed out
 * (guarantee G9). */
#ifndef IOCP_MEMORY_RECEIVE_BUFFERS_H
#define IOCP_MEMORY_RECEIVE_BUFFERS_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"

/* A driver that consumes buffers piece by piece uses LARGE alone. One that spends a whole buffer on each receive
 * starts connections on SMALL and moves those that fill their buffers to LARGE. */
typedef enum iocp_buffer_class : uint8_t {
    IOCP_BUFFER_LARGE = 0,
    IOCP_BUFFER_SMALL = 1,
    IOCP_BUFFER_CLASS_COUNT = 2,
} iocp_buffer_class;

typedef struct iocp_buffer_range {
    uint8_t *start;
    uint32_t buffer_bytes;
    uint32_t first_id;
    uint32_t buffer_count;    /* 0: the class is not used */
    uint32_t provided_count;  /* held by the driver */
    uint32_t provided_target; /* how many the driver should hold */
    uint32_t free_count;
    uint16_t *free_ids;       /* LIFO */
} iocp_buffer_range;

typedef struct iocp_receive_buffers {
    iocp_arena arena;
    iocp_buffer_range classes[IOCP_BUFFER_CLASS_COUNT];
    uint32_t *holders;        /* per buffer: leases, and the driver's bit */
    uint32_t lease_count;
} iocp_receive_buffers;

/* large_bytes x large_count, and with small_count > 0 also small_count buffers of small_bytes.
 * Returns 0 or -errno; close after a failure is harmless. */
int iocp_receive_buffers_open(iocp_receive_buffers *buffers, uint32_t node, uint32_t large_bytes, uint32_t large_count,
                              uint32_t small_bytes, uint32_t small_count);
/* Lets the driver hold as many for each of so many queues as it holds for one. Before any is provided. */
void iocp_receive_buffers_serve(iocp_receive_buffers *buffers, uint32_t queue_count);
void iocp_receive_buffers_close(iocp_receive_buffers *buffers);

uint8_t *iocp_receive_buffers_start(const iocp_receive_buffers *buffers, uint16_t id);
iocp_buffer_class iocp_receive_buffers_class(const iocp_receive_buffers *buffers, uint16_t id);

/* Takes a free buffer for the driver while it holds fewer than the target. Returns its id, or -ENOBUFS. */
int iocp_receive_buffers_provide(iocp_receive_buffers *buffers, iocp_buffer_class class);

/* The driver will not write to this buffer again. */
void iocp_receive_buffers_driver_done(iocp_receive_buffers *buffers, uint16_t id);

void iocp_receive_buffers_lease(iocp_receive_buffers *buffers, uint16_t id);

/* Whether half of the large buffers, or more, are lent and no longer written to. */
bool iocp_receive_buffers_scarce(const iocp_receive_buffers *buffers);

/* Gives one lease back; traps when there is none. */
void iocp_receive_buffers_return(iocp_receive_buffers *buffers, uint16_t id);

#endif
