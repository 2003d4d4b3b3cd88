/* What can be asked of one connection. Thread: owner, for every function here.
 * Every call answers -ENOTCONN for a token whose connection has closed or is closing, and once the worker is closed;
 * -EXDEV for one of another worker; -EPERM on another thread than the owner's. */
#ifndef IOCP_CONNECTION_H
#define IOCP_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iocp_completion.h"
#include "iocp_port.h"

/* Connects to an address. Ends in OPENED or CONNECT_FAILED, both carrying `key`. source may be NULL.
 * -ENFILE: every slot is taken; -EBUSY: the completion queue is full, -EAGAIN: the kernel is short of memory, try again
 * after the next wait; other -errno: socket(2) or bind(2) refused. */
int iocp_connect(iocp_worker *worker, const iocp_address *address, const iocp_address *source, uint64_t key,
                 iocp_token *connection);

/* The same with a limit: a peer that has not answered timeout_ns from now ends it in CONNECT_FAILED with -ETIMEDOUT, at
 * most one tick (8.4 ms) late and never early. 0 is no limit but the kernel's, about two minutes
 * (net.ipv4.tcp_syn_retries). -ERANGE: more than one day. */
int iocp_connect_within(iocp_worker *worker, const iocp_address *address, const iocp_address *source,
                        uint64_t timeout_ns, uint64_t key, iocp_token *connection);

/* The same to an endpoint of any kind. A source of a Unix connect is a name to bind. A Unix connect ends at once: with
 * -EAGAIN if the server's backlog is full. */
int iocp_connect_to(iocp_worker *worker, const iocp_endpoint *endpoint, const iocp_endpoint *source,
                    uint64_t timeout_ns, uint64_t key, iocp_token *connection);

/* The same with a layer, which is retained until the connection has gone: OPENED follows once it is open. NULL: none. */
int iocp_connect_layered(iocp_worker *worker, const iocp_endpoint *endpoint, const iocp_endpoint *source,
                         const iocp_layer *layer, uint64_t timeout_ns, uint64_t key, iocp_token *connection);

/* Takes over a stream socket, TCP or Unix, that is connected already, for example from socketpair(2), from another process, or
 * from systemd. OPENED or CONNECT_FAILED follows with the key, as after a connect. On success the worker owns fd, and the
 * socket's options stay as they are. On refusal fd stays the caller's. No other descriptor of the socket should stay open:
 * the peer would not hear of the connection's end. -EBADF, -ENOTSOCK, -EPROTOTYPE for
 * another type, -ENOTCONN, -EAFNOSUPPORT; otherwise as iocp_connect. */
int iocp_adopt(iocp_worker *worker, int fd, const iocp_layer *layer, uint64_t key, iocp_token *connection);

/* Gives up a connect that has not ended: CONNECT_FAILED with -ECANCELED follows. -ENOTCONN once it has opened or
 * failed; iocp_close and iocp_abort, which give up a connect as well, would end the connection. */
int iocp_connect_cancel(iocp_worker *worker, iocp_token connection);

/* Queues a copy of bytes[0, count), sent by the next wait in one piece with its neighbours.
 * All or nothing: -ENOBUFS when the worker's memory or its cap of unsent bytes cannot hold it, -EAGAIN over the
 * connection's cap, -EMSGSIZE when this message alone is over it. A refusal with bytes still unsent is followed by
 * WRITABLE. -EBUSY while a draft of the worker is open: nothing follows that. Complexity: O(count). */
int iocp_send(iocp_worker *worker, iocp_token connection, const void *bytes, size_t count_bytes);

/* Most parts of one send. */
enum { IOCP_SEND_PARTS_MAX = 64 };

typedef struct iocp_send_part {
    const void *bytes;
    size_t count_bytes;
} iocp_send_part;

/* Queues copies of several stretches of bytes as one send: all of them, one behind the other, or none. Results as of
 * iocp_send for the sum, which may be of any size: -EMSGSIZE over the cap. -EINVAL for more than IOCP_SEND_PARTS_MAX
 * parts. A part may have no bytes. Complexity: O(sum). */
int iocp_send_parts(iocp_worker *worker, iocp_token connection, const iocp_send_part *parts, uint32_t part_count);

/* Queues received bytes themselves, without a copy. bytes[0, count) must lie within the lease.
 * On success the lease belongs to the queue and is returned once sent; on failure it stays the caller's. Behind a
 * full socket the bytes are copied instead, so that they keep no buffer: -ENOBUFS without memory for that. O(1). */
int iocp_send_lease(iocp_worker *worker, iocp_token connection, uint16_t lease, const uint8_t *bytes,
                    uint32_t count_bytes);

/* Bytes many connections may send without a copy each; freed with the last reference. */
typedef struct iocp_shared_bytes iocp_shared_bytes;

/* Allocates with one reference; fill through iocp_shared_bytes_start before the first send. NULL without memory.
 * Thread: any. */
iocp_shared_bytes *iocp_shared_bytes_create(uint32_t count_bytes);

