/* The server on io_uring.
 *
 *   main.c        the loop: one io_uring_enter per turn
 *   accept.c      clients come in, as many as the table of direct descriptors holds
 *   connection.c  arming, ending and closing, off the path of a message
 *   echo.c        what an echo does with received bytes; backlog.c keeps what a slow reader is owed
 *   room.c        what a fan-out does with them
 *   buffers.c     where bytes are received
 *   ring.c        the ring
 *
 * A slot is the number of a direct descriptor. It is closed only when no operation of it is under way, so that no
 * completion can ever speak of the connection before. */
#ifndef SERVER_H
#define SERVER_H

#include "backlog.h"
#include "buffers.h"
#include "ring.h"

typedef enum kind {
    KIND_IGNORED, /* a cancel or a close, which speak only when they fail */
    KIND_ACCEPT,
    KIND_ACCEPT_PAUSE,
    KIND_RECEIVE,
    KIND_SEND_NOW, /* speaks only when it did not send everything */
    KIND_SEND_OWED,
} kind;

enum { SLOT_NONE = UINT32_MAX };

typedef struct connection {
    const char *start;          /* of what the last send carries, while that is in one piece */
    struct io_uring_sqe *entry; /* of the last send, until it is submitted */
    ring_gather *gather;        /* what the last send carries in pieces, or NULL */
    uint32_t bytes;             /* all that it carries */
    uint32_t submission;        /* the one it belongs to */
    backlog owed;               /* an echo's */
    uint32_t next;              /* in the list of those to look at */
    bool listed;
    bool receiving;      /* a multishot receive is armed */
    bool ended;          /* the peer sent FIN */
    bool broken;         /* nothing can be sent or is worth receiving any more */
    bool owes;           /* bytes wait for the peer to read; an echo receives nothing more then */
    bool sending;        /* a send is under way that waits for the peer */
    bool cancels_receive;
    bool cancels_send;
} connection;

typedef struct acceptor {
    int listener;
    uint32_t singles; /* accepts armed for one client each */
    bool many;        /* a multishot accept is armed */
    bool cancels;
    bool paused;
} acceptor;

typedef struct server {
    ring ring;
    buffers buffers;
    acceptor acceptor;
    uint32_t capacity; /* slots */
    uint32_t count;    /* connections */
    uint32_t listed;   /* the first connection to look at */
    connection *connections; /* by slot */
    struct room *room;       /* when it fans out */
} server;

static inline uint64_t server_token(kind kind, uint32_t slot)
{
    return (uint64_t)kind << 32 | slot;
}

static inline bool server_has_prepared(const server *self, const connection *connection)
{
    return connection->submission == self->ring.submission;
}

/* An entry about the connection; there must be room. */
static inline struct io_uring_sqe *server_entry(server *self, uint8_t operation, kind kind, uint32_t slot)
{
    struct io_uring_sqe *entry = ring_entry(&self->ring);
    entry->opcode = operation;
    entry->flags = IOSQE_FIXED_FILE;
    entry->fd = (int32_t)slot;
    entry->user_data = server_token(kind, slot);
    return entry;
}

/* accept.c */

void acceptor_accepted(server *self, const struct io_uring_cqe *completion);
void acceptor_resume(server *self);

/* Arms what the room in the table allows; at the end of every turn. */
void acceptor_settle(server *self);

/* connection.c */

void connection_open(server *self, uint32_t slot);

/* Has the connection looked at when the turn ends: something about it changed besides a message. */
void connection_changed(server *self, uint32_t slot);

/* Arms, cancels, sends what is owed and closes, as the state of the changed ones demands. */
void connections_settle(server *self);

/* Cancels the operation with this token, in silence; there must be room. */
void server_cancel(server *self, uint64_t token);

/* echo.c */

void echo_received(server *self, uint32_t slot, const char *bytes, uint32_t count);
/* Of the last send of the connection only `result` bytes left, or it failed. */
void echo_sent_short(server *self, uint32_t slot, int32_t result);
void echo_send_owed(server *self, uint32_t slot);
void echo_sent_owed(server *self, uint32_t slot, int32_t result);

/* room.c */

void room_open(server *self, size_t frame_bytes);
void room_joined(server *self, uint32_t slot);
void room_left(server *self, uint32_t slot);
void room_received(server *self, uint32_t slot, const char *bytes, uint32_t count);
void room_sent_short(server *self, uint32_t slot, int32_t result);
void room_send_owed(server *self, uint32_t slot);
void room_sent_owed(server *self, uint32_t slot, int32_t result);
/* Sends what the turn brought to all; nothing of it is needed afterwards. */
void room_turn_ended(server *self);

/* main.c */

/* Handles every completion there is. */
void server_drain(server *self);

#endif
