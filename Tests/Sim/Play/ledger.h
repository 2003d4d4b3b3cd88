/* The ledger: every call and every completion is entered, and held against the port's promises (G1-G5, G7, G9).
 *
 *   ledger.c        lives: who is who, what was queued, what was taken
 *   completions.c   each completion against what was asked
 *   listening.c     where clients come from, and whether they are let in
 *   Layer/          connections with a layer
 *   kernel_side.c   what the played kernel saw the worker do */
#ifndef SIM_LEDGER_H
#define SIM_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "CIOCP.h"
#include "failures.h"
#include "Layer/layer.h"

enum {
    LEDGER_SLOTS_MAX = 64,
    LEDGER_LEASES_MAX = 256,
    LEDGER_POSTS_MAX = 256, /* accepted and still to come; a power of two above every mailbox */
    LEDGER_TIMERS_MAX = 32,
    LEDGER_LISTENERS_MAX = 256, /* one after the other */
    LEDGER_NAMES = 6, /* of each slot, remembered: names may come back after seven lives, in a build with 3 bits for them */
};

/* A stretch of a stream that was queued. */
typedef struct ledger_stretch {
    uint32_t stream;
    uint32_t count_bytes;
    uint64_t position;
} ledger_stretch;

typedef struct ledger_notify {
    uint64_t key;
    uint64_t queued_bytes; /* what was queued before it */
} ledger_notify;

typedef struct ledger_notice {
    uint64_t key;
    uint64_t queued_bytes; /* what was queued when it was asked for */
    uint32_t below_bytes;
} ledger_notice;

/* What the worker asked about a peer's progress. */
typedef struct ledger_question {
    bool unanswered;
    bool sending;               /* a send was in flight: what it took was not known to the worker */
    bool acknowledged_since;    /* its peer acknowledged some bytes after the latest answer */
    bool acknowledged_between;  /* and between the latest two */
} ledger_question;

/* What stands between a connection and its application. */
typedef struct ledger_layer {
    layer_context *context; /* NULL: nothing does */
    layer_state *state;     /* NULL: it has not begun */
    speech *speech;         /* its peer */
    bool refused;           /* there was no room for it to begin */
    uint64_t sealed_bytes;  /* what became of the send that is being made, */
    uint64_t own_bytes;     /* and what the layer wrote of its own meanwhile */
    uint64_t unsent_before; /* what was unsent before that send */
    bool waits;             /* before the latest wait bytes waited for its turn, */
    uint64_t waits_at;      /* and so many had been opened */
} ledger_layer;

/* One connection, from its first name to its last completion. */
typedef struct ledger_life {
    iocp_token token; /* 0: the slot was never used */
    uint64_t key;
    uint64_t former_key; /* of completions that were made before the key was set */
    uint32_t stream;  /* what its peer sends; 0: not known yet */
    bool connecting;  /* its connect has not ended */
    bool given_up;    /* iocp_connect_cancel was accepted */
    uint64_t connect_due_ns; /* when its time is over; 0: it has no limit */
    bool opened;
    bool over;        /* CLOSED or CONNECT_FAILED was handed out */
    bool closing;     /* iocp_close was accepted */
    bool aborted;     /* iocp_abort was accepted */
    bool doomed;      /* a survey was asked that aborts it */
    bool finishing;   /* iocp_finish_sending was accepted */
    bool overflowed;  /* a send went over the cap, under the policy that closes */
    bool squeezed;    /* had unsent bytes while all of them together touched the reserve: it may have to make room */
    bool pressed;     /* unsent bytes reached the high mark, and WRITABLE is owed */
    uint32_t press_count; /* times they reached it, less the WRITABLEs that came */
    bool paused;
    bool holds_back;      /* its own unsent bytes hold its receive back */
    iocp_send_marks marks;
    iocp_timeouts timeouts;
    ledger_notice notices[2]; /* UNSENT_FELL is owed: one, and one behind another that is on its way already */
    uint32_t notice_count;
    bool peer_finished;
    bool broken;      /* the transport failed: bytes may be lost */
    uint8_t ending;   /* iocp_sim_ending, the latest; 0: none yet */
    bool stays;       /* a stop leaves it to the application */
    bool awaits;      /* so does the peer's FIN, and a stop: work of it is under way */
    bool ended_early; /* before STOPPING, and not by a FIN that was asked for */
    uint64_t over_order;   /* how many lives had ended when this one did */
    uint64_t former_order; /* the same of the life before, on this slot; 0: there was none */
    uint64_t opened_ns;
    uint32_t deaf_count;        /* waits since the transport failed, in clear weather, while it was paused */
    uint64_t acknowledged_ns;   /* when its peer last acknowledged some bytes, or it was named */
    uint64_t longest_silence_ns; /* between two such times */
    ledger_question question;   /* the latest, about what its peer has not acknowledged */
    uint64_t closing_ns;
    uint64_t closing_quiet_count;
    uint64_t received_bytes;
    uint64_t queued_bytes; /* with a layer: sealed, as these are, */
    uint64_t taken_bytes;  /* while the stretches are plain */
    uint64_t lent_bytes; /* what was queued up to the latest lease: until it is taken, it may find no memory to wait in */
    ledger_layer layer;
    ledger_stretch *stretches; /* queued and not taken */
    uint32_t stretch_head;
    uint32_t stretch_count;
    uint32_t stretch_capacity;
    ledger_notify *notifies;   /* accepted and not ended */
    uint32_t notify_head;
    uint32_t notify_count;
    uint32_t notify_capacity;
} ledger_life;

