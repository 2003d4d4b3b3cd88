/* What travels between two workers for a connection that moves (include/iocp_moving.h).
 *
 *   travel.c      the memory of it, and how it is sent;  names.c  what a connection is called
 *   dispatches.c  what a worker is sent, one after the other
 *   unmoving.c    moves that come to nothing, and ends of connections that moved
 *   moving.c      a connection that lives here is to leave: it comes to rest, and goes
 *   arriving.c    one that comes
 *   homes.c       what a home does for those that live elsewhere: it passes letters on, and holds them while they move
 *
 * A connection goes from its home to another worker and back, never past it: so its home, through which all letters come, can
 * keep them in order. From home it goes at once, with its letters behind it. To go on from elsewhere it asks its home first
 * (RECALL), which holds later letters, and answers behind those that it has passed on (GO). */
#ifndef IOCP_WORKER_TRAVEL_H
#define IOCP_WORKER_TRAVEL_H

#include "../base/chain.h"
#include "../include/iocp_moving.h"
#include "worker.h"

typedef enum iocp_dispatch_kind : uint8_t {
    IOCP_DISPATCH_PARCEL, /* the connection itself */
    IOCP_DISPATCH_LETTER, /* a letter for it, from its home */
    IOCP_DISPATCH_RECALL, /* to its home: it is to go on, hold its letters */
    IOCP_DISPATCH_GO,     /* from its home, behind every letter: it may */
    IOCP_DISPATCH_STAY,   /* from its home: it may not */
    IOCP_DISPATCH_STAYED, /* to its home: it went nowhere, its letters are awaited */
    IOCP_DISPATCH_ENDED,  /* to its home: it has closed */
} iocp_dispatch_kind;

struct iocp_travel;

/* What goes from worker to worker. Each has a place in the travel, as each is under way once at most; but letters. */
typedef struct iocp_dispatch {
    iocp_link link;
    struct iocp_travel *travel; /* retained */
    iocp_dispatch_kind kind;
} iocp_dispatch;

typedef struct iocp_forward {
    iocp_dispatch dispatch;
    iocp_letter letter;
} iocp_forward;

typedef struct iocp_carried_timer {
    iocp_timer name;
    uint64_t key;
    uint64_t due_ns;
} iocp_carried_timer;

/* Unsent bytes in one block, and a mark behind them: what the reserve of queue nodes has room for, wherever they come to. */
enum { IOCP_CARRIED_PIECES_MAX = IOCP_SEND_RESERVE_NODES };

typedef struct iocp_carried_piece {
    iocp_shared_bytes *shared; /* NULL: a mark */
    uint64_t key;
} iocp_carried_piece;

typedef enum iocp_home_stage : uint8_t {
    IOCP_HOME_HERE = 0,     /* it lives at home */
    IOCP_HOME_AWAY = 1,     /* and elsewhere: letters are passed on */
    IOCP_HOME_RECALLED = 2, /* it is to move on: they are held */
} iocp_home_stage;

typedef struct iocp_travel {
    _Atomic uint32_t references; /* its home's slot, its host's slot, and each dispatch under way */
    iocp_token name;
    iocp_worker *home;

    /* its home's */
    iocp_worker *host; /* where it lives, or goes */
    iocp_home_stage stage;
    uint32_t late_count; /* letters for it among the home's late ones */
    iocp_links held;     /* letters that wait for its move to end */

    /* of whoever the connection is with: it is handed on with the parcel */
    uint32_t from;
    uint32_t target;
    uint64_t kind; /* of the workers that it may go to */
    bool promised;       /* the target keeps a slot for it */
    bool asks;           /* a RECALL is unanswered */
    bool may_go;         /* GO was the answer */
    bool is_called_off;  /* nobody wants it any more */
    bool ends;           /* it was closed between LEAVING and going: so it stays, and ends */
    bool aborts;         /* and that by an abort */
    void *state;         /* the application's */
    void (*release_state)(void *state);
    uint64_t left_ns;    /* LEAVING was handed out, */
    uint32_t left_wait;  /* by this wait */
    uint64_t arrived_ns; /* the parcel was first looked at; 0: not yet */

    /* on the way */
    iocp_traveller traveller;
    iocp_slot slot;
    iocp_slot_terms terms;
    iocp_carried_piece pieces[IOCP_CARRIED_PIECES_MAX];
    uint32_t piece_count;
    iocp_carried_timer *timers;
    uint32_t timer_count;

    iocp_dispatch parcel, recall, go, stayed, ended;
} iocp_travel;

/* --- travel.c ------------------------------------------------------------------------------------------------- */

/* The travel of a slot, made where there is none; NULL without memory. */
iocp_travel *iocp_travel_of(iocp_worker *worker, iocp_slot *slot);
/* The slot's, or NULL. */
static inline iocp_travel *iocp_travel_find(const iocp_worker *worker, const iocp_slot *slot)
{
    return iocp_slot_terms_of(&worker->table, slot)->travel;
}
void iocp_travel_release(iocp_travel *travel);
/* Gives back what the application gave. */
void iocp_travel_drop_state(iocp_travel *travel);
/* Gives back the copies of what is unsent; the list of its timers. */
void iocp_travel_drop_pieces(iocp_travel *travel);
void iocp_travel_drop_timers(iocp_travel *travel);

