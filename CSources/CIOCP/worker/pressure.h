/* What a connection's unsent bytes cause. */
#ifndef IOCP_WORKER_PRESSURE_H
#define IOCP_WORKER_PRESSURE_H

#include "worker.h"

/* Bytes were sent: hands out WRITABLE at the low mark, and UNSENT_FELL below the number of bytes that was asked for. */
void iocp_worker_relieve(iocp_worker *worker, iocp_slot *slot);

/* The same, for what the application asked for or changed since the slot was serviced. */
void iocp_worker_relieve_asked(iocp_worker *worker, iocp_slot *slot);

#endif
