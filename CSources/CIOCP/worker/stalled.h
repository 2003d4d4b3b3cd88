/* Connections behind full sockets. */
#ifndef IOCP_WORKER_STALLED_H
#define IOCP_WORKER_STALLED_H

#include "worker.h"

/* A send of the connection was short: it stands last in the list, unless it stands there already. */
void iocp_worker_note_stalled(iocp_worker *worker, iocp_slot *slot);

/* The connection is behind a full socket no longer, or will send no more. May be called at any time. */
void iocp_worker_unstall(iocp_worker *worker, iocp_slot *slot);

/* Whether stalled connections leave others less than `halves` halves of the reserve: of the chunks, or of the cap. */
bool iocp_worker_stalled_leave_less_than(const iocp_worker *worker, uint32_t halves);

#endif
