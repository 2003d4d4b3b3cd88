/* Who may use the reserve of send memory: a part of the chunks, the nodes and the worker's cap that peers who do not read
 * cannot take from those who do. */
#ifndef IOCP_WORKER_RESERVE_H
#define IOCP_WORKER_RESERVE_H

#include "worker.h"

/* Whether a send is one of a connection that keeps up, and so may use it. */
static inline bool iocp_worker_keeps_up(const iocp_slot *slot, uint64_t count_bytes)
{
    return !(slot->flags & IOCP_SLOT_STALLED) && slot->queue.unsent_bytes + count_bytes <= IOCP_SEND_CHUNK_BYTES;
}

static inline bool iocp_worker_may_take_node(const iocp_worker *worker, const iocp_slot *slot, uint64_t count_bytes)
{
    return iocp_send_pool_spares_node(&worker->pool) ||
           (iocp_worker_keeps_up(slot, count_bytes) && iocp_send_queue_is_short(&worker->pool, &slot->queue));
}

/* Of a send of count_bytes, whether more_bytes of it may be copied now. */
static inline bool iocp_worker_may_take_chunks(const iocp_worker *worker, const iocp_slot *slot, uint64_t count_bytes,
                                               uint32_t more_bytes)
{
    return iocp_worker_keeps_up(slot, count_bytes) || iocp_send_pool_spares_chunks(&worker->pool, more_bytes);
}

#endif
