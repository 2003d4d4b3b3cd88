/* Layers that are played: connections with a layer between their bytes and the application.
 *
 *   protocol.h            what both ends say
 *   kind.c                the worker's end: an iocp_layer_kind; opening.c and sealing.c, its two directions
 *   speech.c, hearing.c   what a peer says, well or not, and what it hears
 *   contexts.c            which listeners and connects have a layer; references
 *   asked.c, told.c       the ledger's side: what the core asks of a layer, and what the application is told of one
 *
 * Their choices come from a random sequence of their own, so a seed without layers plays as if there were none. */
#ifndef SIM_LAYER_H
#define SIM_LAYER_H

#include <stdbool.h>
#include <stdint.h>

#include "CIOCP.h"

#include "../random.h"
#include "protocol.h"

struct ledger;
struct ledger_life;

enum {
    LAYER_HANDED_MAX = 64, /* receives of one connection in one wait; a power of two */
    LAYER_OVERHEAD_BYTES = 2 * PROTOCOL_HEADER_BYTES + PROTOCOL_PADDING_BYTES_MAX, /* of a record and its padding */
};

/* What a listener or a connect has. Its references are counted, as the core's. */
typedef struct layer_context {
    struct layers *layers;
    struct layer_context *next;
    const iocp_layer_kind *kind;
    uint64_t begin_timeout_ns;
    uint32_t references; /* one of the scenario's own */
} layer_context;

/* Opened bytes that the application is to have next. */
typedef struct layer_handed {
    const uint8_t *place; /* what was opened, */
    const uint8_t *bytes; /* and where the opened bytes lie */
    uint32_t count_bytes;
    bool owned;
} layer_handed;

/* The layer of one connection, at the worker's end. It is remembered until the scenario ends. */
typedef struct layer_state {
    layer_context *context;
    struct layer_state *next;
    iocp_worker *worker;
    iocp_token token;
    bool is_open;
    bool said_hello;
    bool heard_hello;
    bool peer_ended;
    bool has_finished;
    bool end_unsaid;    /* there was no room for END */
    bool broke_sealing;
    bool pads;
    bool has_ended;
    int failure;        /* that it returned; 0: none */
    uint8_t key;
    uint8_t number;     /* of its next message */
    uint8_t peer_key;
    uint8_t peer_number;
    uint8_t hello_flags; /* the peer's */
    uint32_t record_bytes;
    uint64_t fed_bytes;  /* that arrived, and were given to it */
    uint8_t *kept;       /* the beginning of a message */
    uint32_t kept_bytes;
    uint32_t handed_head;
    uint32_t handed_tail;
    layer_handed handed[LAYER_HANDED_MAX];
} layer_state;

/* A peer: what it says, and what it has heard. */
typedef struct speech {
    const layer_context *context; /* of the connection it is the other end of */
    bool accepts;
    uint64_t met_ns; /* before the worker knew of the connection */
    uint32_t stream;
    uint8_t *wire; /* all it will ever say */
    uint64_t wire_bytes;
    uint64_t wire_capacity;
    uint64_t arrived_bytes; /* of those, in receive buffers */
    uint8_t key;
    uint8_t number;
    uint64_t gate_at[2];          /* before these it waits for the first and the second message of the other side */
    bool has_gate[2];
    uint8_t heard_key;
    uint8_t heard_number;
    uint64_t heard_bytes;         /* what the transport took for it, */
    uint64_t read_bytes;          /* and what it has read of that */
    uint64_t message_ends[2];     /* where the first two messages that it heard ended */
    uint32_t message_count;
    bool heard_end;
    uint8_t *pending;             /* the beginning of a message that was heard */
    uint32_t pending_bytes;
    uint32_t pending_capacity;
} speech;

/* What the stats page has to say. */
typedef struct layer_counts {
    uint64_t connections; /* that were given a layer */
    uint64_t opened;
    uint64_t resumed;
    uint64_t old;
    uint64_t refused_by_peer;
    uint64_t broken;
    uint64_t closed_cut;  /* CLOSED said so; others may have closed unseen */
    uint64_t timed_out;   /* CONNECT_FAILED said so, likewise */
} layer_counts;

/* All the layers of a scenario. */
typedef struct layers {
    bool played;
    bool listens;    /* a call is under way that listens: references that are taken are the listener's */
    struct ledger *ledger;
    sim_random random;
    layer_context *contexts;
    layer_state *states;
    layer_context *connecting; /* of the connect that is being called */
    speech **speeches; /* by stream */
    uint32_t speech_count;
    uint64_t sleeps; /* of the worker, before the latest wait */
    uint64_t turn;   /* the latest turn of the worker's loop in which a handshake took a step, */
    uint32_t steps;  /* and how many did */
    layer_counts counts;
} layers;

/* --- contexts.c --------------------------------------------------------------------------------------------- */

/* Whether a seed plays layers, and from which choices. */
void layers_begin(layers *layers, struct ledger *ledger, uint64_t seed, sim_input *input);
/* When worker and port are gone: nothing is left of any layer. */
void layers_end(layers *layers);
/* A layer for what listens or connects, or NULL for none. The scenario keeps a reference until its end. */
layer_context *layers_choose(layers *layers, bool connects);
/* Whether a client may hold on to a connection without opening its layer. */
bool layers_wait_for_ever(const layers *layers);
iocp_layer layer_of(layer_context *context);

/* --- kind.c ------------------------------------------------------------------------------------------------- */

extern const iocp_layer_kind layer_accepting;
extern const iocp_layer_kind layer_connecting;
/* It says something that nobody asked for, where it may. */
void layer_speak(layer_state *state);

/* --- speech.c ----------------------------------------------------------------------------------------------- */

speech *speech_of(const layers *layers, uint32_t stream);
/* A peer of a connection with a layer: what it will say in place of plain_bytes of its stream. */
speech *speech_new(layers *layers, const layer_context *context, uint32_t stream, uint64_t plain_bytes, bool *finishes);
uint64_t speech_may_send(const speech *speech);
void speech_free(speech *speech);

/* --- hearing.c ---------------------------------------------------------------------------------------------- */

/* The transport took bytes for a peer: they are messages, in order, and what is in them was sent by the application. */
void speech_hear(speech *speech, const struct ledger *ledger, struct ledger_life *life, const uint8_t *bytes,
                 uint32_t count_bytes);

#endif
