/* When a connection's deadline is due. */
#ifndef IOCP_WORKER_WINDOWS_H
#define IOCP_WORKER_WINDOWS_H

#include "worker.h"

/* Arms the slot's deadline: for a time of the monotonic clock, or for a delayed send if that is earlier. */
void iocp_worker_arm(iocp_worker *worker, const iocp_slot *slot, uint64_t due_ns);

/* When a layer that is not open yet is due to be; UINT64_MAX where none is waited for. */
uint64_t iocp_worker_layer_due_ns(const iocp_worker *worker, const iocp_slot *slot);

/* When the first deadline of an open connection is due; UINT64_MAX where none is configured. */
uint64_t iocp_worker_due_ns(const iocp_worker *worker, const iocp_slot *slot);

/* When a connection that closes is looked at next. */
uint64_t iocp_worker_linger_due_ns(const iocp_worker *worker, const iocp_slot *slot);

/* Limits how long a connect may stay unanswered. */
void iocp_worker_arm_connect(iocp_worker *worker, iocp_slot *slot, uint64_t timeout_ns);

/* Begins the windows of a connection that opened, where timeouts are configured. */
void iocp_worker_arm_deadline(iocp_worker *worker, iocp_slot *slot);

/* The same for one that is open already. */
void iocp_worker_begin_windows(iocp_worker *worker, iocp_slot *slot);

/* Bytes were queued where none were: the send window begins. */
void iocp_worker_begin_send_window(iocp_worker *worker, iocp_slot *slot);

/* Receiving goes on after it was held back: the time before is not the peer's. */
void iocp_worker_begin_receive_window(iocp_worker *worker, iocp_slot *slot);

/* The next send waits for a while. */
void iocp_worker_delay_send(iocp_worker *worker, iocp_slot *slot);

/* Waits for a peer that neither reads nor finishes while its connection closes. */
void iocp_worker_arm_linger(iocp_worker *worker, iocp_slot *slot);

#endif
