/* What a send counts for. */
#ifndef IOCP_WORKER_SENT_H
#define IOCP_WORKER_SENT_H

#include "worker.h"

/* Bytes were queued: they are unsent. */
void iocp_worker_count_queued(iocp_worker *worker, iocp_slot *slot, uint32_t count_bytes);

/* A send ended, of which the transport took taken_bytes. */
void iocp_worker_count_send(iocp_worker *worker, iocp_slot *slot, uint32_t taken_bytes);

/* Counts the send in flight, a silent one, as having taken all it was offered: its event may come after a sleep, and
 * the stats page is read meanwhile. What it did not take is taken back then. */
void iocp_worker_count_silent(iocp_worker *worker, iocp_slot *slot);

/* Takes back what a silent send counted and did not take. */
void iocp_worker_recount_silent(iocp_worker *worker, iocp_slot *slot, uint32_t taken_bytes);

#endif