/* The same for bytes that lie elsewhere already, and are neither copied nor written: bytes[0, count) stay as they are until
 * `release` is called with `owner`, once, by whoever gives up the last reference. NULL without memory; then nothing is
 * released. Thread: any, of the release, too. */
typedef void (*iocp_owner_release)(void *owner);
iocp_shared_bytes *iocp_shared_bytes_borrow(const void *bytes, uint32_t count_bytes, void *owner,
                                            iocp_owner_release release);

uint8_t *iocp_shared_bytes_start(iocp_shared_bytes *shared);
uint32_t iocp_shared_bytes_count(const iocp_shared_bytes *shared);
void iocp_shared_bytes_retain(iocp_shared_bytes *shared);  /* Thread: any */
void iocp_shared_bytes_release(iocp_shared_bytes *shared); /* Thread: any */

/* Queues shared bytes by reference; the queue holds its own reference until sent. O(1). */
int iocp_send_shared(iocp_worker *worker, iocp_token connection, iocp_shared_bytes *shared);

/* The same for bytes that go to many, of whom some do not read: a connection takes them only while it has at most
 * limit_bytes unsent with them, or none before them. Beyond that, or beyond its cap, it is refused (-EAGAIN; -EMSGSIZE if
 * the bytes alone are over the cap) whatever the port's overflow_policy. So is one behind a full socket while half of the
 * worker's queue nodes are taken: small messages to those who do not read leave room for all others. -ENOBUFS is for a
 * connection that keeps up: memory is short until the next wait has sent some. Otherwise as iocp_send_shared. */
int iocp_send_shared_within(iocp_worker *worker, iocp_token connection, iocp_shared_bytes *shared, uint32_t limit_bytes);

/* Sends shared bytes from any thread: one letter to the connection's worker, which queues them as iocp_send_shared when it
 * takes the letter out. No completion tells of it. Where the connection does not take them (it is gone, over its cap, or
 * there is no memory) they are dropped, which the field dropped_sends counts; at the cap the overflow_policy applies. The
 * letter holds a reference of its own. Letters of one thread arrive in the order of its calls, posts among them.
 * Results and thread as of iocp_port_post. */
int iocp_port_send(iocp_port *port, iocp_token connection, iocp_shared_bytes *shared);

/* Why a connection would be refused by every call on it: 0 if it is open, -ENOTCONN if it is closed or closing, -EXDEV if
 * it is another worker's, -EPERM on another thread than the owner's. Thread: any. */
int iocp_connection_refusal(const iocp_worker *worker, iocp_token connection);

/* Ends a connection that took too little of what was sent to it: CLOSED(send_overflow). */
int iocp_overflow(iocp_worker *worker, iocp_token connection);

/* A draft is one send that is written piece by piece, into the memory that it leaves from. Nothing of it is queued
 * before iocp_draft_send, and then all of it; its place among the sends is that of this call.
 *
 *     open, (append | reserve, keep)..., send | discard
 *
 * A worker has one draft at a time. Until it is sent or discarded, every other send and notification on the worker's
 * connections answers -EBUSY, and so does opening a second draft. A worker that is closed meanwhile traps.
 *
 * Every function: -EINVAL without an open draft. A draft grows within the bounds of iocp_send for all of its bytes,
 * with the same results. A refusal is final: later calls repeat it, and iocp_draft_send discards the draft. */

/* Begins a send on a connection. Results as of iocp_send for no bytes. */
int iocp_draft_open(iocp_worker *worker, iocp_token connection);

/* Copies bytes[0, count) to the end of the draft. O(count). */
int iocp_draft_append(iocp_worker *worker, const void *bytes, size_t count_bytes);

/* Most bytes that are written in place at a time. */
enum { IOCP_DRAFT_ROOM_BYTES_MAX = 16 * 1024 };

/* Gives room for capacity_bytes at the end of the draft, to be written in place: start[0, capacity) is the caller's
 * until its next call for this draft, and not zeroed. The bounds are those of a draft that is as much larger. -EINVAL
 * for more than IOCP_DRAFT_ROOM_BYTES_MAX. NULL for a capacity of 0. O(1). */
int iocp_draft_reserve(iocp_worker *worker, size_t capacity_bytes, uint8_t **start);

/* Makes start[0, count) a part of the draft, and gives the rest of the room back. Traps over the capacity. O(1), or
 * O(count) where they are moved into a chunk that others fill. Room that is not kept is given back by the next call. */
int iocp_draft_keep(iocp_worker *worker, uint32_t count_bytes);

/* Queues the draft. -ENOTCONN, -EPIPE, -EAGAIN or -EMSGSIZE where the connection was closed, finished, or given a lower
 * cap meanwhile, -ENOBUFS where it met a full socket in a wait meanwhile. Either way the draft is gone. O(1). */
int iocp_draft_send(iocp_worker *worker);

/* Drops the draft, if one is open. */
void iocp_draft_discard(iocp_worker *worker);

/* Asks for one SENT completion once everything queued before it was taken by the transport (result 0), or
 * the connection failed first (result -errno). */
int iocp_send_notify(iocp_worker *worker, iocp_token connection, uint64_t key);

