/* A layer between a connection and its application, as TLS is one: what arrives is opened before it is handed out, what is
 * sent is sealed before it is queued.
 *
 * It stands below every call, so that no byte passes it by: sends of any kind, from any thread, from topics and jobs, are
 * sealed, and a graceful close or a FIN is said in the layer first. The core knows no protocol. A layer is a table of
 * functions and a context, given to a listener (iocp_listen_options) or to a connect (iocp_connect_layered).
 *
 * A connection with a layer is handed out when the layer is open: OPENED comes then, or never (CONNECT_FAILED for a
 * connect). Until then its peer has begin_timeout_ns. What the layer refuses ends the connection with IOCP_CLOSE_LAYER.
 *
 * Thread: the functions of a kind run on the connection's worker, within a wait or a call of the application's; retain and
 * release on any. None may wait, or call the worker but for iocp_layer_write. */
#ifndef IOCP_LAYER_H
#define IOCP_LAYER_H

#include <stdbool.h>
#include <stdint.h>

#include "iocp_completion.h"

typedef struct iocp_worker iocp_worker;
typedef struct iocp_send_part iocp_send_part;

/* Why a layer ended its connection: IOCP_CLOSE_LAYER carries one, negated, as its result. The numbers of alerts are those of
 * RFC 8446, 6. Append only. */
typedef enum iocp_layer_failure {
    IOCP_LAYER_PEER_REFUSED = 1000, /* + the alert that the peer sent                                           */
    IOCP_LAYER_REFUSED = 1256,      /* + the alert that was sent to the peer: what it did wrong                 */
    IOCP_LAYER_TIMED_OUT = 1512,    /* the layer did not open in begin_timeout_ns                               */
    IOCP_LAYER_CUT = 1513,          /* FIN came before the layer said that the peer has finished: bytes may be missing */
    IOCP_LAYER_UNBEGUN = 1514,      /* FIN came before the layer was open                                       */
    IOCP_LAYER_UNKNOWN = 1515,      /* the first bytes are none of this protocol                                */
    IOCP_LAYER_NO_ROOM = 1516,      /* no memory, or more were beginning than may at a time                     */
    IOCP_LAYER_BROKEN = 1517,       /* the layer itself failed                                                  */
} iocp_layer_failure;

/* What became of bytes that arrived. All zero before the call. */
typedef struct iocp_layer_opened {
    uint8_t *bytes;       /* the opened ones: within those that arrived, or a block of their own */
    uint32_t count_bytes; /* 0: nothing is to be handed out */
    bool owned;           /* `bytes` is a block of malloc(3), which goes to whoever receives the completion */
    bool is_open;         /* the layer is open from here on: both sides know each other */
    bool is_resumed;      /* by what an earlier connection left behind; with is_open */
    bool is_old;          /* by an older version of the protocol; with is_open */
    bool has_ended;       /* the peer has said that it sends no more */
} iocp_layer_opened;

typedef struct iocp_layer_kind {
    const char *name;
    uint32_t record_overhead_bytes; /* by which sealing makes a record longer, at most */

    /* Begins. The connecting side says its first word here; the accepting side begins when bytes have arrived. NULL where
     * there is no room for one more. */
    void *(*begin)(void *context, iocp_worker *worker, iocp_token connection);

    /* Opens bytes that arrived, all of them: what is not complete is kept. The place may be written to. Returns 0, or a
     * negated iocp_layer_failure: what was opened before it is handed out first. */
    int (*open)(void *state, uint8_t *bytes, uint32_t count_bytes, iocp_layer_opened *opened);

    /* Most bytes of the application's that one record holds now. */
    uint32_t (*record_bytes)(const void *state);

    /* Seals all parts, and writes what comes of them: there is room. Returns 0 or a negated iocp_layer_failure. */
    int (*seal)(void *state, const iocp_send_part *parts, uint32_t part_count);

    /* Says that no more is sent; more than once, and after a failure, it says nothing. */
    void (*finish)(void *state);

    /* The connection is gone. */
    void (*end)(void *state);

    /* References of a context. Thread: any. */
    void (*retain)(void *context);
    void (*release)(void *context);
} iocp_layer_kind;

typedef struct iocp_layer {
    const iocp_layer_kind *kind; /* NULL: no layer */
    void *context;               /* what listens or connects holds a reference of its own */
    uint64_t begin_timeout_ns;   /* 0: none */
} iocp_layer;

/* Queues bytes of the layer's own, sealed already. -ENOBUFS without memory; -EAGAIN beyond 64 KiB over the
 * connection's cap: its peer does not read; -ENOTCONN when the connection closes. Within `seal` neither of the first two
 * comes for what the kind said that sealing may add. Thread: owner, within a function of the kind. */
int iocp_layer_write(iocp_worker *worker, iocp_token connection, const void *bytes, uint32_t count_bytes);

/* The state of an open connection's layer, for what a kind can tell of it; NULL without one, for another kind's, for a stale
 * token, and before it began. Thread: owner; NULL on another. */
void *iocp_layer_state(iocp_worker *worker, iocp_token connection, const iocp_layer_kind *kind);

/* A failure in words, without a newline; NULL for a number that is none. Static storage. Thread: any. */
const char *iocp_layer_failure_words(int failure);

/* The lease of a RECEIVED completion whose bytes are a block of their own: given back by iocp_bytes_free. */
enum { IOCP_LEASE_NONE = UINT16_MAX };

/* Frees received bytes whose lease is IOCP_LEASE_NONE. Thread: any. */
void iocp_bytes_free(const uint8_t *bytes);

#endif
