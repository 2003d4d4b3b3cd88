/* The flush: what a wait does before it enters the kernel. */
#ifndef IOCP_WORKER_FLUSH_H
#define IOCP_WORKER_FLUSH_H

#include "worker.h"

/* Provides free buffers, re-arms starved receives, and services listed slots, a portion of them. */
void iocp_worker_flush(iocp_worker *worker);

#endif