/* Received bytes that the application keeps. */
typedef struct ledger_lease {
    const uint8_t *bytes;
    uint64_t position;
    uint32_t stream;
    uint32_t count_bytes;
    uint16_t id; /* IOCP_LEASE_NONE: a block of its own */
} ledger_lease;

typedef struct ledger_timer {
    iocp_timer timer;
    uint64_t due_ns;
    bool armed;
    bool cancelled;
    bool bound; /* to a connection */
} ledger_timer;

/* What one call listened on. */
typedef struct ledger_listener {
    iocp_listener_id id;
    iocp_listener_state state;
    uint16_t port_be;
    uint32_t endpoint_count;
    layer_context *layer; /* NULL: none */
} ledger_listener;

typedef struct ledger {
    struct scenario *scenario; /* whose it is */
    uint64_t seed;
    bool tracing;
    bool has_neighbour; /* a second worker, which hands clients over to this one, and takes some of its */
    bool whole_buffers; /* receives are cancelled to move to larger buffers, too */
    bool traps; /* a broken promise ends in abort(3) */
    const iocp_port_config *config;
    const iocp_sim *sim;
    iocp_worker *worker;
    uint64_t opened_ns; /* of the worker */
    ledger_life lives[LEDGER_SLOTS_MAX];
    iocp_token names[LEDGER_SLOTS_MAX][LEDGER_NAMES]; /* the latest */
    uint64_t over_count;
    ledger_lease leases[LEDGER_LEASES_MAX];
    uint32_t lease_count;
    uint64_t posts[LEDGER_POSTS_MAX];
    uint64_t posted_ns[LEDGER_POSTS_MAX];
    uint32_t post_head;
    uint32_t post_tail;
    ledger_timer timers[LEDGER_TIMERS_MAX];
    ledger_listener listeners[LEDGER_LISTENERS_MAX];
    uint32_t listener_count;
    uint32_t closed_lately;  /* endpoints closed since the latest wait: the worker may still have their sockets */
    uint64_t connect_count;  /* connects that began */
    int failure;             /* 0, or what the driver failed with */
    bool stopped;            /* a stop was asked for */
    bool said_stopping;      /* and STOPPING came */
    uint32_t posts_before_stop; /* where the posts ended when it was asked for */
    uint64_t drained_ns;     /* when its drain ends */
    bool unasked;            /* the kernel does not tell what peers have acknowledged */
    uint64_t quiet_count; /* waits that had nothing to hand out: nothing older is owed after one */
    uint64_t completion_count;
    uint64_t closed_count;
    failures failures; /* what the kernel gave */
    layers layers;
} ledger;

/* Says which seed broke which promise, and ends the process: with status 1, or by a trap where one is wanted. */
_Noreturn void ledger_violated(const ledger *ledger, const char *rule, const char *what, iocp_token connection);

#define LEDGER_REQUIRE(ledger, condition, rule, what, connection)          \
    do {                                                                   \
        if (__builtin_expect(!(condition), 0))                             \
            ledger_violated((ledger), (rule), (what), (connection));       \
    } while (0)

/* --- ledger.c ----------------------------------------------------------------------------------------------- */

/* Forgets everything but its memory. */
void ledger_reset(ledger *ledger, uint64_t seed);

/* The life of a token; begins one where the token's slot is free. */
ledger_life *ledger_life_of(ledger *ledger, iocp_token token);
/* Whether the name of a life that ended may be another's by now, in a build with few names. */
bool ledger_may_be_back(const ledger *ledger, iocp_token token);
/* A life is over. */
void ledger_life_ends(ledger *ledger, ledger_life *life);
/* Slots are taken in turn: no other one has been free for longer than this life's. */
void ledger_check_turn(const ledger *ledger, const ledger_life *life);
/* The life of a token that is known, or NULL. */
ledger_life *ledger_find(ledger *ledger, iocp_token token);

/* Whether the connection's end is under way or near for reasons of its own, so that what is queued may be dropped. */
bool ledger_may_end(const ledger *ledger, const ledger_life *life);

/* The same, or because the port stops. */
bool ledger_may_lose(const ledger *ledger, const ledger_life *life);

void ledger_queue(ledger *ledger, ledger_life *life, uint32_t stream, uint64_t position, uint32_t count_bytes);
/* The worker owes WRITABLE, and may hold the connection's receives back. */
void ledger_press(ledger_life *life);
void ledger_notice_asked(ledger_life *life, uint32_t below_bytes, uint64_t key);
void ledger_notify_asked(ledger_life *life, uint64_t key);

/* A held lease still shows what it showed. Removes it, and returns it. */
ledger_lease ledger_lease_take(ledger *ledger, uint32_t index);

