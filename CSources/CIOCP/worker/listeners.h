/* Accepting: the port's listening sockets, and one worker's view of them. */
#ifndef IOCP_WORKER_LISTENERS_H
#define IOCP_WORKER_LISTENERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../base/limits.h"
#include "../include/iocp_port.h"

/* One address, one SO_REUSEPORT socket per worker: -1 for a worker that accepts no more. */
typedef struct iocp_listener {
    iocp_address address;
    _Atomic int *sockets;
} iocp_listener;

/* Appended to by the port, read by workers: entries below `count` change only in what iocp_listener_set_leave does. */
typedef struct iocp_listener_set {
    iocp_listener listeners[IOCP_LISTENERS_MAX];
    _Atomic uint32_t count;
    _Atomic bool left[IOCP_WORKERS_MAX];
} iocp_listener_set;

/* Opens sockets for `address` on every worker that has not left and appends them. Returns 0 or -errno; -ESHUTDOWN when
 * all have left. Thread: any, one at a time. */
int iocp_listener_set_add(iocp_listener_set *set, uint32_t worker_count, const iocp_address *address,
                          uint32_t backlog, iocp_address *bound);
void iocp_listener_set_close(iocp_listener_set *set, uint32_t worker_count);

/* Takes a worker out of every group: later clients reach the other workers or, without any, are refused at once. What
 * waits in its backlog is reset, or moved to the others where net.ipv4.tcp_migrate_req is set. Thread: the worker's,
 * with no accept outstanding. */
void iocp_listener_set_leave(iocp_listener_set *set, uint32_t worker);

typedef struct iocp_accept_state {
    bool armed;
    bool many;        /* armed as multishot */
    bool cancelled;
    bool backing_off; /* a deadline re-arms it */
    bool full;        /* told already that every slot is taken */
} iocp_accept_state;

typedef struct iocp_worker_listeners {
    iocp_accept_state states[IOCP_LISTENERS_MAX];
    uint32_t armed_count;
    uint64_t tokens;       /* accepts allowed now, in units of 1/1e9 */
    uint64_t refilled_ns;
} iocp_worker_listeners;

struct iocp_worker;

/* Arms what may accept, cancels what may not. Called at each flush. */
void iocp_worker_service_listeners(struct iocp_worker *worker);

/* One accept event. */
void iocp_worker_accepted(struct iocp_worker *worker, uint64_t token, int32_t result, bool more);

/* The back-off of a listener ended. */
void iocp_worker_accept_again(struct iocp_worker *worker, uint32_t listener);

#endif
