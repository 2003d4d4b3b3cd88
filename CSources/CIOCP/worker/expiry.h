/* A deadline is due. */
#ifndef IOCP_WORKER_EXPIRY_H
#define IOCP_WORKER_EXPIRY_H

#include "worker.h"

/* A slot's deadline is due. Called after the events of a wait: what came in time, but waited for a handler that took
 * long, is no silence. */
void iocp_worker_deadline(iocp_worker *worker, iocp_slot *slot);

#endif
