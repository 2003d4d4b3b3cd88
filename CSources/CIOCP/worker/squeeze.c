/* Connections behind full sockets: what they may hold of the worker's send memory, and which of them ends when that is
 * not enough.
 *
 * A connection stalls when a send of its takes less than it was offered. What is left stays in memory until the peer
 * reads, and some peers never read. So stalled connections together may hold all but the reserve: of the chunks, those
 * that others wrote into included while a stalled piece keeps them from being filled anew; and of the worker's cap. A
 * connection that stalls beyond that makes the one that has waited longest without progress end (SEND_OVERFLOW): a peer
 * that is slow for a moment is not to pay for one that never reads. What such a victim holds comes back once its send was
 * cancelled, so the newcomer lies in half of the reserve meanwhile. Beyond that half it ends itself, and what it holds is
 * free at once. */
#include "squeeze.h"

#include "life.h"
#include "stalled.h"

/* Ends a connection for the memory it holds, which is free at once where no send can still read it. */
static void end(iocp_worker *worker, iocp_slot *slot)
{
    IOCP_STATS_ADD(worker->stats, refused_sends, 1);
    IOCP_STATS_ADD(worker->stats, sends_squeezed_out, 1);
    iocp_worker_begin_close(worker, slot, IOCP_CLOSE_SEND_OVERFLOW, 0, true);
    if (!iocp_slot_is_sending(slot))
        worker->unsent_bytes -= iocp_send_queue_drop_bytes(&worker->pool, &slot->queue);
}

void iocp_worker_stall(iocp_worker *worker, iocp_slot *slot, bool newly)
{
    const bool keeps_buffers = !iocp_send_queue_settle(&worker->pool, &slot->queue);
    iocp_worker_note_stalled(worker, slot);
    /* Received bytes that cannot leave their buffer keep it from everybody until the peer reads. */
    if (keeps_buffers && iocp_receive_buffers_scarce(&worker->buffers)) {
        end(worker, slot);
        return;
    }
    /* One that stalled before has not more of the reserve than it had. */
    if (newly && iocp_worker_stalled_leave_less_than(worker, 2))
        end(worker, iocp_worker_stalled_leave_less_than(worker, 1) ? slot : &worker->table.slots[worker->stalled.head]);
}
