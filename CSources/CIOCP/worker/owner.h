/* Which thread owns a worker, and which threads serve connections.
 *
 * A worker belongs to the thread that opened it. The compiler cannot keep it there: a Swift value that is not Sendable
 * may still move to another thread as a whole. So every call of the owner's compares one thread-local word. Threads are
 * numbered in the order in which they first open a worker, and no number is used twice: a thread's address is, by the
 * next thread, which must not pass for the owner. */
#ifndef IOCP_WORKER_OWNER_H
#define IOCP_WORKER_OWNER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define IOCP_OWNER_NONE UINT64_C(0)         /* the worker is not open */
#define IOCP_THREAD_UNNUMBERED UINT64_MAX   /* the thread never opened a worker: it owns none */

/* initial-exec: one load, in a shared library, too. */
extern _Thread_local uint64_t iocp_thread_number __attribute__((tls_model("initial-exec")));

/* The calling thread's number; numbers it at the first call. */
uint64_t iocp_thread_number_take(void);

#endif
