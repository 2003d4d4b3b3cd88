/* One connection's state, and the table of them.
 *
 * A slot is free, or in one life of a connection named by its generation. Slots are handed out in turn, the one that
 * was free for longest first: so a name comes back as late as it can. */
#ifndef IOCP_CONNECTION_SLOT_H
#define IOCP_CONNECTION_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/token.h"
#include "../memory/arena.h"
#include "address_counts.h"
#include "guests.h"
#include "../include/iocp_connection.h"
#include "../include/iocp_layer.h"
#include "send_queue.h"

#define IOCP_SLOT_NONE UINT32_MAX
#define IOCP_HANDLE_NONE UINT32_MAX

typedef enum iocp_slot_state : uint8_t {
    IOCP_SLOT_FREE = 0,
    IOCP_SLOT_CONNECTING = 1,
    IOCP_SLOT_OPEN = 2,
    IOCP_SLOT_FLUSHING = 3,  /* graceful close: what is queued is still being sent */
    IOCP_SLOT_LINGERING = 4, /* FIN sent; received bytes are dropped until the peer's FIN or the timeout */
    IOCP_SLOT_DRAINING = 5,  /* every outstanding operation is cancelled and awaited */
    IOCP_SLOT_CLOSING = 6,   /* nothing outstanding but the driver's close */
    IOCP_SLOT_HELD = 7,      /* accepted; whether it may stay is not known, as its address could not be asked yet */
    IOCP_SLOT_LEAVING = 8,   /* on its way to another worker: nothing is outstanding, and the application was told */
    IOCP_SLOT_AWAY = 9,      /* it lives with another worker: the slot keeps its name */
} iocp_slot_state;

/* Each kind of operation has at most one with the driver. SUBMITTED and CANCELLED are the states of one that is: its
 * terminal event is still to come, and CANCELLED means that its cancel was submitted. */
typedef enum iocp_receive_state : uint8_t {
    IOCP_RECEIVE_NONE = 0,
    IOCP_RECEIVE_SUBMITTED = 1,
    IOCP_RECEIVE_CANCELLED = 2,
    IOCP_RECEIVE_STARVED = 3,  /* in the FIFO of those that wait for a receive buffer */
    IOCP_RECEIVE_FINISHED = 4, /* the peer's FIN arrived: nothing more comes */
} iocp_receive_state;

/* Tells of the peer's reset while receiving is paused. */
typedef enum iocp_watch_state : uint8_t {
    IOCP_WATCH_NONE = 0,
    IOCP_WATCH_SUBMITTED = 1,
    IOCP_WATCH_CANCELLED = 2,
    IOCP_WATCH_SPENT = 3, /* it has nothing more to tell */
} iocp_watch_state;

typedef enum iocp_send_state : uint8_t {
    IOCP_SEND_NONE = 0,
    IOCP_SEND_SUBMITTED = 1,
    IOCP_SEND_CANCELLED = 2,
    IOCP_SEND_DELAYED = 3, /* the kernel had no memory for the last one: the slot's deadline sends again */
} iocp_send_state;

/* Our FIN. */
typedef enum iocp_finish_state : uint8_t {
    IOCP_FINISH_NONE = 0,
    IOCP_FINISH_WANTED = 1,    /* due once the queue is empty */
    IOCP_FINISH_SUBMITTED = 2, /* a shutdown is with the driver */
    IOCP_FINISH_SENT = 3,
} iocp_finish_state;

/* How the connection came to be. */
typedef enum iocp_connect_state : uint8_t {
    IOCP_CONNECT_NONE = 0, /* it was accepted */
    IOCP_CONNECT_SUBMITTED = 1,
    IOCP_CONNECT_CANCELLED = 2,
    IOCP_CONNECT_FAILED = 3,
    IOCP_CONNECT_OPENED = 4,
    IOCP_CONNECT_LAYERING = 5, /* the transport is there, and its layer is not open yet */
} iocp_connect_state;

/* What stands between its bytes and the application (iocp_layer.h). */
typedef enum iocp_layer_stage : uint8_t {
    IOCP_LAYER_NONE = 0,
    IOCP_LAYER_BEGINNING = 1,
    IOCP_LAYER_OPEN = 2,
    IOCP_LAYER_ENDED = 3, /* the peer has finished in the layer, or the layer failed: nothing more is opened */
} iocp_layer_stage;

