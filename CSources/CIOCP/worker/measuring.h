/* What a worker measures of its own turns. A turn is what lies between two waits: the application's time. */
#ifndef IOCP_WORKER_MEASURING_H
#define IOCP_WORKER_MEASURING_H

#include "worker.h"

/* Sets what stays as it is while the worker is open. */
void iocp_worker_measure_memory(iocp_worker *worker);

/* The application calls a wait: its turn has ended. Returns the time. */
uint64_t iocp_worker_measure_turn(iocp_worker *worker);

/* A wait in the kernel has ended, with so many events. */
void iocp_worker_measure_wait(iocp_worker *worker, uint32_t event_count);

/* A wait ends, and hands so many completions to the application, whose turn begins. */
void iocp_worker_measure_delivery(iocp_worker *worker, uint32_t completion_count);

#endif
