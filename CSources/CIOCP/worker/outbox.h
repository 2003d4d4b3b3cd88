/* What is owed to the application.
 *
 * A completion goes to the array of the wait at hand, or to the spill, which is handed out first at the next wait. The
 * spill has room for everything that a worker can owe, so nothing here fails. */
#ifndef IOCP_WORKER_OUTBOX_H
#define IOCP_WORKER_OUTBOX_H

#include "worker.h"

void iocp_worker_emit(iocp_worker *worker, iocp_completion completion);

/* What was spilled, as far as it fits into the wait's array. */
void iocp_worker_hand_out_spilled(iocp_worker *worker);

/* Hands out a completion that tells no more than its kind. */
void iocp_worker_emit_of(iocp_worker *worker, const iocp_slot *slot, iocp_completion_kind kind);

/* Hands out LEAVING or ARRIVED, with the other worker's index. */
void iocp_worker_emit_move(iocp_worker *worker, const iocp_slot *slot, iocp_completion_kind kind, uint32_t other,
                           const void *state);

/* Hands out OPENED, once. */
void iocp_worker_announce(iocp_worker *worker, iocp_slot *slot);

/* Hands out received bytes, and leases their buffer. */
void iocp_worker_emit_received(iocp_worker *worker, iocp_slot *slot, const iocp_event *event);

/* Hands out bytes that a layer opened: within a receive buffer, which is leased, or a block of their own. */
void iocp_worker_emit_opened(iocp_worker *worker, iocp_slot *slot, uint16_t buffer, const iocp_layer_opened *opened);

/* CLOSED, if OPENED was handed out; or CONNECT_FAILED, if the connection never opened. */
void iocp_worker_emit_last(iocp_worker *worker, const iocp_slot *slot);

/* Removes sent marks from the head of a queue and reports them with `result`. */
void iocp_worker_take_marks(iocp_worker *worker, iocp_slot *slot, int32_t result);

/* Ends a notification of few unsent bytes that is outstanding, if one is. */
void iocp_worker_end_notice(iocp_worker *worker, iocp_slot *slot, int32_t result);

/* Gives back what is queued, and ends what awaits it: the marks in it, and a notification of few unsent bytes. */
void iocp_worker_drop_queue(iocp_worker *worker, iocp_slot *slot);

#endif