/* Asks for one UNSENT_FELL completion once fewer than `below_bytes` are unsent (result 0; by the next wait where that
 * is so already), or the connection closed first (result -errno). -EINVAL for 0; -EALREADY while one is outstanding: a
 * connection has one at a time. */
int iocp_notify_unsent(iocp_worker *worker, iocp_token connection, uint32_t below_bytes, uint64_t key);

/* Unsent bytes at which a connection is writable again, at which its receive pauses, and which it may never exceed:
 * low < high <= cap. With a layer they are sealed, and the last send may exceed the cap by what sealing adds to it. */
typedef struct iocp_send_marks {
    uint32_t low_bytes;
    uint32_t high_bytes;
    uint32_t cap_bytes;
} iocp_send_marks;

/* Gives a connection marks of its own, in force at once. Bytes that are unsent already stay, also above the new cap.
 * -EINVAL when they are out of order, or the cap is above the port's send_cap_bytes. */
int iocp_connection_set_marks(iocp_worker *worker, iocp_token connection, const iocp_send_marks *marks);

/* When a connection ends for silence, as the port's configuration says it for all. 0: never. */
typedef struct iocp_timeouts {
    uint64_t idle_ns;                /* nothing received, sent or acknowledged for this long */
    uint64_t receive_ns;             /* fewer than receive_progress_bytes received in it */
    uint64_t send_ns;                /* unsent bytes, and the peer acknowledged nothing in it */
    uint32_t receive_progress_bytes; /* at least 1 */
} iocp_timeouts;

/* Gives a connection timeouts of its own, each of which begins now. -EINVAL when one is over a day, or the progress is
 * 0. */
int iocp_connection_set_timeouts(iocp_worker *worker, iocp_token connection, const iocp_timeouts *timeouts);

/* Whether the receive of a connection pauses while its own unsent bytes are above the marks (at first as the port's
 * holds_back_receive says). That is right for a server whose replies pile up. For a relay it is not: what is unsent
 * here was received on another connection, whose receive is to pause instead. WRITABLE comes in either case. The second
 * traps on another thread than the owner's, and is false for a stale token. */
int iocp_connection_hold_back(iocp_worker *worker, iocp_token connection, bool holds_back);
bool iocp_connection_holds_back(iocp_worker *worker, iocp_token connection);

/* Whether a connection is open: false once its end has begun, gracefully or not, as calls answer -ENOTCONN from then on, and for
 * a stale token. Traps on another thread than the owner's. */
bool iocp_connection_is_open(const iocp_worker *worker, iocp_token connection);

/* Bytes queued and not yet taken by the transport; 0 for a stale token. Traps on another thread than the owner's. */
uint64_t iocp_connection_unsent_bytes(iocp_worker *worker, iocp_token connection);

/* Whether the unsent bytes reached the high mark, and WRITABLE is still to come; false for a stale token. Thread:
 * owner; false on another. */
bool iocp_connection_is_pressed(iocp_worker *worker, iocp_token connection);

/* How many bytes may be queued now before the cap refuses more; 0 for a connection that is closed or closing. Thread:
 * owner; 0 on another. */
uint64_t iocp_connection_send_room(iocp_worker *worker, iocp_token connection);

/* Whether a stop of the port or a leave of the worker waits until this connection closes, instead of closing it (false
 * at first). It goes on receiving and sending then. What is left of it when the drain is over is aborted like others.
 * Given up during a stop, it closes at once, gracefully. -ENOTCONN when closed or closing. */
int iocp_connection_stay(iocp_worker *worker, iocp_token connection, bool stays);

/* Stops or resumes receiving. While paused the peer is held back by TCP's own window; bytes already on their
 * way to this worker may still be delivered. A reset by the peer ends the connection at once; its FIN waits behind what
 * is unread, and receive_timeout_ns does not count. */
int iocp_receive_pause(iocp_worker *worker, iocp_token connection);
int iocp_receive_resume(iocp_worker *worker, iocp_token connection);

/* Closes gracefully: what is queued is sent, then FIN; waits for the peer's FIN up to linger_timeout_ns, and as much
 * again whenever it acknowledged something. CLOSED(local) follows; CLOSED(send_timeout) when it took nothing for that
 * long, and another reason when that cut the close short. Receives no more. */
int iocp_close(iocp_worker *worker, iocp_token connection);

/* Closes at once: drops what is queued, sends RST. CLOSED(aborted) follows. */
int iocp_abort(iocp_worker *worker, iocp_token connection);

/* Sends FIN after what is queued; receiving goes on. Further sends answer -EPIPE. */
int iocp_finish_sending(iocp_worker *worker, iocp_token connection);

/* The key carried by every completion of the connection; 0 at first. */
int iocp_connection_set_key(iocp_worker *worker, iocp_token connection, uint64_t key);

typedef struct iocp_connection_counters {
    uint64_t received_bytes;
    uint64_t sent_bytes;
    uint64_t opened_ns; /* monotonic clock */
} iocp_connection_counters;

int iocp_connection_counters_get(iocp_worker *worker, iocp_token connection, iocp_connection_counters *counters);

#endif
