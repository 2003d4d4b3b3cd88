/* What a slot needs now. */
#ifndef IOCP_WORKER_SERVICE_H
#define IOCP_WORKER_SERVICE_H

#include "worker.h"

/* Submits what the state of a slot calls for. */
void iocp_worker_service(iocp_worker *worker, iocp_slot *slot);

/* The same for its receive alone, of a slot that may still receive. */
void iocp_worker_service_receive(iocp_worker *worker, iocp_slot *slot);

#endif