/* Sends one of the travel's own dispatches, or a letter. False: the receiver takes nothing more, and it is the caller's. */
bool iocp_dispatch_send(iocp_dispatch *dispatch, iocp_dispatch_kind kind, iocp_travel *travel, iocp_worker *receiver);

/* --- dispatches.c --------------------------------------------------------------------------------------------- */

/* What is dispatched to this worker, as far as there is room for what comes of it. */
void iocp_worker_take_dispatches(iocp_worker *worker);
/* Whether something is there for the next turn. */
bool iocp_worker_has_dispatches(const iocp_worker *worker);
/* The worker is at its end: nothing is dispatched to it any more. False: something just was. */
bool iocp_worker_end_dispatches(iocp_worker *worker);
/* It is closed before its end: what is under way to it, and what it keeps for others, is given up. */
void iocp_worker_drop_dispatches(iocp_worker *worker);

/* --- moving.c ------------------------------------------------------------------------------------------------- */

/* As iocp_connection_move, for an open slot or one that is none any more. */
int iocp_moving_ask(iocp_worker *worker, iocp_slot *slot, uint32_t to_worker);
/* Of the moves that a worker takes part in; 0: of none. */
static inline uint64_t iocp_moving_kind(const iocp_worker *worker)
{
    return atomic_load_explicit(&worker->door.moves_kind, memory_order_relaxed);
}
/* Whether a slot still moves. False: it stays after all, and its move is called off. */
bool iocp_moving_goes_on(iocp_worker *worker, iocp_slot *slot);
/* A slot that moves was serviced: if nothing of it is outstanding any more, it waits for LEAVING to be handed out. */
void iocp_moving_rest(iocp_worker *worker, iocp_slot *slot);
/* Hands out LEAVING for those. When nothing else is owed to the application. */
void iocp_worker_take_leaves(iocp_worker *worker);
/* It is closed, or aborted, between LEAVING and going. */
void iocp_moving_end(iocp_worker *worker, const iocp_slot *slot, bool abort);
/* Before LEAVING, so nobody has to be told but its home. */
void iocp_moving_call_off(iocp_worker *worker, iocp_slot *slot);
/* At a flush: those that were told LEAVING go. */
void iocp_worker_depart(iocp_worker *worker);
/* Its home has answered. */
void iocp_moving_answered(iocp_worker *worker, iocp_travel *travel, bool may_go);
/* Whether LEAVING was handed out by an earlier wait, so that the application has given what it gives. */
bool iocp_moving_was_answered(const iocp_worker *worker, const iocp_slot *slot);
/* It stays here: hands out ARRIVED. */
void iocp_moving_comes_back(iocp_worker *worker, iocp_slot *slot);
/* A guest has closed, its slot is free. */
void iocp_guest_ended(iocp_worker *worker, iocp_slot *slot);

/* --- arriving.c ----------------------------------------------------------------------------------------------- */

/* A connection comes. Returns false: not now, there is no place for its socket. */
bool iocp_worker_arrive(iocp_worker *worker, iocp_travel *travel);
/* Nobody takes it. */
void iocp_travel_abandon(iocp_worker *worker, iocp_travel *travel);

/* --- homes.c -------------------------------------------------------------------------------------------------- */

/* Letters for it from before its latest return wait to be opened. */
static inline bool iocp_home_owes_letters(const iocp_travel *travel)
{
    return travel != NULL && travel->late_count > 0;
}
/* Its parcel is on its way, and so are now the letters that were held. */
void iocp_home_left(iocp_worker *worker, iocp_travel *travel, iocp_worker *host);
/* Whether letters to a connection of this home are not for its slot: it is elsewhere, on its way, or earlier ones wait. */
iocp_travel *iocp_home_absent(const iocp_worker *worker, iocp_token connection);
typedef enum iocp_redirection { IOCP_REDIRECTED, IOCP_REDIRECT_NEVER, IOCP_REDIRECT_LATER } iocp_redirection;
/* Passes a letter on, or holds it. NEVER: it is to be opened here, LATER: there is no memory or there are too many. */
iocp_redirection iocp_home_redirect(iocp_worker *worker, iocp_travel *travel, const iocp_letter *letter);
void iocp_home_recalled(iocp_worker *worker, iocp_travel *travel);
void iocp_home_stayed(iocp_worker *worker, iocp_travel *travel);
void iocp_home_ended(iocp_worker *worker, iocp_travel *travel);
/* A connection came back, to live here or to go on; true: it goes on. */
bool iocp_home_passes_on(iocp_worker *worker, iocp_travel *travel);
/* The held letters are for the slot here. */
void iocp_home_opens_held(iocp_worker *worker, iocp_travel *travel);
/* The worker stops: whoever lives elsewhere goes on there. */
void iocp_home_forgets(iocp_worker *worker);
/* The slot of this home is free. */
void iocp_home_slot_free(iocp_worker *worker, iocp_slot *slot);

#endif
