/* The receive buffers of the ring. The kernel fills each piece by piece (incremental buffers), so a message of 64
 * bytes takes 64 bytes of one; only a few are provided at a time, the last used first, so that they stay in the cache.
 * A receive that finds none ends, and is armed again when there is one.
 *
 * What was received in one turn leaves with the submission that ends it, straight from the buffer. By the end of the
 * next turn all that did not leave has been copied, and the buffer is free.
 *
 * Number and size were measured on a core with 512 KiB of L2, and fill it. Providing up to 4 MiB on demand cost 6 %
 * more CPU per message of 64 KiB, half as much memory 11 to 15 %. In buffers of 64 KiB a message often ends in a second
 * one, at the price of another receive: 9 % per message of 1 MiB. */
#ifndef BUFFERS_H
#define BUFFERS_H

#include <stdbool.h>
#include <stdint.h>

#include "ring.h"

enum {
    BUFFER_BYTES = 128 * 1024,
    BUFFERS_PROVIDED = 4,
    BUFFERS_COUNT = 16, /* a power of two, and enough for two turns that spend all and a third that begins */
    BUFFERS_GROUP = 0,
};

typedef struct buffers_stack {
    uint32_t count;
    uint16_t ids[BUFFERS_COUNT];
} buffers_stack;

typedef struct buffers {
    struct io_uring_buf_ring *queue;
    char *bytes;
    uint32_t provided; /* the kernel holds so many */
    uint32_t consumed_bytes[BUFFERS_COUNT];
    buffers_stack free;
    buffers_stack spent[2]; /* filled in this turn, and in the one before */
    uint32_t turn;
} buffers;

void buffers_open(buffers *self, ring *ring);

/* Where the bytes are that a completion with IORING_CQE_F_BUFFER brought. */
const char *buffers_take(buffers *self, const struct io_uring_cqe *completion);

/* Whether buffers were filled up in the turn that ended last. */
static inline bool buffers_spent(const buffers *self)
{
    return self->spent[(self->turn & 1) ^ 1].count > 0;
}

/* At the end of a turn: what the turn before filled is provided again. */
void buffers_turn_end(buffers *self);

#endif
