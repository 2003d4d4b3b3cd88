/* What a connection's socket can be asked and told. Thread of every function: the worker's own.
 *
 * Every function returns 0, or -errno: -ENOTCONN for a connection that closed, -EXDEV for another worker's, -EPERM on
 * another thread. -EBUSY while the completion queue is full, -EAGAIN while the kernel is short of memory: ask again
 * after the next wait. With direct descriptors (io_uring since Linux 6.13) most questions give the socket an fd for as long
 * as they take: -EMFILE when the process has none left, -EOPNOTSUPP where the ring is refused that. */
#ifndef IOCP_SOCKET_H
#define IOCP_SOCKET_H

#include <stdint.h>

#include "iocp_completion.h"
#include "iocp_port.h"

/* The peer's address, asked of the kernel once per call. */
int iocp_connection_peer(iocp_worker *worker, iocp_token connection, iocp_address *address);

/* This end's address, asked of the kernel once per call. */
int iocp_connection_local(iocp_worker *worker, iocp_token connection, iocp_address *address);

/* Who is at the other end of a Unix socket, as of its connect or socketpair (SO_PEERCRED, unix(7)). */
typedef struct iocp_credentials {
    int32_t process;
    uint32_t user;
    uint32_t group;
} iocp_credentials;

/* -EAFNOSUPPORT: it is no Unix socket. */
int iocp_connection_credentials(iocp_worker *worker, iocp_token connection, iocp_credentials *credentials);

/* An option as of getsockopt(2): its level (SOL_SOCKET, IPPROTO_TCP, ...) and its name there. */
typedef struct iocp_socket_option {
    int32_t level;
    int32_t name;
} iocp_socket_option;

/* Most bytes of an option's value. */
enum { IOCP_OPTION_BYTES_MAX = 512 };

/* As getsockopt(2): reads up to *count_bytes, and tells how many there are. -EINVAL for more than
 * IOCP_OPTION_BYTES_MAX. */
int iocp_connection_get_option(iocp_worker *worker, iocp_token connection, const iocp_socket_option *option,
                               void *value, uint32_t *count_bytes);

/* As setsockopt(2). -EINVAL for more than IOCP_OPTION_BYTES_MAX, and for SO_LINGER: how a connection ends is the
 * worker's to say (iocp_close, iocp_abort). */
int iocp_connection_set_option(iocp_worker *worker, iocp_token connection, const iocp_socket_option *option,
                               const void *value, uint32_t count_bytes);

/* What TCP knows about a connection (tcp(7), TCP_INFO). What the kernel does not tell is 0. */
typedef struct iocp_connection_info {
    uint32_t round_trip_us; /* smoothed */
    uint32_t round_trip_variation_us;
    uint32_t round_trip_least_us; /* of the latest minutes */
    uint32_t retransmission_timeout_us;
    uint32_t congestion_window_segments;
    uint32_t segment_bytes; /* as sent: the maximum segment size */
    uint32_t unacknowledged_segments;
    uint32_t lost_segments;          /* taken for lost, and not acknowledged since */
    uint32_t retransmitted_segments; /* so far */
    uint32_t not_sent_bytes;         /* in the socket */
    uint64_t acknowledged_bytes;     /* so far */
    uint64_t received_bytes;         /* so far */
    uint64_t pacing_bytes_per_second;
    uint64_t delivery_bytes_per_second; /* as measured lately */
    uint64_t busy_us;                   /* how long it had something to send, */
    uint64_t receive_window_limited_us; /* and of that, waited for the peer to read, */
    uint64_t send_buffer_limited_us;    /* or for room in the send buffer */
} iocp_connection_info;

/* -EOPNOTSUPP, too, for a connection that is not TCP. */
int iocp_connection_info_get(iocp_worker *worker, iocp_token connection, iocp_connection_info *info);

#endif
