/* Sends of connections with a layer. */
#ifndef IOCP_WORKER_SEALING_H
#define IOCP_WORKER_SEALING_H

#include "worker.h"

/* What count_bytes of the application's become once sealed, at most; count_bytes without a layer. */
uint64_t iocp_worker_sealed_bytes(const iocp_worker *worker, const iocp_slot *slot, uint64_t count_bytes);

/* Whether there is memory for the sealed bytes, whatever the reserve says. */
bool iocp_worker_seals(const iocp_worker *worker, const iocp_slot *slot, uint64_t sealed_bytes);

/* Seals parts, for which there is room, and queues what comes of them. Returns 0, or -ENOTCONN: the layer broke, and the
 * connection is aborted. */
int iocp_worker_seal(iocp_worker *worker, iocp_slot *slot, const iocp_send_part *parts, uint32_t part_count);

/* The same for the open draft, which is the caller's to end. */
int iocp_worker_seal_draft(iocp_worker *worker, iocp_slot *slot);

#endif
