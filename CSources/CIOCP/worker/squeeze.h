/* What connections behind full sockets may hold, and which of them ends when that is not enough. */
#ifndef IOCP_WORKER_SQUEEZE_H
#define IOCP_WORKER_SQUEEZE_H

#include "worker.h"

/* A send of a connection was short: what is left makes room for others, or a connection ends. `newly`: the send before
 * it was not. */
void iocp_worker_stall(iocp_worker *worker, iocp_slot *slot, bool newly);

#endif
