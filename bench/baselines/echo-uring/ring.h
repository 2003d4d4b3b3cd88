/* One ring and its entries: what is prepared during a turn reaches the kernel with the turn's one io_uring_enter. */
#ifndef RING_H
#define RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Kernel constants that liburing 2.3 lacks, under names of our own. */
enum {
    RING_CQE_F_BUF_MORE = 1 << 4,    /* 6.12 */
    RING_PBUF_RING_INC = 2,          /* 6.12 */
    RING_FEAT_MIN_TIMEOUT = 1 << 15, /* 6.12 */
};

enum {
    RING_ENTRIES = 1024,
    RING_COMPLETIONS = 4096,
    RING_GATHERS = 64,          /* gathering sends of one submission */
    RING_GATHER_RANGES = 64,    /* and ranges in each */
};

typedef struct ring_gather {
    struct msghdr message;
    struct iovec ranges[RING_GATHER_RANGES];
} ring_gather;

typedef struct ring {
    struct io_uring uring;
    uint32_t prepared;   /* entries of the next submission, always the first ones: they stay in the cache */
    uint32_t submission; /* number of the next one, from 1 */
    uint32_t enter_flags;
    bool has_min_wait;
    /* Of the next submission and of the one before: a send that failed is read again when its completion comes. */
    uint32_t gather_count;
    ring_gather gathers[2][RING_GATHERS];
} ring;

/* Exits with 1 and one line when the kernel has no io_uring or refuses it. */
void ring_open(ring *self, uint32_t file_count);

/* What is to be prepared in one go fits, or the next turn prepares it. */
static inline uint32_t ring_room(const ring *self)
{
    return RING_ENTRIES - self->prepared;
}

/* A zeroed entry; there must be room. */
static inline struct io_uring_sqe *ring_entry(ring *self)
{
    struct io_uring_sqe *entry = &self->uring.sq.sqes[self->prepared++];
    *entry = (struct io_uring_sqe){0};
    return entry;
}

/* Returns NULL when this submission has no more. */
static inline ring_gather *ring_gather_take(ring *self)
{
    if (self->gather_count == RING_GATHERS)
        return NULL;
    return &self->gathers[self->submission & 1][self->gather_count++];
}

/* Submits everything prepared. No completion comes but those that the submission itself brings. */
void ring_submit(ring *self);

/* Submits everything prepared, runs the work that is due and, with `sleeps`, waits for a completion. */
void ring_turn(ring *self, bool sleeps);

/* Moves completions that did not fit into the queue; call when it is empty. Returns whether there were any. */
bool ring_refill(ring *self);

#endif
