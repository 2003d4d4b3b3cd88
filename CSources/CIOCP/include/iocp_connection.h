/* What can be asked of one connection. Thread: owner, for every function here.
 * Every call answers -ENOTCONN for a token whose connection has closed or is closing, and once the worker is closed;
 * -EXDEV for one of another worker; -EPERM on another thread than the owner's. */
#ifndef IOCP_CONNECTION_H
#define IOCP_CONNECTION_H

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
 * most one tick (8 ms) late and never early. 0 is no limit but the kernel's, about two minutes
 * (net.ipv4.tcp_syn_retries). -ERANGE: more than one day. */
int iocp_connect_within(iocp_worker *worker, const iocp_address *address, const iocp_address *source,
                        uint64_t timeout_ns, uint64_t key, iocp_token *connection);

/* Gives up a connect that has not ended: CONNECT_FAILED with -ECANCELED follows. -ENOTCONN once it has opened or failed;
 * iocp_close and iocp_abort, which give up a connect as well, would end the connection. */
int iocp_connect_cancel(iocp_worker *worker, iocp_token connection);

/* Queues a copy of bytes[0, count), sent by the next wait in one piece with its neighbours.
 * All or nothing: -ENOBUFS when the worker's memory or its cap of unsent bytes cannot hold it, -EAGAIN over the
 * connection's cap, -EMSGSIZE when this message alone is over it. A refusal with bytes still unsent is followed by
 * WRITABLE. Complexity: O(count). */
int iocp_send(iocp_worker *worker, iocp_token connection, const void *bytes, size_t count_bytes);

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
uint8_t *iocp_shared_bytes_start(iocp_shared_bytes *shared);
uint32_t iocp_shared_bytes_count(const iocp_shared_bytes *shared);
void iocp_shared_bytes_retain(iocp_shared_bytes *shared);  /* Thread: any */
void iocp_shared_bytes_release(iocp_shared_bytes *shared); /* Thread: any */

/* Queues shared bytes by reference; the queue holds its own reference until sent. O(1). */
int iocp_send_shared(iocp_worker *worker, iocp_token connection, iocp_shared_bytes *shared);

/* Asks for one SENT completion once everything queued before it was taken by the transport (result 0), or
 * the connection failed first (result -errno). */
int iocp_send_notify(iocp_worker *worker, iocp_token connection, uint64_t key);

/* Bytes queued and not yet taken by the transport; 0 for a stale token. Traps on another thread than the owner's. */
uint64_t iocp_connection_unsent_bytes(iocp_worker *worker, iocp_token connection);

/* Stops or resumes receiving. While paused the peer is held back by TCP's own window; bytes already on their
 * way to this worker may still be delivered. */
int iocp_receive_pause(iocp_worker *worker, iocp_token connection);
int iocp_receive_resume(iocp_worker *worker, iocp_token connection);

/* Closes gracefully: what is queued is sent, then FIN; waits for the peer's FIN up to linger_timeout_ns, and as much again
 * whenever it acknowledged something. CLOSED(local) follows; CLOSED(send_timeout) when it took nothing for that long, and
 * another reason when that cut the close short. Receives no more. */
int iocp_close(iocp_worker *worker, iocp_token connection);

/* Closes at once: drops what is queued, sends RST. CLOSED(aborted) follows. */
int iocp_abort(iocp_worker *worker, iocp_token connection);

/* Sends FIN after what is queued; receiving goes on. Further sends answer -EPIPE. */
int iocp_finish_sending(iocp_worker *worker, iocp_token connection);

/* The key carried by every completion of the connection; 0 at first. */
int iocp_connection_set_key(iocp_worker *worker, iocp_token connection, uint64_t key);

/* The peer's address, asked of the kernel once per call. -EOPNOTSUPP on kernels without ring socket commands
 * (before 6.7); -EBUSY when the completion queue is full, -EAGAIN when the kernel is short of memory: ask again after
 * the next wait. */
int iocp_connection_peer(iocp_worker *worker, iocp_token connection, iocp_address *address);

typedef struct iocp_connection_counters {
    uint64_t received_bytes;
    uint64_t sent_bytes;
    uint64_t opened_ns; /* monotonic clock */
} iocp_connection_counters;

int iocp_connection_counters_get(iocp_worker *worker, iocp_token connection, iocp_connection_counters *counters);

#endif
