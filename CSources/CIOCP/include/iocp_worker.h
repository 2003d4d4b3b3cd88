/* One worker: waiting for completions, and what is asked of the worker as a whole. */
#ifndef IOCP_WORKER_H
#define IOCP_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "iocp_completion.h"
#include "iocp_port.h"

/* Smallest capacity iocp_worker_wait takes. */
enum { IOCP_WAIT_CAPACITY_MIN = 16 };

/* Flushes what was queued since the last wait, then waits for completions and copies up to `capacity`. What was queued
 * on more than 256 connections leaves in portions, the rest at the next wait where completions came meanwhile.
 * timeout_ns: 0 polls, UINT64_MAX waits without limit.
 * Returns how many were copied (1..capacity), -ETIME, also after iocp_port_interrupt, -ECANCELED once the port has stopped and everything
 * was delivered, -EINTR when a signal ended the wait, -EINVAL for a capacity under the minimum, -ESHUTDOWN once closed,
 * or -EPERM on another thread than the owner's. Any other -errno is the failure of the worker's driver (-EBADR: the kernel
 * lost a completion, -ENOMEM: it takes no submission): every connection was closed with it, and the worker has ended.
 * Thread: owner. Bytes named by a completion stay leased until iocp_lease_return or iocp_send_lease. */
int iocp_worker_wait(iocp_worker *worker, iocp_completion *completions, uint32_t capacity, uint64_t timeout_ns);

/* What took the most of a turn, the time between two waits: an iocp_completion_kind, or one of these. */
enum { IOCP_TURN_UNKNOWN = 0, IOCP_TURN_JOBS = 100, IOCP_TURN_OFFLOADS = 101 };

/* Finds out what took the most of a turn, for the counter longest_turn_in. */
typedef struct iocp_turn_watch {
    uint64_t last_ticks;
    uint64_t longest_ticks;
    uint32_t longest_in;
    uint32_t current;
} iocp_turn_watch;

/* The worker's watch, as long as the worker is open. Thread: owner. */
iocp_turn_watch *iocp_worker_turn_watch(iocp_worker *worker);

/* A counter of the processor's that goes at one rate, 7 ns to read; 0 where none is known. */
static inline uint64_t iocp_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return 0;
#endif
}

/* The application begins with something else: a completion of this kind, jobs, or results of offloaded work. Thread: owner. */
static inline void iocp_turn_watch_step(iocp_turn_watch *watch, uint32_t next)
{
    const uint64_t ticks = iocp_ticks();
    if (ticks - watch->last_ticks > watch->longest_ticks) {
        watch->longest_ticks = ticks - watch->last_ticks;
        watch->longest_in = watch->current;
    }
    watch->last_ticks = ticks;
    watch->current = next;
}

/* Begins to take one worker out of the port, as iocp_port_stop does for all: it accepts no more, delivers what was
 * posted, says STOPPING, closes its connections gracefully and aborts them drain_ns from now; posts to it are refused
 * once they are gone, and wait then returns -ECANCELED. The other workers go on, and later clients reach them. Clients
 * that wait in its backlog meanwhile are reset unless net.ipv4.tcp_migrate_req hands them on. Calling again only shortens
 * the drain; UINT64_MAX is no limit.
 * Returns 0, -ESHUTDOWN once closed, or -EPERM on another thread than the owner's. Thread: owner. */
int iocp_worker_leave(iocp_worker *worker, uint64_t drain_ns);

/* Whether the worker stops or leaves: a wait has seen it. Thread: owner; false on another. */
bool iocp_worker_is_stopping(const iocp_worker *worker);

/* Ends an attached worker: aborts what is left of its connections without completions, releases the driver, and gives
 * the thread its name and CPUs back. Leave first, and wait until -ECANCELED, for a graceful end.
 * Bytes still leased stay readable: their buffers, and the port, go with the last lease. The handle stays valid as long
 * as the port does, and every call on it then answers -ESHUTDOWN, -ENOTCONN or zero.
 * Thread: owner; traps on another. Workers started by iocp_port_spawn are closed by the port. */
void iocp_worker_close(iocp_worker *worker);

/* Why a call on the worker as a whole would be refused: 0 if it would not, -EPERM on another thread than the owner's,
 * -ESHUTDOWN once closed. Thread: any. */
int iocp_worker_refusal(const iocp_worker *worker);

