/* The list of connections behind full sockets, and what they hold of the worker's send memory. */
#include "stalled.h"

/* Counted exactly: chunks that others wrote into, too, while a stalled piece keeps them from being filled anew. */
bool iocp_worker_stalled_leave_less_than(const iocp_worker *worker, uint32_t halves)
{
    const uint64_t cap_bytes = worker->setup.config->worker_unsent_bytes;
    const uint32_t kept_chunks = (iocp_send_pool_reserve_chunks(&worker->pool) * halves + 1) / 2;
    const uint64_t kept_bytes = (cap_bytes / IOCP_SEND_RESERVE_SHARE * halves + 1) / 2;
    return worker->chunks.stalled_count + kept_chunks > worker->chunks.chunk_count ||
           worker->stalled_bytes + kept_bytes > cap_bytes;
}

void iocp_worker_note_stalled(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->flags & IOCP_SLOT_STALLED)
        return;
    iocp_slot_set(slot, IOCP_SLOT_STALLED);
    if (!worker->counts_idle)
        slot->sent_ns = worker->now_ns; /* otherwise every send that takes bytes says so */
    worker->stalled_bytes += slot->queue.unsent_bytes;
    iocp_slot_list_append(&worker->stalled, iocp_slot_index(&worker->table, slot));
}

void iocp_worker_unstall(iocp_worker *worker, iocp_slot *slot)
{
    if (!(slot->flags & IOCP_SLOT_STALLED))
        return;
    iocp_slot_clear(slot, IOCP_SLOT_STALLED);
    worker->stalled_bytes -= slot->queue.unsent_bytes;
    iocp_slot_list_remove(&worker->stalled, iocp_slot_index(&worker->table, slot));
}
