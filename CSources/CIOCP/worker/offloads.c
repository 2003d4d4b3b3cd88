/* What a worker hands to its port's pool, and what comes back of it. */
#include <errno.h>

#include "life.h"
#include "lookup.h"

static void tell_depth(iocp_worker *worker)
{
    IOCP_STATS_SET(worker->stats, offload_depth, worker->offloads.depth);
}

int iocp_worker_offload(iocp_worker *worker, iocp_offload *work)
{
    const int refusal = iocp_worker_refusal(worker);
    if (refusal < 0)
        return refusal;
    if (worker->finished || worker->offloads.cancels || worker->setup.offload == NULL)
        return -ESHUTDOWN;
    const int result = iocp_offload_pool_put(worker->setup.offload, &worker->offloads, work);
    if (result < 0) {
        IOCP_STATS_ADD(worker->stats, refused_offloads, 1);
        return result;
    }
    IOCP_STATS_ADD(worker->stats, offloads, 1);
    tell_depth(worker);
    return 0;
}

iocp_offload *iocp_worker_take_offloaded(iocp_worker *worker)
{
    iocp_offload *work = iocp_worker_is_mine(worker) ? iocp_offload_inbox_take(&worker->offloads) : NULL;
    if (work != NULL) {
        worker->offloads.depth--;
        tell_depth(worker);
    }
    return work;
}

bool iocp_worker_has_offloaded(const iocp_worker *worker)
{
    return iocp_offload_inbox_has(&worker->offloads);
}

int iocp_worker_cancel_offload(iocp_worker *worker, iocp_offload *work)
{
    const int refusal = iocp_worker_refusal(worker);
    return refusal < 0 ? refusal : iocp_offload_pool_cancel(worker->setup.offload, work);
}

void iocp_worker_count_dropped_offload(iocp_worker *worker)
{
    if (iocp_worker_is_mine(worker))
        IOCP_STATS_ADD(worker->stats, dropped_offloads, 1);
}

int iocp_connection_await(iocp_worker *worker, iocp_token connection, bool awaits)
{
    iocp_slot *slot;
    const int result = iocp_worker_find_open(worker, connection, &slot);
    if (result < 0)
        return result;
    slot->awaits_work = awaits;
    if (awaits)
        return 0;
    if (worker->stop == IOCP_STOP_CLOSING && !(slot->flags & IOCP_SLOT_STAYS))
        iocp_worker_begin_close(worker, slot, IOCP_CLOSE_STOPPED, 0, false);
    iocp_worker_touch(worker, slot); /* the peer's FIN may have come meanwhile */
    return 0;
}
