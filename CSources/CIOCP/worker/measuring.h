/* What a worker measures of its own turns. A turn is what lies between two waits: the application's time. */
#ifndef IOCP_WORKER_MEASURING_H
#define IOCP_WORKER_MEASURING_H

#include "worker.h"

/* Sets what stays as it is while the worker is open. */
void iocp_worker_measure_opening(iocp_worker *worker);

/* The application calls a wait: its turn has ended. Returns the time. */
uint64_t iocp_worker_measure_turn(iocp_worker *worker);

/* The library goes into the kernel: what it did since the wait was called, or since the latest return, was its own. */
void iocp_worker_measure_library(iocp_worker *worker);

/* Looks at the backlogs of the worker's listeners, if that is due: every 100 ms at most. Before the kernel is asked for
 * clients, so what came while the application held the thread is seen. */
void iocp_worker_measure_backlogs(iocp_worker *worker);

/* How long a sleep may be so that they are looked at: without limit, unless clients may wait whom no accept awaits. */
uint64_t iocp_worker_measure_backlogs_in_ns(const iocp_worker *worker);

/* A wait in the kernel has ended, with so many events. */
void iocp_worker_measure_wait(iocp_worker *worker, uint32_t event_count);

/* A wait ends, and hands so many completions to the application, whose turn begins. */
void iocp_worker_measure_delivery(iocp_worker *worker, uint32_t completion_count);

#endif
