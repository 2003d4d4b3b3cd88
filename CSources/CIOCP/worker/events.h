/* Driver events. */
#ifndef IOCP_WORKER_EVENTS_H
#define IOCP_WORKER_EVENTS_H

#include "worker.h"

/* One event: sets the state of its slot, lists the slot, and hands out what the application is to know. */
void iocp_worker_handle(iocp_worker *worker, const iocp_event *event);

#endif
