/* One endpoint that the port listens on, and its sockets. Everything is done under the lock of the set (listener_set.h),
 * unless it says otherwise. */
#ifndef IOCP_WORKER_LISTENER_SOCKETS_H
#define IOCP_WORKER_LISTENER_SOCKETS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../driver/driver.h"

typedef struct iocp_listener_set iocp_listener_set;

/* One endpoint, with a socket of each worker that joined, or its descriptor of a shared one: -1 for the others. */
typedef struct iocp_listener {
    iocp_bound bound;
    iocp_listen_options options;
    _Atomic bool has_path; /* which is removed when it ends */
    iocp_listener_id id; /* of the listener that it belongs to; kept until another takes the place over */
    _Atomic iocp_listener_state state; /* CLOSED: its sockets are shut; each worker closes its own, and then the place can be
                                        * used for another endpoint */
    _Atomic int holder; /* bound, and does not listen: keeps the address for workers that may still join; -1: none */
    _Atomic int *sockets;
} iocp_listener;

/* Binds a socket for every worker that joined, and a holder while others are still to come; none of them listens yet.
 * `inherited`: as of iocp_wish. Returns 0, or -errno with no socket left. */
int iocp_listener_bind(iocp_listener_set *set, const iocp_endpoint *endpoint, const iocp_listen_options *options,
                       int inherited, iocp_listener *listener);

/* One more socket of a bound endpoint, or one more descriptor of `sibling`. Returns it, or -errno. */
int iocp_listener_bind_one(const iocp_listener_set *set, iocp_listener *listener, iocp_bind_role role, int sibling);

/* The socket of a worker. */
int iocp_listener_share(const iocp_listener_set *set, iocp_listener *listener, uint32_t worker, int sibling);

/* Every socket begins to listen. Returns 0 or -errno. */
int iocp_listener_listen(const iocp_listener_set *set, const iocp_listener *listener);

/* Closes one socket, once. Thread: any; async-signal-safe. */
void iocp_listener_unbind(const iocp_listener_set *set, _Atomic int *socket);

/* Removes the path of a Unix socket, once. Thread: any; async-signal-safe. */
void iocp_listener_remove_path(const iocp_listener_set *set, iocp_listener *listener);

/* Closes every socket, with no accept outstanding on any of them. */
void iocp_listener_close(const iocp_listener_set *set, iocp_listener *listener);

/* Shut, a socket listens no more at once, whatever its worker does; accepts that wait there end with EINVAL. Its worker closes
 * it. */
void iocp_listener_end(const iocp_listener_set *set, iocp_listener *listener);

/* Whether every worker has closed its socket of a listener that ended. */
bool iocp_listener_is_vacant(const iocp_listener_set *set, const iocp_listener *listener);

#endif
