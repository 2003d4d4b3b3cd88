/* A send is refused: it is counted under one reason, and its sender is told when to try again. */
#ifndef IOCP_WORKER_REFUSING_H
#define IOCP_WORKER_REFUSING_H

#include "worker.h"

/* A refused sender is told when to try again: with unsent bytes, WRITABLE follows their fall to the low mark. */
static inline int iocp_worker_refused(iocp_worker *worker, iocp_slot *slot, int result)
{
    IOCP_STATS_ADD(worker->stats, refused_sends, 1);
    if (slot->queue.unsent_bytes > 0)
        iocp_slot_set(slot, IOCP_SLOT_PRESSED);
    return result;
}

static inline int iocp_worker_refuse_over_cap(iocp_worker *worker, iocp_slot *slot, int result)
{
    IOCP_STATS_ADD(worker->stats, sends_over_cap, 1);
    return iocp_worker_refused(worker, slot, result);
}

static inline int iocp_worker_refuse_over_worker_cap(iocp_worker *worker, iocp_slot *slot)
{
    IOCP_STATS_ADD(worker->stats, sends_over_worker_cap, 1);
    return iocp_worker_refused(worker, slot, -ENOBUFS);
}

/* For want of send memory: of nodes, of chunks or of the heap. */
static inline int iocp_worker_refuse(iocp_worker *worker, iocp_slot *slot, int result)
{
    IOCP_STATS_ADD(worker->stats, sends_out_of_memory, 1);
    return iocp_worker_refused(worker, slot, result);
}

#endif
