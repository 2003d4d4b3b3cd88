/* The port's listening sockets: for each address one of every open worker, which join and leave while others serve.
 *
 *   listener_members.c   workers join and leave
 *   listener_set.c       endpoints come and end
 *   listener_sockets.c   the sockets of one endpoint */
#ifndef IOCP_WORKER_LISTENER_SET_H
#define IOCP_WORKER_LISTENER_SET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../base/limits.h"
#include "listener_sockets.h"

/* A worker goes through these in order. */
typedef enum iocp_membership : uint8_t {
    IOCP_MEMBER_NOT_YET = 0, /* not open: it has no sockets, as nobody would accept from them */
    IOCP_MEMBER_JOINED = 1,
    IOCP_MEMBER_LEFT = 2,    /* accepts no more, and never will */
} iocp_membership;

/* Workers read the entries below `count` without the lock; everything else is done under it. */
struct iocp_listener_set {
    pthread_mutex_t lock; /* never taken on the message path */
    const iocp_listening_operations *operations;
    uint32_t worker_count;
    uint32_t backlog;
    uint32_t *cpus; /* of the workers, where each is to have the clients of its CPU; NULL: the kernel's hash decides */
    iocp_listener_id last_id;
    iocp_listener listeners[IOCP_LISTENERS_MAX];
    _Atomic uint32_t count;
    _Atomic bool stopped;
    _Atomic iocp_membership members[IOCP_WORKERS_MAX];
};

/* Whether any worker is where it says. */
static inline bool iocp_listener_set_has(const iocp_listener_set *set, iocp_membership membership)
{
    for (uint32_t i = 0; i < set->worker_count; i++)
        if (atomic_load_explicit(&set->members[i], memory_order_relaxed) == membership)
            return true;
    return false;
}

/* --- listener_set.c ------------------------------------------------------------------------------------------ */

void iocp_listener_set_open(iocp_listener_set *set, const iocp_listening_operations *operations, uint32_t worker_count,
                            uint32_t backlog);
void iocp_listener_set_close(iocp_listener_set *set);

/* What one call listens on. */
typedef struct iocp_wish {
    const iocp_endpoint *endpoints;
    uint32_t count;
    iocp_listen_options options;
    int inherited; /* a descriptor that was bound already, taken as the one endpoint; -1: none */
} iocp_wish;

/* Listens on each endpoint, or on none, with a socket of every worker that joined, and keeps the endpoints for those still
 * to come; until the first one joins, clients are refused. Port 0 is one free port for all. At most IOCP_ADDRESSES_MAX.
 * `bound` receives what is in force, `id` the name. Returns 0 or -errno; -ESHUTDOWN when all have left. Thread: any. */
int iocp_listener_set_add(iocp_listener_set *set, const iocp_wish *wanted, iocp_endpoint *bound, iocp_listener_id *id);

/* As iocp_port_listening. Thread: any. */
int iocp_listener_set_endpoint(iocp_listener_set *set, uint32_t place, iocp_endpoint *endpoint, iocp_listener_id *id);

/* As iocp_port_listener_state. Thread: any. */
iocp_listener_state iocp_listener_set_state(iocp_listener_set *set, iocp_listener_id id);

/* Changes the state of a listener that is not closed; workers look at it when they flush. CLOSED: clients are refused when
 * this returns, and those in a backlog are reset. Each worker then closes its sockets by iocp_listener_set_withdraw.
 * Returns 0, or -ENOENT if there is none. Thread: any. */
int iocp_listener_set_change(iocp_listener_set *set, iocp_listener_id id, iocp_listener_state state);

/* Closes every listener. Thread: any. */
void iocp_listener_set_end(iocp_listener_set *set);

/* The port stops: no address is kept for workers still to come. Thread: any; async-signal-safe. */
void iocp_listener_set_stop(iocp_listener_set *set);

/* No worker is to come: nothing needs to keep the addresses for it. Async-signal-safe, as the next. */
void iocp_listener_set_close_holders(iocp_listener_set *set);

/* Nobody will accept any more: the paths of Unix sockets go. */
void iocp_listener_set_remove_paths(iocp_listener_set *set);

/* --- listener_members.c -------------------------------------------------------------------------------------- */

/* An open worker gets its socket of every address, or of none. Returns 0 or -errno. Thread: the worker's. */
int iocp_listener_set_join(iocp_listener_set *set, uint32_t worker);

/* Takes a worker out of every group: later clients reach the other workers or, without any, are refused at once. What
 * waits in its backlog is reset, or moved to the others where net.ipv4.tcp_migrate_req is set. Thread: the worker's,
 * with no accept outstanding. */
void iocp_listener_set_leave(iocp_listener_set *set, uint32_t worker);

/* Closes a worker's socket of a listener that has ended. Thread: the worker's, with no accept outstanding there. */
void iocp_listener_set_withdraw(iocp_listener_set *set, uint32_t listener, uint32_t worker);

#endif
