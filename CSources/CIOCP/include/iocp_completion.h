/* The completion record: what a worker's wait hands to the application. */
#ifndef IOCP_COMPLETION_H
#define IOCP_COMPLETION_H

#include <stdint.h>

/* Names one life of one connection: worker | slot | generation. Zero is never a connection.
 * A token outlives its connection harmlessly: every call that takes a stale one answers -ENOTCONN. A name comes back
 * after 2^34 - 1 later lives of its slot, and slots are reused in turn. */
typedef uint64_t iocp_token;

#ifndef IOCP_TOKEN_GENERATION_BITS
#define IOCP_TOKEN_GENERATION_BITS 34 /* fewer in tests, where a name has to come back */
#endif

enum {
    IOCP_TOKEN_WORKER_BITS = 10,
    IOCP_TOKEN_SLOT_BITS = 20,

    IOCP_TOKEN_SLOT_SHIFT = IOCP_TOKEN_GENERATION_BITS,
    IOCP_TOKEN_WORKER_SHIFT = IOCP_TOKEN_SLOT_SHIFT + IOCP_TOKEN_SLOT_BITS,
};

/* The worker that owns a connection. */
static inline uint32_t iocp_token_worker(iocp_token token)
{
    return (uint32_t)(token >> IOCP_TOKEN_WORKER_SHIFT);
}

/* The connection's slot on its worker: dense from 0, reused after CLOSED. */
static inline uint32_t iocp_token_slot(iocp_token token)
{
    return (uint32_t)(token >> IOCP_TOKEN_SLOT_SHIFT) & ((1u << IOCP_TOKEN_SLOT_BITS) - 1);
}

/* Which life of its slot a connection is. */
static inline uint64_t iocp_token_generation(iocp_token token)
{
    return token & ((UINT64_C(1) << IOCP_TOKEN_GENERATION_BITS) - 1);
}

/* Append only: the values are visible to Swift and to recorded traces. */
typedef enum iocp_completion_kind : uint8_t {
    IOCP_COMPLETION_OPENED = 1,         /* a connection was accepted or connected; its first completion; detail = the low 16
                                         * bits of its listener's name, 0 for one that connected           */
    IOCP_COMPLETION_CONNECT_FAILED = 2, /* terminal of iocp_connect; result = -errno, or -iocp_layer_failure; key = its key */
    IOCP_COMPLETION_RECEIVED = 3,       /* result bytes at `bytes`, leased until iocp_lease_return; or, with the lease IOCP_LEASE_NONE, the receiver's own */
    IOCP_COMPLETION_PEER_FINISHED = 4,  /* the peer sent FIN and half_close is on; sending still works    */
    IOCP_COMPLETION_SENT = 5,           /* terminal of iocp_send_notify; result 0 or -errno; key = its key */
    IOCP_COMPLETION_WRITABLE = 6,       /* unsent bytes fell to the low watermark after a refusal or pause */
    IOCP_COMPLETION_CLOSED = 7,         /* the connection's last completion; detail = iocp_close_reason   */
    IOCP_COMPLETION_POSTED = 8,         /* a post; key = its value; connection = its target or 0; detail = iocp_letter_kind */
    IOCP_COMPLETION_TIMER = 9,          /* a user timer fired; key = its key                              */
    IOCP_COMPLETION_STOPPING = 10,      /* the worker stops or leaves; once, before the stop closes anything */
    IOCP_COMPLETION_UNSENT_FELL = 11,   /* terminal of iocp_notify_unsent; result 0 or -errno; key = its key */
    IOCP_COMPLETION_LEAVING = 12,       /* the connection goes to the worker `detail`; its last one here: iocp_moving.h */
    IOCP_COMPLETION_ARRIVED = 13,       /* it came from the worker `detail`; bytes = what was given there; its first one here */
} iocp_completion_kind;

/* Why a connection closed. Append only. */
typedef enum iocp_close_reason : uint16_t {
    IOCP_CLOSE_LOCAL = 1,            /* iocp_close                                                */
    IOCP_CLOSE_PEER = 2,             /* the peer sent FIN                                         */
    IOCP_CLOSE_RESET = 3,            /* the peer sent RST or vanished; result = -errno            */
    IOCP_CLOSE_ABORTED = 4,          /* iocp_abort                                                */
    IOCP_CLOSE_STOPPED = 5,          /* the port stopped                                          */
    IOCP_CLOSE_IDLE_TIMEOUT = 6,     /* nothing received or sent for idle_timeout_ns              */
    IOCP_CLOSE_RECEIVE_TIMEOUT = 7,  /* nothing received for receive_timeout_ns                   */
    IOCP_CLOSE_SEND_TIMEOUT = 8,     /* unsent bytes made no progress for send_timeout_ns, or, closing, for linger_timeout_ns */
    IOCP_CLOSE_SEND_OVERFLOW = 9,    /* over the hard cap and the policy is close; or behind a full socket, and others needed
                                      * the memory */
    IOCP_CLOSE_FAILED = 10,          /* another error of the transport; result = -errno           */
    IOCP_CLOSE_LAYER = 11,           /* its layer (TLS) refused it; result = -iocp_layer_failure  */
} iocp_close_reason;

/* The detail of a TIMER whose key is the timer's own name: iocp_timer_start_named. */
enum { IOCP_TIMER_NAMED = 1 };

/* 32 bytes, two to a cache line. */
typedef struct iocp_completion {
    iocp_token connection; /* the connection, or 0 */
    uint64_t key;          /* the connection's key (iocp_connection_set_key), or the value named by the kind */
    const uint8_t *bytes;  /* RECEIVED: the first byte, in the worker's receive arena; POSTED: the letter's reference;
                            * ARRIVED: what was given */
    int32_t result;        /* bytes, 0, or -errno */
    uint16_t detail;       /* OPENED: the listener's short name; RECEIVED: the lease to return; CLOSED: iocp_close_reason;
                            * POSTED: iocp_letter_kind; TIMER: IOCP_TIMER_NAMED or 0 */
    iocp_completion_kind kind;
    uint8_t reserved;
} iocp_completion;

_Static_assert(sizeof(iocp_completion) == 32, "two records share a cache line");

#endif