/* Which buffers it receives into, where a driver fills whole ones. */
typedef enum iocp_buffer_choice : uint8_t {
    IOCP_BUFFERS_SMALL = 0,
    IOCP_BUFFERS_LARGE_NEXT = 1, /* it fills small ones: its next receive takes large ones */
    IOCP_BUFFERS_LARGE = 2,
} iocp_buffer_choice;

/* What is true of a connection beside those states. */
typedef enum iocp_slot_flag : uint16_t {
    IOCP_SLOT_DIRTY = 1 << 0,          /* listed for service at the next flush */
    IOCP_SLOT_ANNOUNCED = 1 << 1,      /* OPENED was handed out, so CLOSED is owed */
    IOCP_SLOT_ABORT = 1 << 2,          /* close with RST */
    IOCP_SLOT_PAUSED = 1 << 3,         /* the application paused receiving */
    IOCP_SLOT_PRESSED = 1 << 4,        /* unsent bytes reached the high mark: receiving pauses until the low one */
    IOCP_SLOT_UNHELD = 1 << 5,         /* its own unsent bytes do not hold its receive back */
    IOCP_SLOT_RETRIED = 1 << 6,        /* found no buffer, tried again, and has received nothing since */
    IOCP_SLOT_STALLED = 1 << 7,        /* the last send was short: the next one waits for room */
    IOCP_SLOT_SEND_COUNTED = 1 << 8,   /* the send in flight is silent: counted as taken when it was submitted */
    IOCP_SLOT_SEND_MARKED = 1 << 9,    /* sent_mark_bytes is known */
    IOCP_SLOT_IDLE_MARKED = 1 << 10,   /* idle_mark_bytes is known: at the latest look the peer was still reading */
    IOCP_SLOT_DOUBTED = 1 << 11,       /* it is judged once the send in flight ends, which was cancelled for it */
    IOCP_SLOT_OWN_MARKS = 1 << 12,     /* its marks are its own: see iocp_slot_terms */
    IOCP_SLOT_OWN_TIMEOUTS = 1 << 13,  /* and its timeouts */
    IOCP_SLOT_UNSENT_NOTICE = 1 << 14, /* UNSENT_FELL is owed */
    IOCP_SLOT_STAYS = 1 << 15,         /* a stop leaves its close to the application until the drain is over */
} iocp_slot_flag;

/* Two cache lines: the first holds what every message touches. */
typedef struct iocp_slot {
    uint32_t generation_low;  /* see iocp_slot_generation */
    uint32_t handle;          /* the driver's name of the socket */
    uint32_t in_flight_bytes; /* offered to the send in flight */
    iocp_send_queue queue;
    uint16_t flags; /* of iocp_slot_flag */
    iocp_slot_state state;
    iocp_receive_state receive : 3;
    iocp_send_state send : 2;
    iocp_connect_state connect : 3;
    iocp_finish_state finish : 2;
    iocp_watch_state watch : 2;
    iocp_buffer_choice buffers : 2;
    iocp_layer_stage layer : 2;
    uint8_t close_reason;
    uint8_t generation_high;
    bool awaits_work : 1; /* something that it waits for is being done elsewhere: see iocp_connection_await */
    bool moves : 1;       /* it is to go to another worker: its operations end */
    bool rests : 1;       /* and have: LEAVING is due */
    bool is_guest : 1;    /* it came from another worker, which is its home */
    uint8_t keepers : 4;  /* things of the application that keep it here: see iocp_connection_keep */
    uint64_t key;
    uint64_t received_bytes;
    uint64_t sent_bytes;
    uint64_t received_ns; /* when bytes last arrived: the clock of the wait that brought them */

    _Alignas(IOCP_CACHE_LINE_BYTES) uint64_t opened_ns;
    uint64_t sent_ns;         /* when a send last took bytes, or the peer was seen to have acknowledged some; without idle
                               * timeouts, and not stalled, some time before */
    uint32_t sent_mark_bytes; /* acknowledged bytes, modulo 2^32, at the latest look of the send or linger deadline */
    uint32_t idle_mark_bytes; /* and of the idle deadline */
    uint64_t sent_mark_ns;    /* when the window of the send or linger deadline began */
    uint64_t received_mark_bytes; /* received_bytes when the window of the receive deadline began */
    uint64_t received_mark_ns;
    uint32_t next;        /* free list, starved FIFO, or held clients */
    int16_t close_result; /* 0 or -errno */
    uint16_t listener;    /* the short name of the one that it came from; 0: it connected */
    iocp_address_key address; /* as which it is counted; 0: it is not */
} iocp_slot;

