/* A pool for offloaded work, with the inboxes of some workers that stand in no port. */
#ifndef CIOCP_INTERNALS_OFFLOADS_H
#define CIOCP_INTERNALS_OFFLOADS_H

#include <stdbool.h>
#include <stdint.h>

#include "../../../../CSources/CIOCP/include/iocp_offload.h"

enum { INTERNALS_POOL_INBOXES = 4 };

typedef struct internals_pool internals_pool;

/* Every inbox has joined. NULL: no memory. */
internals_pool *internals_pool_create(uint32_t threads_max, uint32_t queue_max, uint64_t idle_ns);

/* Leaves for the inboxes that did not, and waits until the last thread has gone. */
void internals_pool_destroy(internals_pool *pool);

int internals_pool_put(internals_pool *pool, uint32_t inbox, iocp_offload *work);
int internals_pool_cancel(internals_pool *pool, iocp_offload *work);
uint32_t internals_pool_cancel_all(internals_pool *pool, uint32_t inbox);
iocp_offload *internals_pool_take(internals_pool *pool, uint32_t inbox);
bool internals_pool_has(internals_pool *pool, uint32_t inbox);
void internals_pool_leave(internals_pool *pool, uint32_t inbox);
void internals_pool_await_idle(internals_pool *pool);

typedef struct internals_pool_counts {
    uint32_t threads;
    uint32_t busy;
    uint32_t queued;
    uint64_t said_threads; /* as the stats page does, */
    uint64_t said_depth;   /* of inbox 0, */
    uint64_t said_dropped; /* and of it, too */
    uint32_t depth;        /* of inbox 0; read while nobody changes it */
    uint32_t wakes;        /* of all inboxes */
} internals_pool_counts;

internals_pool_counts internals_pool_count(internals_pool *pool);

/* Of the calling thread: its number, the one CPU that it is bound to from here on, its name. */
int32_t internals_thread_id(void);
bool internals_thread_is_named(const char *name);

#endif
