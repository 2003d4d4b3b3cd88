/* What a connection still has to send: an ordered list of pieces, by copy or by reference.
 *
 * Pieces come from one pool per worker. A queue never knows how its bytes leave: it gathers ranges for a send and
 * is advanced by what the send took, so a short send resumes at its offset by itself (guarantee G2). */
#ifndef IOCP_CONNECTION_SEND_QUEUE_H
#define IOCP_CONNECTION_SEND_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "../include/iocp_connection.h"
#include "../memory/arena.h"
#include "../memory/range.h"
#include "../memory/receive_buffers.h"
#include "../memory/send_chunks.h"

#define IOCP_NODE_NONE UINT32_MAX

typedef enum iocp_piece : uint8_t {
    IOCP_PIECE_FREE = 0,
    IOCP_PIECE_CHUNK = 1,  /* a copy, in the shared current chunk */
    IOCP_PIECE_OWN = 2,    /* a copy, in a chunk this connection has for itself */
    IOCP_PIECE_LEASE = 3,  /* received bytes, sent back without a copy */
    IOCP_PIECE_SHARED = 4, /* shared bytes, referenced */
    IOCP_PIECE_MARK = 5,   /* no bytes: asks for a SENT completion */
    IOCP_PIECE_LEFT = 6,   /* a copy, left in a shared chunk behind a full socket */
} iocp_piece;

typedef struct iocp_send_node {
    const uint8_t *start;
    union {
        uint32_t chunk;
        uint16_t lease;
        iocp_shared_bytes *shared;
        uint64_t key;
    } owner;
    uint32_t count_bytes;
    uint32_t next;
    iocp_piece piece;
} iocp_send_node;

typedef struct iocp_send_queue {
    uint32_t head;
    uint32_t tail;
    uint32_t unsent_bytes;
} iocp_send_queue;

/* Where the room lies that a draft's writer fills in place. */
typedef enum iocp_draft_room : uint8_t {
    IOCP_ROOM_NONE = 0,
    IOCP_ROOM_TAIL = 1,    /* behind the draft's last piece */
    IOCP_ROOM_CURRENT = 2, /* at the fill mark of the current chunk */
    IOCP_ROOM_SPARE = 3,   /* in a chunk that was taken for it: the others are too full */
} iocp_draft_room;

/* One send while it is written: see send_draft.h. */
typedef struct iocp_send_draft {
    iocp_send_queue queue;    /* what was written so far */
    uint8_t *room_start;      /* bytes here are none of the draft's yet */
    uint32_t room_bytes;
    uint32_t spare_chunk;     /* with IOCP_ROOM_SPARE */
    iocp_token connection;    /* whose send it is; the worker's to know */
    int32_t refusal;          /* 0, or the first one: it is final */
    iocp_draft_room room;
    bool own;                 /* in chunks of the connection's own */
    bool open;
} iocp_send_draft;

typedef struct iocp_send_pool {
    iocp_arena arena;
    iocp_send_node *nodes;
    uint32_t node_count;
    uint32_t free_head;
    uint32_t untouched; /* nodes at and above this were never used; they join the free list lazily */
    uint32_t used_count;
    uint32_t reserve_count;
    iocp_send_chunks *chunks;
    iocp_receive_buffers *buffers;
    iocp_send_draft draft; /* of all queues: one at a time */
} iocp_send_pool;

static inline iocp_send_queue iocp_send_queue_empty(void)
{
    return (iocp_send_queue){.head = IOCP_NODE_NONE, .tail = IOCP_NODE_NONE, .unsent_bytes = 0};
}

/* Of node_count nodes, reserve_count are for queues that are short. */
int iocp_send_pool_open(iocp_send_pool *pool, uint32_t node, uint32_t node_count, uint32_t reserve_count,
                        iocp_send_chunks *chunks, iocp_receive_buffers *buffers);
void iocp_send_pool_close(iocp_send_pool *pool);

/* Chunks of a pool that only connections which keep up may have. */
uint32_t iocp_send_pool_reserve_chunks(const iocp_send_pool *pool);

/* Whether chunks, or nodes, of a pool are left beyond its reserve. */
bool iocp_send_pool_spares_chunks(const iocp_send_pool *pool, uint32_t count_bytes);
bool iocp_send_pool_spares_node(const iocp_send_pool *pool);

/* Whether a queue has fewer than IOCP_SEND_RESERVE_NODES pieces. */
bool iocp_send_queue_is_short(const iocp_send_pool *pool, const iocp_send_queue *queue);

/* Each returns 0, or -ENOBUFS with the queue unchanged. `own` asks for chunks of the connection's own. */
int iocp_send_queue_copy(iocp_send_pool *pool, iocp_send_queue *queue, const uint8_t *bytes, uint32_t count_bytes,
                         bool own);
/* The same for a part of what was found to fit as a whole: refused only where it does not. */
int iocp_send_queue_copy_on(iocp_send_pool *pool, iocp_send_queue *queue, const uint8_t *bytes, uint32_t count_bytes,
                            bool own);
/* The same for parts, whose sum is count_bytes: all of them, in order, or none. */
int iocp_send_queue_copy_parts(iocp_send_pool *pool, iocp_send_queue *queue, const iocp_send_part *parts,
                               uint32_t part_count, uint32_t count_bytes, bool own);
int iocp_send_queue_lease(iocp_send_pool *pool, iocp_send_queue *queue, uint16_t lease, const uint8_t *bytes,
                          uint32_t count_bytes);
int iocp_send_queue_shared(iocp_send_pool *pool, iocp_send_queue *queue, iocp_shared_bytes *shared);
int iocp_send_queue_mark(iocp_send_pool *pool, iocp_send_queue *queue, uint64_t key);

typedef struct iocp_gathered {
    uint32_t range_count;
    uint32_t count_bytes;
    bool whole; /* the queue holds nothing else, not even a mark */
} iocp_gathered;

/* Writes up to `capacity` ranges from the head, without removing them; adds up at most IOCP_SEND_BYTES_MAX. */
iocp_gathered iocp_send_queue_gather(const iocp_send_pool *pool, const iocp_send_queue *queue, iocp_range *ranges,
                                     uint32_t capacity);

/* Removes `count_bytes` from the head, stopping at a mark. Returns how many bytes are left to remove. */
uint32_t iocp_send_queue_advance(iocp_send_pool *pool, iocp_send_queue *queue, uint32_t count_bytes);

/* Removes a mark from the head, if one is there. */
bool iocp_send_queue_take_mark(iocp_send_pool *pool, iocp_send_queue *queue, uint64_t *key);

/* Removes the piece at the head, sent or not. Returns true with its key if it was a mark. */
bool iocp_send_queue_drop(iocp_send_pool *pool, iocp_send_queue *queue, uint64_t *key);

/* Called after a short send: moves what is left out of memory that others need (a receive buffer, a shared chunk)
 * into chunks of the connection's own. It takes no chunk and no node of the reserve for that: the rest stays where it
 * is. Returns false when received bytes are among the rest. */
bool iocp_send_queue_settle(iocp_send_pool *pool, iocp_send_queue *queue);

/* Removes everything but the marks. No send may be in flight. Returns how many bytes were unsent. */
uint32_t iocp_send_queue_drop_bytes(iocp_send_pool *pool, iocp_send_queue *queue);

#endif
