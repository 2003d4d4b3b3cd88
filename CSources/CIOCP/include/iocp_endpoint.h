/* Endpoints: what a socket is bound or connected to. */
#ifndef IOCP_ENDPOINT_H
#define IOCP_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "iocp_layer.h"
#include "iocp_system.h"

/* Append only. */
typedef enum iocp_endpoint_kind : uint8_t {
    IOCP_ENDPOINT_TCP = 0,
    IOCP_ENDPOINT_UNIX = 1, /* a stream socket of unix(7) */
} iocp_endpoint_kind;

enum {
    IOCP_UNIX_NAME_BYTES_MAX = 108, /* sun_path */
    IOCP_CONGESTION_BYTES_MAX = 16, /* TCP_CA_NAME_MAX */
    IOCP_DEVICE_BYTES_MAX = 16,     /* IFNAMSIZ */
};

typedef struct iocp_endpoint {
    iocp_endpoint_kind kind;
    uint8_t name_bytes;                  /* UNIX: 1 to 108; 0 for a peer that bound no name */
    char name[IOCP_UNIX_NAME_BYTES_MAX]; /* UNIX: a path, without a NUL at its end; or an abstract name behind a NUL */
    iocp_address address;                /* TCP */
} iocp_endpoint;

/* Names what one call listens on, one endpoint or several: its listener. 0 is none. Names are given in turn and never
 * come back. Connections and completions carry the low 16 bits, which come back after 65,535 later listeners; two listeners of
 * a port that have sockets never share them. */
typedef uint64_t iocp_listener_id;

/* Append only. */
typedef enum iocp_listener_state : uint8_t {
    IOCP_LISTENER_LISTENING = 0,
    IOCP_LISTENER_PAUSED = 1, /* clients wait in the backlog */
    IOCP_LISTENER_CLOSED = 2, /* clients are refused, for good */
} iocp_listener_state;

static inline uint16_t iocp_listener_short(iocp_listener_id listener)
{
    return (uint16_t)listener;
}

static inline iocp_endpoint iocp_endpoint_tcp(const iocp_address *address)
{
    return (iocp_endpoint){.kind = IOCP_ENDPOINT_TCP, .address = *address};
}

/* How a listener is bound, and what its connections begin with: Linux hands the socket options of tcp(7) and socket(7) down
 * to accepted sockets. 0, false and "" leave a choice to the system, unless it is said. */
typedef struct iocp_listen_options {
    uint32_t backlog;                /* clients that wait to be accepted, per worker; 0: the port's listen_backlog */
    uint32_t keep_alive_idle_s;      /* SO_KEEPALIVE after this time in silence; 0: none */
    uint32_t keep_alive_interval_s;
    uint32_t keep_alive_count;
    uint32_t send_buffer_bytes;      /* SO_SNDBUF: the system doubles it, and no longer tunes it */
    uint32_t receive_buffer_bytes;   /* SO_RCVBUF, likewise */
    uint32_t fast_open_queue;        /* TCP_FASTOPEN: pending clients that sent data with their SYN; 0: none */
    uint32_t defer_accept_s;         /* TCP_DEFER_ACCEPT: accepted with their first bytes; 0: at once */
    uint16_t permissions;            /* of a path, as 0660; 0: as the umask has it */
    bool v6_only;                    /* IPV6_V6ONLY: an IPv6 wildcard takes no IPv4 clients */
    bool delays;                     /* Nagle's algorithm. Otherwise TCP_NODELAY: replies are gathered by the flush */
    char congestion[IOCP_CONGESTION_BYTES_MAX]; /* TCP_CONGESTION */
    char device[IOCP_DEVICE_BYTES_MAX];         /* SO_BINDTODEVICE */
    iocp_layer layer;                           /* of every connection; retained by the listener */
} iocp_listen_options;

#endif
