/* The queue of work that no thread has begun with. The pool's lock is held. */
#ifndef IOCP_OFFLOAD_QUEUE_H
#define IOCP_OFFLOAD_QUEUE_H

#include "pool.h"

static inline void iocp_offload_queue_append(iocp_offload_pool *pool, iocp_offload *work)
{
    iocp_offload_set_state(work, IOCP_OFFLOAD_QUEUED);
    work->next = NULL;
    work->previous = pool->last;
    if (pool->last == NULL)
        pool->first = work;
    else
        pool->last->next = work;
    pool->last = work;
    pool->queued_count++;
}

/* From wherever it stands: work may be cancelled. */
static inline void iocp_offload_queue_remove(iocp_offload_pool *pool, iocp_offload *work)
{
    if (work->previous == NULL)
        pool->first = work->next;
    else
        work->previous->next = work->next;
    if (work->next == NULL)
        pool->last = work->previous;
    else
        work->next->previous = work->previous;
    work->next = work->previous = NULL;
    pool->queued_count--;
}

#endif
