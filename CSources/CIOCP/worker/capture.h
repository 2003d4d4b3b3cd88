/* What connections say, written down for a reader of another thread: see include/iocp_admin.h. A worker without a capture pays a
 * look at one pointer for each message. */
#ifndef IOCP_WORKER_CAPTURE_H
#define IOCP_WORKER_CAPTURE_H

#include "../include/iocp_admin.h"
#include "worker.h"

/* The job that begins a capture; it has a reference of its own. */
iocp_job *iocp_capture_begin(iocp_capture *capture);

/* The post was refused. */
void iocp_capture_cancel(iocp_capture *capture);

/* The worker forgets its capture, if it has one. */
void iocp_worker_end_capture(iocp_worker *worker);

/* Whether a connection is captured: its socket may be asked. If it is, what is written of it asks no more. */
bool iocp_worker_judge(iocp_worker *worker, const iocp_slot *slot);

void iocp_worker_write_received(iocp_worker *worker, const iocp_slot *slot, const uint8_t *bytes, uint32_t count_bytes);
void iocp_worker_write_sent(iocp_worker *worker, const iocp_slot *slot, const uint8_t *bytes, uint32_t count_bytes);
/* What was drafted, which is about to be sent. */
void iocp_worker_write_draft(iocp_worker *worker, const iocp_slot *slot);
void iocp_worker_write_closed(iocp_worker *worker, const iocp_slot *slot);

static inline bool iocp_worker_captures(const iocp_worker *worker)
{
    return __builtin_expect(worker->capture != NULL, 0);
}

/* A send that was taken, or was not, on its way to its caller: returns `result`. */
static inline int iocp_worker_captured(iocp_worker *worker, const iocp_slot *slot, int result, const uint8_t *bytes,
                                       uint32_t count_bytes)
{
    if (result == 0 && iocp_worker_captures(worker))
        iocp_worker_write_sent(worker, slot, bytes, count_bytes);
    return result;
}

#endif