_Static_assert(offsetof(iocp_slot, opened_ns) == IOCP_CACHE_LINE_BYTES, "what a message touches is one cache line");
_Static_assert(sizeof(iocp_slot) == 2 * IOCP_CACHE_LINE_BYTES, "an idle connection costs two cache lines");

/* --- what a slot's state means ------------------------------------------------------------------------------- */

static inline void iocp_slot_set(iocp_slot *slot, iocp_slot_flag flag)
{
    slot->flags |= flag;
}

static inline void iocp_slot_clear(iocp_slot *slot, uint32_t flags)
{
    slot->flags &= (uint16_t)~flags;
}

static inline bool iocp_slot_is_receiving(const iocp_slot *slot)
{
    return slot->receive == IOCP_RECEIVE_SUBMITTED || slot->receive == IOCP_RECEIVE_CANCELLED;
}

static inline bool iocp_slot_is_watching(const iocp_slot *slot)
{
    return slot->watch == IOCP_WATCH_SUBMITTED || slot->watch == IOCP_WATCH_CANCELLED;
}

static inline bool iocp_slot_is_sending(const iocp_slot *slot)
{
    return slot->send == IOCP_SEND_SUBMITTED || slot->send == IOCP_SEND_CANCELLED;
}

static inline bool iocp_slot_is_connecting(const iocp_slot *slot)
{
    return slot->connect == IOCP_CONNECT_SUBMITTED || slot->connect == IOCP_CONNECT_CANCELLED;
}

/* Whether an operation is with the driver whose terminal event is still to come, other than the close of its socket. */
static inline bool iocp_slot_awaits_events(const iocp_slot *slot)
{
    return iocp_slot_is_receiving(slot) || iocp_slot_is_sending(slot) || iocp_slot_is_watching(slot) ||
           iocp_slot_is_connecting(slot) || slot->finish == IOCP_FINISH_SUBMITTED;
}

/* States in which bytes are received, even if only to drop them. */
static inline bool iocp_slot_receives(const iocp_slot *slot)
{
    return slot->state == IOCP_SLOT_OPEN || slot->state == IOCP_SLOT_FLUSHING || slot->state == IOCP_SLOT_LINGERING;
}

/* Whether receiving pauses: the application wants it so, or unsent bytes do. */
static inline bool iocp_slot_is_held_back(const iocp_slot *slot)
{
    return (slot->flags & IOCP_SLOT_PAUSED) ||
           (slot->flags & (IOCP_SLOT_PRESSED | IOCP_SLOT_UNHELD)) == IOCP_SLOT_PRESSED;
}

/* Bytes that were counted as sent, and may not have been taken: a silent send is counted before it ends. */
static inline uint32_t iocp_slot_uncertain_bytes(const iocp_slot *slot)
{
    return slot->flags & IOCP_SLOT_SEND_COUNTED ? slot->in_flight_bytes : 0;
}

/* Whether a connect ended, or ends, without a connection. */
static inline bool iocp_slot_never_opened(const iocp_slot *slot)
{
    return slot->connect != IOCP_CONNECT_NONE && slot->connect != IOCP_CONNECT_OPENED;
}

/* Whether it counts as a connection: its transport is open, or was. */
static inline bool iocp_slot_is_connection(const iocp_slot *slot)
{
    return slot->state != IOCP_SLOT_HELD &&
           (slot->connect == IOCP_CONNECT_LAYERING || !iocp_slot_never_opened(slot));
}

/* What only some connections have. It lies beside the slots and is touched when it is used, so the others pay nothing.
 */
typedef struct iocp_slot_terms {
    iocp_send_marks marks; /* valid with IOCP_SLOT_OWN_MARKS */
    uint32_t below_bytes;  /* this and the key with IOCP_SLOT_UNSENT_NOTICE */
    uint64_t notice_key;
    iocp_timeouts timeouts; /* valid with IOCP_SLOT_OWN_TIMEOUTS */
    bool marks_changed;     /* since the slot was serviced */
    iocp_layer layer;       /* this and the state with a layer; its context is retained */
    void *layer_state;      /* NULL: it has not begun */
    uint8_t *unread;        /* what arrived for a layer that is not open, and waits for its turn: a block of malloc(3) */
    uint32_t unread_bytes;
    uint32_t next_turn;     /* behind it in the list of those that wait */
    bool has_turn;          /* it stands in that list; also in the slot's next life */
    struct iocp_travel *travel; /* of a connection that moved, or is to; NULL: it never did */
} iocp_slot_terms;

