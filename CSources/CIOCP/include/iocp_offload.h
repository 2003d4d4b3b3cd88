/* Work that may block, done on threads beside the workers: a port's pool. What was done comes back to the worker that asked. */
#ifndef IOCP_OFFLOAD_H
#define IOCP_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "iocp_completion.h"
#include "iocp_port.h"

/* How far work is. Append only. */
typedef enum iocp_offload_state : uint8_t {
    IOCP_OFFLOAD_NONE = 0,      /* not handed over yet */
    IOCP_OFFLOAD_QUEUED = 1,    /* no thread has begun with it */
    IOCP_OFFLOAD_RUNNING = 2,
    IOCP_OFFLOAD_DONE = 3,      /* it was run */
    IOCP_OFFLOAD_CANCELLED = 4, /* it never will be */
} iocp_offload_state;

struct iocp_offload_inbox;

/* One piece of work. Its memory is its maker's, who fills run, drop and context, and leaves the rest 0. The core has it from
 * iocp_worker_offload until iocp_worker_take_offloaded returns it, or drop is called: one of the two, once. */
typedef struct iocp_offload {
    void (*run)(struct iocp_offload *work);  /* does it, and may wait. Thread: one of the pool's */
    void (*drop)(struct iocp_offload *work); /* nobody takes it: its worker has closed. Thread: the worker's, or the pool's */
    void *context;                           /* the maker's */
    iocp_link link;                          /* the core's, and all below */
    struct iocp_offload *next;
    struct iocp_offload *previous;
    struct iocp_offload_inbox *inbox;
    iocp_offload_state state; /* may be read once the work was taken */
} iocp_offload;

/* Hands work to the pool of the worker's port. The thread that was idle for the shortest time runs it; if none is idle, a new
 * one, while there are fewer than offload_threads; else it waits in the queue, first come, first served.
 * Returns 0, -ENOBUFS when offload_queue_entries wait already, -EAGAIN when there is no thread and the system starts none,
 * -ESHUTDOWN once the worker has ended, or stops and cancels its work, -EPERM on another thread than the owner's. Work that is
 * refused stays the caller's. Thread: owner. O(1). */
int iocp_worker_offload(iocp_worker *worker, iocp_offload *work);

/* Work that came back, in the order in which it ended; NULL: none now. What comes back ends the worker's wait, as
 * iocp_port_interrupt does. Thread: owner. O(1), amortised. */
iocp_offload *iocp_worker_take_offloaded(iocp_worker *worker);

/* Whether some has come back that was not taken. Thread: owner. */
bool iocp_worker_has_offloaded(const iocp_worker *worker);

/* Cancels work that no thread has begun with: it comes back, CANCELLED. Returns 0, or -EALREADY for work that has begun, or
 * ended. Only for work that the worker's owner has not taken back. Thread: owner. O(1). */
int iocp_worker_cancel_offload(iocp_worker *worker, iocp_offload *work);

/* Says of work that was taken that nobody wants what came of it (the field dropped_offloads). Thread: owner; does nothing on
 * another. */
void iocp_worker_count_dropped_offload(iocp_worker *worker);

/* A turn begins in which the application is given results, where the wait before brought no completions: it is measured as
 * others are. Thread: owner. */
void iocp_worker_begin_turn(iocp_worker *worker);

/* Whether something that a connection waits for is being done elsewhere (false at first). Until that is told not to be so any
 * more, its peer's FIN does not close it, so that it may still answer; nor does a stop of the port, until the drain is over.
 * -ENOTCONN when closed or closing. Thread: owner. */
int iocp_connection_await(iocp_worker *worker, iocp_token connection, bool awaits);

/* Threads of the pool now. Thread: any. */
uint32_t iocp_port_offload_threads(iocp_port *port);

/* Waits, once every worker has closed, until the threads of the pool that run nothing have ended. One that still runs work
 * ends with it, whenever that is; what it needs of the port lasts as long. Returns 0, or -EDEADLK on a thread that serves
 * connections. Thread: any. */
int iocp_port_join_offload(iocp_port *port);

#endif
