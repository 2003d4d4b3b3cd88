/* Finding the connection that a call names. */
#ifndef IOCP_WORKER_LOOKUP_H
#define IOCP_WORKER_LOOKUP_H

#include "worker.h"

/* Finds an open connection. Returns 0, or -errno that says why it cannot be asked. */
int iocp_worker_find_open(iocp_worker *worker, iocp_token connection, iocp_slot **slot);

#endif
