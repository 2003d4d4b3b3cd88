/* The end of a worker whose driver failed. */
#ifndef IOCP_WORKER_FAILURE_H
#define IOCP_WORKER_FAILURE_H

#include "worker.h"

/* The driver's wait failed with `result`: ends every connection with it, and the worker. */
void iocp_worker_break(iocp_worker *worker, int32_t result);

/* Ends a connection that has no operation with a driver any more, nor a socket there: hands out its last completion, with the error
 * unless there is a reason already. */
void iocp_worker_end_connection(iocp_worker *worker, iocp_slot *slot, int32_t result);

/* Ends connections that were told LEAVING before the failure, once the application has answered that: it has them again first. */
void iocp_worker_end_departures(iocp_worker *worker);

#endif