/* A FIFO of slots, linked through `next`: those that wait for a receive buffer or for admission, or are free. A slot
 * stands in one once. */
typedef struct iocp_slot_fifo {
    uint32_t head;
    uint32_t tail;
    uint32_t count;
} iocp_slot_fifo;

static inline iocp_slot_fifo iocp_slot_fifo_empty(void)
{
    return (iocp_slot_fifo){.head = IOCP_SLOT_NONE, .tail = IOCP_SLOT_NONE, .count = 0};
}

typedef struct iocp_slot_table {
    iocp_arena arena;
    iocp_arena terms_arena;
    iocp_slot *slots;
    iocp_slot_terms *terms;
    uint32_t slot_count;
    uint32_t worker;
    iocp_slot_fifo free;
    iocp_guests guests; /* connections that other workers named */
    uint32_t untouched; /* slots at and above this were never used */
    uint32_t used_count;
} iocp_slot_table;

int iocp_slot_table_open(iocp_slot_table *table, uint32_t node, uint32_t worker, uint32_t slot_count);
void iocp_slot_table_close(iocp_slot_table *table);

/* Takes a free slot and gives it a new generation. Returns its index or -ENFILE. */
int64_t iocp_slot_take(iocp_slot_table *table);

/* Undoes a take whose name nobody has heard of: the slot is the next one again. */
void iocp_slot_take_back(iocp_slot_table *table, uint32_t index);

/* Ends a slot's life; its tokens are stale from here on. */
void iocp_slot_release(iocp_slot_table *table, uint32_t index);

/* Which life of the slot this is: 40 bits, of which a token has 34. */
static inline uint64_t iocp_slot_generation(const iocp_slot *slot)
{
    return (uint64_t)slot->generation_high << 32 | slot->generation_low;
}

/* The slot that an operation is of, or NULL when its life has ended. */
static inline iocp_slot *iocp_slot_of_operation(const iocp_slot_table *table, uint64_t operation)
{
    const uint32_t index = iocp_token_slot(operation);
    if (index >= table->untouched)
        return NULL;
    iocp_slot *slot = &table->slots[index];
    if (iocp_slot_generation(slot) != iocp_token_generation(operation) || slot->state == IOCP_SLOT_FREE)
        return NULL;
    return slot;
}

/* The slot of a connection that another worker named, or NULL. */
static inline iocp_slot *iocp_slot_find_guest(const iocp_slot_table *table, iocp_token name)
{
    const uint32_t index = iocp_guests_find(&table->guests, name);
    return index != IOCP_GUEST_NONE ? &table->slots[index] : NULL;
}

/* The slot a connection's token names, or NULL when the token is stale or foreign. */
static inline iocp_slot *iocp_slot_find(const iocp_slot_table *table, iocp_token connection)
{
    if (iocp_token_worker(connection) == table->worker)
        return iocp_slot_of_operation(table, connection);
    return table->guests.count > 0 ? iocp_slot_find_guest(table, connection) : NULL;
}

static inline uint32_t iocp_slot_index(const iocp_slot_table *table, const iocp_slot *slot)
{
    return (uint32_t)(slot - table->slots);
}

static inline iocp_slot_terms *iocp_slot_terms_of(const iocp_slot_table *table, const iocp_slot *slot)
{
    return &table->terms[iocp_slot_index(table, slot)];
}

static inline uint64_t iocp_slot_token(const iocp_slot_table *table, const iocp_slot *slot, iocp_operation operation)
{
    return iocp_token_make(operation, iocp_slot_index(table, slot), iocp_slot_generation(slot));
}

static inline iocp_token iocp_slot_connection(const iocp_slot_table *table, const iocp_slot *slot)
{
    return iocp_token_join(table->worker, iocp_slot_index(table, slot), iocp_slot_generation(slot));
}

void iocp_slot_fifo_push(iocp_slot_fifo *fifo, iocp_slot_table *table, iocp_slot *slot);
iocp_slot *iocp_slot_fifo_pop(iocp_slot_fifo *fifo, iocp_slot_table *table);

/* Takes a slot out of the middle. Complexity: O(waiting slots); only for one that closes while it waits. */
void iocp_slot_fifo_remove(iocp_slot_fifo *fifo, iocp_slot_table *table, iocp_slot *slot);

#endif
