/* Live migration: an open connection goes on with another worker of its port.
 *
 * It is asked for with iocp_connection_move. The worker ends what its driver has of the connection, hands out everything that
 * came of that, and then LEAVING. Before its next wait the application gives what it keeps of the connection
 * (iocp_connection_give). Bytes that are unsent, marks, timeouts, timers and the socket follow, and the other worker hands out
 * ARRIVED, which brings what was given. Every LEAVING is followed by one ARRIVED: on the other worker, or on the same one where
 * the connection had to stay. Not a byte is lost or comes in another order.
 *
 * The worker where a connection opened is its home, and the token of then is its name, for as long as it lives: posts and sends
 * from any thread go to the name, and its home passes them on, in their order. Elsewhere it has another token, of that worker's:
 * completions carry that one, and calls on that worker take either. A slot of its home stays its.
 *
 * A home that stops or leaves forgets connections that live elsewhere: they go on there, and their names are those of closed
 * connections. */
#ifndef IOCP_MOVING_H
#define IOCP_MOVING_H

#include <stdbool.h>
#include <stdint.h>

#include "iocp_completion.h"
#include "iocp_port.h"

/* The worker's application takes part: it knows LEAVING and ARRIVED. Connections move between workers of the same kind, whose
 * applications understand what the others give; 0, as at first, takes no part. Returns 0, -EPERM on another thread than the
 * owner's, or -ESHUTDOWN once closed. Thread: owner. */
int iocp_worker_take_part_in_moves(iocp_worker *worker, uint64_t kind);

/* Asks that a connection goes on with the worker of this index. A wish: LEAVING follows, unless the connection is closed first, or
 * something in the meantime keeps it here. Returns 0, also where it is there already.
 * -ENOTCONN, -EXDEV and -EPERM as of every call on a connection; -EINVAL: there is no such worker; -ESHUTDOWN: one of the two
 * stops; -EOPNOTSUPP: it has a layer (TLS), one of the two takes no part in moves of the other's kind, or the driver hands no
 * sockets over; -EALREADY: it is on its way; -EBUSY: something of the application's keeps it (iocp_connection_keep,
 * iocp_connection_await, iocp_timer_start_named), or one side has finished sending; -EAGAIN: the other worker has no room for more
 * at the moment, or letters from before its return still wait to be opened; -ENOMEM. Thread: owner. */
int iocp_connection_move(iocp_worker *worker, iocp_token connection, uint32_t to_worker);

/* Something of the application's on this worker keeps the connection here, until it keeps it no more; 15 such at most. If the
 * connection is to move, and LEAVING was not handed out, it stays, and nobody is told. Returns 0, -ERANGE for one too many or too
 * few, or the errors of every call on a connection. Thread: owner. */
int iocp_connection_keep(iocp_worker *worker, iocp_token connection, bool keeps);

/* What the application keeps of a connection that leaves; ARRIVED has it as its bytes. `release` ends it where nobody is told of
 * ARRIVED: a worker is closed before its end. Returns 0, or -ENOTCONN for a connection that is not leaving: then it stays the
 * caller's. Thread: owner, between LEAVING and the next wait; of `release`: the one that closes the worker. */
int iocp_connection_give(iocp_worker *worker, iocp_token connection, void *state, void (*release)(void *state));

/* The name of a connection that lives here; 0 for one that does not. Thread: owner. */
iocp_token iocp_connection_name(const iocp_worker *worker, iocp_token connection);

/* The token by which this worker's completions know a connection that lives here, by either; 0 for one that does not. Thread:
 * owner. */
iocp_token iocp_connection_here(const iocp_worker *worker, iocp_token connection);

#endif
