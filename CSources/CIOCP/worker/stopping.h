/* The end of a worker, with its port or alone. */
#ifndef IOCP_WORKER_STOPPING_H
#define IOCP_WORKER_STOPPING_H

#include "worker.h"

/* When the drain ends, of the port or of this worker, whichever comes first; 0: neither stops. */
uint64_t iocp_worker_drain_ends_ns(const iocp_worker *worker);

/* One step on the way to the end, where one is due. Called by a wait that has nothing else in hand. */
void iocp_worker_follow_stop(iocp_worker *worker);

/* Everything was handed out and closed. Sockets that were refused a slot are awaited, too. */
bool iocp_worker_has_stopped(const iocp_worker *worker);

#endif
