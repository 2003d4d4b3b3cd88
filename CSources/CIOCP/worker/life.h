/* The life of a connection. */
#ifndef IOCP_WORKER_LIFE_H
#define IOCP_WORKER_LIFE_H

#include "worker.h"

/* Takes a slot for a handle; NULL when every slot is taken. */
iocp_slot *iocp_worker_slot_take(iocp_worker *worker, uint32_t handle, iocp_slot_state state);

/* The connection is established: it counts, and its deadlines begin. */
void iocp_worker_opened(iocp_worker *worker, iocp_slot *slot);

/* A connect has opened: hands out OPENED. */
void iocp_worker_connected(iocp_worker *worker, iocp_slot *slot);

/* Starts to close: gracefully, or at once when `abort`. The first reason stays. */
void iocp_worker_begin_close(iocp_worker *worker, iocp_slot *slot, iocp_close_reason reason, int32_t result,
                             bool abort);

/* Asks the driver to end an operation; its own event tells how it ended. */
void iocp_worker_cancel(iocp_worker *worker, const iocp_slot *slot, iocp_operation operation);

/* Cancels the send in flight, if there is one that was not cancelled. */
void iocp_worker_cancel_send(iocp_worker *worker, iocp_slot *slot);

/* The transport failed: no more can be sent or received. */
void iocp_worker_fail(iocp_worker *worker, iocp_slot *slot, int32_t result);

/* Nothing is outstanding any more: hands out the last completion, and frees the slot. */
void iocp_worker_slot_release(iocp_worker *worker, iocp_slot *slot);

/* Counts the end of a connection, by its reason. */
void iocp_worker_count_closed(iocp_worker *worker, const iocp_slot *slot);

#endif