/* How many held leases are of receive buffers: what a layer opened may be a block of its own. */
uint32_t ledger_lent_count(const ledger *ledger);

/* A graceful close of it was accepted. */
void ledger_closes(const ledger *ledger, ledger_life *life);

/* A stop was asked for, whose drain ends at `drained_ns`; the first, or one that shortens it. */
void ledger_stop_asked(ledger *ledger, uint64_t drained_ns);

void ledger_post_accepted(ledger *ledger, uint64_t value);
void ledger_timer_started(ledger *ledger, uint32_t index, iocp_timer timer, uint64_t due_ns, bool bound);

/* Called after each wait in clear weather: a paused connection hears of its peer's reset. */
void ledger_check_deaf(ledger *ledger);
/* Called before every wait: what may have to make room. */
void ledger_note_pressure(ledger *ledger);
/* Holds true after every wait. */
void ledger_check_step(const ledger *ledger);
/* What is still owed to the application, and on which connection; NULL when nothing is on its way any more. */
const char *ledger_owed(const ledger *ledger, iocp_token *connection);
/* Holds true when everything was closed. */
void ledger_check_end(const ledger *ledger);

/* --- listening.c -------------------------------------------------------------------------------------------- */

/* A connection that opened came from where it says. */
void ledger_check_origin(const ledger *ledger, const iocp_completion *opened, bool connected);
/* How many endpoints are listened on, those included that pause. */
uint32_t ledger_endpoints(const ledger *ledger);
/* Holds true in clear weather, once the worker is quiet. */
void ledger_check_listeners(const ledger *ledger);
/* What clients of a port's listeners find there, or NULL. */
layer_context *ledger_layer_at(const ledger *ledger, uint16_t port_be);
/* Whether clients wait that a worker has room for, and no listener pauses. */
bool ledger_owes_clients(const ledger *ledger);

/* --- Layer/asked.c, Layer/told.c ---------------------------------------------------------------------------- */

/* What the worker's end of a layer tells. */

/* A layer is to begin; returns whether it does, and not when it `refuses`. */
bool ledger_layer_begins(ledger *ledger, const layer_context *context, iocp_token connection, bool refuses);
void ledger_layer_began(ledger *ledger, layer_state *state);
/* Bytes that arrived are given to it. */
void ledger_layer_fed(ledger *ledger, layer_state *state, const uint8_t *bytes, uint32_t count_bytes);
/* What it hands out of bytes at `place`. */
void ledger_layer_hands(const ledger *ledger, layer_state *state, const uint8_t *place, const iocp_layer_opened *opened);
void ledger_layer_opened(ledger *ledger, const layer_state *state, const iocp_layer_opened *opened);
void ledger_layer_failed(ledger *ledger, const layer_state *state);
/* It wrote, or could not, where `before` bytes were unsent; `sealing`: there has to be room. */
void ledger_layer_wrote(ledger *ledger, const layer_state *state, uint64_t before, uint32_t count_bytes, int result,
                        bool sealing);
void ledger_layer_refers(layer_context *context, int change);

/* Whether its layer ends the connection, or may. */
bool ledger_layer_may_end(const ledger *ledger, const ledger_life *life);
/* By how much a connection's unsent bytes may exceed its cap after a send. */
uint64_t ledger_layer_excess_bytes(const ledger_life *life);
/* Whether its peer has finished in the layer. */
bool ledger_layer_has_ended(const ledger_life *life);
void ledger_layer_check_opened(const ledger *ledger, const ledger_life *life);
void ledger_layer_check_received(const ledger *ledger, ledger_life *life, const iocp_completion *completion);
void ledger_layer_check_peer_finished(const ledger *ledger, const ledger_life *life);
/* FIN leaves, by a shutdown or by a close. */
void ledger_layer_check_finish(const ledger *ledger, const ledger_life *life);
/* Why a connection closed, or a connect failed; returns whether its layer is a reason. */
bool ledger_layer_check_reason(ledger *ledger, const ledger_life *life, const iocp_completion *completion);
/* Its last completion came. */
void ledger_layer_check_over(const ledger *ledger, const ledger_life *life);
/* Whether bytes that arrived before it was open wait for its turn. */
bool ledger_layer_waits(const ledger *ledger, const ledger_life *life);
/* Called before every wait: who waits for a turn. */
void ledger_layer_note_waiting(ledger *ledger);
/* Holds true after every wait. */
void ledger_layer_check_step(const ledger *ledger);
/* Holds true when everything was closed. */
void ledger_layer_check_stats(const ledger *ledger, const iocp_worker_stats *stats);
/* Peers of the played kernel speak. */
void ledger_layer_observe(iocp_sim_observer *observer);

/* --- completions.c ------------------------------------------------------------------------------------------ */

void ledger_completed(ledger *ledger, const iocp_completion *completion);

/* --- kernel_side.c ------------------------------------------------------------------------------------------ */

iocp_sim_observer ledger_observer(ledger *ledger);
/* A peer has the next bytes that the application sent. */
void ledger_take_plain(const ledger *ledger, ledger_life *life, const uint8_t *bytes, uint32_t count_bytes);

#endif