uint32_t iocp_worker_index(const iocp_worker *worker);
uint32_t iocp_worker_cpu(const iocp_worker *worker);  /* UINT32_MAX when not pinned */
uint32_t iocp_worker_node(const iocp_worker *worker);
iocp_port *iocp_worker_port(const iocp_worker *worker);
const char *iocp_worker_driver_name(const iocp_worker *worker);

/* Slots a worker has; iocp_token_slot is below it. */
uint32_t iocp_worker_slot_count(const iocp_worker *worker);

/* The monotonic clock as read by the latest wait, in ns. Thread: owner. */
uint64_t iocp_worker_now_ns(const iocp_worker *worker);

/* Names a timer until its TIMER completion; 0 is never one. */
typedef uint64_t iocp_timer;

/* Starts a timer: ends in one TIMER completion carrying `key` after delay_ns, however long: never early, and at most
 * half a millisecond later than the driver's sleep ends (which epoll rounds up to whole ms).
 * `connection` may be 0. A timer of a connection that has closed ends with result -ECANCELED and connection 0.
 * -ENOBUFS: timers_per_worker are armed already; -EXDEV: the connection is another worker's. Thread: owner. O(1). */
int iocp_timer_start(iocp_worker *worker, iocp_token connection, uint64_t delay_ns, uint64_t key, iocp_timer *timer);

/* The same, but the completion carries the timer's own name as its key, and IOCP_TIMER_NAMED as its detail. So a layer
 * above finds what belongs to the timer, whatever keys the application uses. */
int iocp_timer_start_named(iocp_worker *worker, iocp_token connection, uint64_t delay_ns, iocp_timer *timer);

/* Ends a timer early: its TIMER completion follows at once with result -ECANCELED. -ENOENT when it fired already. */
int iocp_timer_cancel(iocp_worker *worker, iocp_timer timer);

/* Ends a timer early and without a completion. -ENOENT when it fired already: then its completion was handed out, or is
 * on its way. Thread: owner. O(1). */
int iocp_timer_discard(iocp_worker *worker, iocp_timer timer);

/* Counts jobs of a layer above that ran on the worker's thread, and those that wait now (the fields jobs and
 * waiting_jobs). Thread: owner; does nothing on another. */
void iocp_worker_count_jobs(iocp_worker *worker, uint32_t ran, uint32_t waiting);

/* Receive leases that are not given back yet. Thread: owner; 0 on another. */
uint32_t iocp_worker_leases(const iocp_worker *worker);

/* The monotonic clock as of now, in ns: what deadlines are measured by. Thread: any. */
uint64_t iocp_monotonic_ns(void);

/* The same as the worker's deadlines know it: a simulated kernel's clock, where the worker stands on one and its own thread
 * asks. Thread: any. */
uint64_t iocp_worker_time_ns(const iocp_worker *worker);

/* Counts an error that a handler threw (the field handler_errors). Thread: owner; does nothing on another. */
void iocp_worker_count_handler_error(iocp_worker *worker);

/* Gives back one receive lease (the `detail` of a RECEIVED completion). Traps when it was given back before.
 * Thread: owner, or any once the worker is closed. */
void iocp_lease_return(iocp_worker *worker, uint16_t lease);

/* What a worker holds now, for tests and leak checks; all zero when nothing is open. Thread: owner,
 * or any once the worker is closed. */
typedef struct iocp_worker_holdings {
    uint32_t connections;   /* slots in use */
    uint32_t leases;        /* receive leases not yet returned */
    uint32_t send_nodes;    /* queued sends */
    uint32_t send_chunks;   /* chunks with unsent bytes in them */
    uint32_t deadlines;     /* armed deadlines and timers */
    uint32_t driver_handles; /* sockets the driver holds, listeners not counted */
} iocp_worker_holdings;

iocp_worker_holdings iocp_worker_hold(const iocp_worker *worker);

/* Pages of the worker's arenas that are resident, and how many of them lie on the worker's node
 * (move_pages(2)). Returns 0 or -errno (-ENOSYS without NUMA support, -ESHUTDOWN once closed). Thread: owner. */
int iocp_worker_pages(const iocp_worker *worker, uint64_t *resident, uint64_t *on_node);

/* Marks the calling thread as one that serves connections, from begin to end; may be nested. The threads of
 * iocp_port_spawn are. One that serves does not wait for others that do: see iocp_port_join. Thread: any. */
void iocp_thread_serve_begin(void);
void iocp_thread_serve_end(void);
bool iocp_thread_serves(void);

#endif
