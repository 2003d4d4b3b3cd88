/* The way back of offloaded work to one worker: it is never full, and ends one sleep for many results. */
#ifndef IOCP_OFFLOAD_INBOX_H
#define IOCP_OFFLOAD_INBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/chain.h"
#include "../include/iocp_offload.h"
#include "../stats/page.h"

struct iocp_offload_pool;

typedef struct iocp_offload_inbox {
    struct iocp_offload_pool *pool;
    iocp_stats_cell *stats;
    void (*wake)(void *context); /* ends the worker's sleep. Thread: any */
    void *wake_context;
    iocp_chain ended;
    uint32_t depth; /* work that was accepted and not taken; the owner's, and once closed the pool's, under its lock */
    bool cancels;   /* the worker stops, and cancels */
} iocp_offload_inbox;

/* Hands back work that has ended, and wakes the worker for the first of it. False once the inbox is closed: then it stays the
 * caller's. Thread: any. Lock-free. */
bool iocp_offload_inbox_put(iocp_offload_inbox *inbox, iocp_offload *work);

/* Thread: the owner, for all below. */

/* Puts work at the end of what was taken already. */
void iocp_offload_inbox_keep(iocp_offload_inbox *inbox, iocp_offload *work);

/* The oldest that is there; NULL: none. */
iocp_offload *iocp_offload_inbox_take(iocp_offload_inbox *inbox);

bool iocp_offload_inbox_has(const iocp_offload_inbox *inbox);

/* Takes nothing more. Returns how much of what was put is still to be taken. Once. */
uint32_t iocp_offload_inbox_close(iocp_offload_inbox *inbox);

#endif
