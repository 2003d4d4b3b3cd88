/* What a send counts for: bytes taken by the transport, for its connection, the worker and the stats page. */
#include "sent.h"

#include "windows.h"

void iocp_worker_count_queued(iocp_worker *worker, iocp_slot *slot, uint32_t count_bytes)
{
    worker->unsent_bytes += count_bytes;
    if (slot->flags & IOCP_SLOT_STALLED)
        worker->stalled_bytes += count_bytes;
    if (slot->queue.unsent_bytes == count_bytes)
        iocp_worker_begin_send_window(worker, slot);
    if (slot->queue.unsent_bytes >= iocp_worker_marks(worker, slot)->high_bytes)
        iocp_slot_set(slot, IOCP_SLOT_PRESSED);
    iocp_worker_touch(worker, slot);
}

/* Modulo 2^64: what was counted too early is taken back by its negative. */
static void count_taken(iocp_worker *worker, iocp_slot *slot, uint64_t count_bytes)
{
    slot->sent_bytes += count_bytes;
    worker->unsent_bytes -= count_bytes;
    IOCP_STATS_ADD(worker->stats, sent_bytes, count_bytes);
}

void iocp_worker_count_send(iocp_worker *worker, iocp_slot *slot, uint32_t taken_bytes)
{
    count_taken(worker, slot, taken_bytes);
    IOCP_STATS_ADD(worker->stats, sent_operations, 1);
    if (worker->counts_idle && taken_bytes > 0)
        slot->sent_ns = worker->now_ns;
}

void iocp_worker_count_silent(iocp_worker *worker, iocp_slot *slot)
{
    iocp_slot_set(slot, IOCP_SLOT_SEND_COUNTED);
    IOCP_STATS_ADD(worker->stats, silent_sends, 1);
    iocp_worker_count_send(worker, slot, slot->in_flight_bytes);
}

void iocp_worker_recount_silent(iocp_worker *worker, iocp_slot *slot, uint32_t taken_bytes)
{
    if (taken_bytes < slot->in_flight_bytes)
        count_taken(worker, slot, (uint64_t)taken_bytes - slot->in_flight_bytes);
}
