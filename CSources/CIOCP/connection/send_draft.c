/* Writes one send piece by piece, and joins it to a queue or gives it back. */
#include "send_draft.h"

#include <errno.h>
#include <string.h>

#include "../base/check.h"
#include "../base/limits.h"
#include "send_pieces.h"

static uint32_t offset_in_chunk(const iocp_send_pool *pool, uint32_t chunk, const uint8_t *start)
{
    return (uint32_t)(start - iocp_send_chunks_start(pool->chunks, chunk));
}

static void forget_room(iocp_send_pool *pool)
{
    if (pool->draft.room == IOCP_ROOM_SPARE)
        iocp_send_chunks_release(pool->chunks, pool->draft.spare_chunk);
    pool->draft.room = IOCP_ROOM_NONE;
    pool->draft.room_bytes = 0;
}

void iocp_send_draft_open(iocp_send_pool *pool, iocp_token connection, bool own)
{
    IOCP_CHECK(!pool->draft.open, "a second draft was opened");
    pool->draft =
        (iocp_send_draft){.queue = iocp_send_queue_empty(), .connection = connection, .own = own, .open = true};
}

int iocp_send_draft_append(iocp_send_pool *pool, const uint8_t *bytes, uint32_t count_bytes)
{
    forget_room(pool);
    return iocp_send_queue_copy(pool, &pool->draft.queue, bytes, count_bytes, pool->draft.own);
}

/* --- writing in place --------------------------------------------------------------------------------------- */

static void place_behind_tail(iocp_send_pool *pool)
{
    const iocp_send_node *tail = &pool->nodes[pool->draft.queue.tail];
    pool->draft.room = IOCP_ROOM_TAIL;
    pool->draft.room_start = (uint8_t *)tail->start + tail->count_bytes;
}

static bool place_at_fill_mark(iocp_send_pool *pool)
{
    const uint32_t chunk = iocp_send_chunks_current(pool->chunks);
    const uint32_t used_bytes = pool->chunks->current_used_bytes;
    if (chunk == IOCP_CHUNK_NONE || pool->draft.room_bytes > IOCP_SEND_CHUNK_BYTES - used_bytes)
        return false;
    pool->draft.room = IOCP_ROOM_CURRENT;
    pool->draft.room_start = iocp_send_chunks_start(pool->chunks, chunk) + used_bytes;
    return true;
}

static void place_in_spare_chunk(iocp_send_pool *pool)
{
    const uint32_t chunk = iocp_send_chunks_take(pool->chunks);
    IOCP_CHECK(chunk != IOCP_CHUNK_NONE, "room that was found to be there was not");
    pool->draft.room = IOCP_ROOM_SPARE;
    pool->draft.room_start = iocp_send_chunks_start(pool->chunks, chunk);
    pool->draft.spare_chunk = chunk;
}

int iocp_send_draft_reserve(iocp_send_pool *pool, uint32_t capacity_bytes)
{
    iocp_send_draft *draft = &pool->draft;
    forget_room(pool);
    /* As for a copy of as many bytes: where there is room for them, but not in one place, a whole chunk is free. */
    if (!iocp_send_queue_has_room(pool, &draft->queue, capacity_bytes, draft->own))
        return -ENOBUFS;
    draft->room_bytes = capacity_bytes;
    if (capacity_bytes <= iocp_send_queue_tail_room_bytes(pool, &draft->queue))
        place_behind_tail(pool);
    else if (draft->own || !place_at_fill_mark(pool))
        place_in_spare_chunk(pool);
    return 0;
}

/* A piece of the draft that begins where its room does, and refers to a chunk that the caller holds for it. */
static iocp_send_node *begin_piece(iocp_send_pool *pool, iocp_piece piece, uint32_t chunk)
{
    iocp_send_node *node = iocp_send_queue_append_piece(pool, &pool->draft.queue, piece);
    IOCP_CHECK(node != NULL, "room that was found to be there was not");
    node->start = pool->draft.room_start;
    node->owner.chunk = chunk;
    return node;
}

static void grow(iocp_send_pool *pool, iocp_send_node *node, uint32_t count_bytes)
{
    node->count_bytes += count_bytes;
    pool->draft.queue.unsent_bytes += count_bytes;
    if (node->piece == IOCP_PIECE_CHUNK)
        pool->chunks->current_used_bytes =
            offset_in_chunk(pool, node->owner.chunk, node->start) + node->count_bytes;
}

/* The chunk of the room becomes the current one, or the connection's own. */
static iocp_send_node *begin_in_spare_chunk(iocp_send_pool *pool)
{
    iocp_send_chunks *chunks = pool->chunks;
    const uint32_t chunk = pool->draft.spare_chunk;
    pool->draft.room = IOCP_ROOM_NONE; /* its reference is the piece's, or of the chunk that is current */
    if (pool->draft.own) {
        iocp_send_chunks_stall(chunks, chunk);
        return begin_piece(pool, IOCP_PIECE_OWN, chunk);
    }
    if (chunks->current != IOCP_CHUNK_NONE)
        iocp_send_chunks_release(chunks, chunks->current);
    chunks->current = chunk;
    iocp_send_chunks_retain(chunks, chunk);
    return begin_piece(pool, IOCP_PIECE_CHUNK, chunk);
}

/* How much fits without one more chunk: what was written into a spare chunk moves there. A chunk that is kept for a few
 * bytes of a large room would be lost to all others until they were sent. */
static uint32_t room_without_spare_bytes(const iocp_send_pool *pool)
{
    if (pool->draft.own)
        return iocp_send_queue_tail_room_bytes(pool, &pool->draft.queue);
    return IOCP_SEND_CHUNK_BYTES - pool->chunks->current_used_bytes;
}

static void move_out_of_spare_chunk(iocp_send_pool *pool, uint32_t count_bytes)
{
    iocp_send_draft *draft = &pool->draft;
    const int result = iocp_send_queue_copy(pool, &draft->queue, draft->room_start, count_bytes, draft->own);
    IOCP_CHECK(result == 0, "room that was found to be there was not");
}

void iocp_send_draft_keep(iocp_send_pool *pool, uint32_t count_bytes)
{
    iocp_send_draft *draft = &pool->draft;
    IOCP_CHECK(count_bytes <= draft->room_bytes, "more bytes were kept than there was room for");
    switch (count_bytes > 0 ? draft->room : IOCP_ROOM_NONE) {
    case IOCP_ROOM_NONE:
        break;
    case IOCP_ROOM_TAIL:
        grow(pool, &pool->nodes[draft->queue.tail], count_bytes);
        break;
    case IOCP_ROOM_CURRENT:
        iocp_send_chunks_retain(pool->chunks, pool->chunks->current);
        grow(pool, begin_piece(pool, IOCP_PIECE_CHUNK, pool->chunks->current), count_bytes);
        break;
    case IOCP_ROOM_SPARE:
        if (count_bytes > room_without_spare_bytes(pool))
            grow(pool, begin_in_spare_chunk(pool), count_bytes);
        else
            move_out_of_spare_chunk(pool, count_bytes);
        break;
    }
    forget_room(pool);
}

/* --- the end ------------------------------------------------------------------------------------------------ */

/* Lets the first piece go on in the last one of a queue, where it lies behind it or fits into its own chunk. Otherwise
 * each small draft would take a node, and behind a full socket a chunk. */
static void merge_first(iocp_send_pool *pool, iocp_send_queue *queue)
{
    if (queue->tail == IOCP_NODE_NONE)
        return;
    iocp_send_node *tail = &pool->nodes[queue->tail];
    const iocp_send_node *first = &pool->nodes[pool->draft.queue.head];
    if (first->piece != tail->piece)
        return;
    uint8_t *end = (uint8_t *)tail->start + tail->count_bytes;
    if (tail->piece == IOCP_PIECE_OWN && first->count_bytes <= iocp_send_queue_tail_room_bytes(pool, queue))
        memcpy(end, first->start, first->count_bytes);
    else if (tail->piece != IOCP_PIECE_CHUNK || tail->owner.chunk != first->owner.chunk || end != first->start)
        return;
    tail->count_bytes += first->count_bytes;
    iocp_send_queue_remove_head(pool, &pool->draft.queue);
}

uint32_t iocp_send_draft_join(iocp_send_pool *pool, iocp_send_queue *queue)
{
    iocp_send_draft *draft = &pool->draft;
    const uint32_t count_bytes = draft->queue.unsent_bytes;
    forget_room(pool);
    if (count_bytes > 0)
        merge_first(pool, queue);
    if (draft->queue.head != IOCP_NODE_NONE) {
        if (queue->tail == IOCP_NODE_NONE)
            queue->head = draft->queue.head;
        else
            pool->nodes[queue->tail].next = draft->queue.head;
        queue->tail = draft->queue.tail;
    }
    queue->unsent_bytes += count_bytes;
    draft->open = false;
    return count_bytes;
}

void iocp_send_draft_discard(iocp_send_pool *pool)
{
    iocp_send_draft *draft = &pool->draft;
    forget_room(pool);
    while (draft->queue.head != IOCP_NODE_NONE) {
        const iocp_send_node *node = &pool->nodes[draft->queue.head];
        /* Nothing was appended behind it, so the next send fills the same bytes. */
        if (node->piece == IOCP_PIECE_CHUNK && node->owner.chunk == pool->chunks->current)
            pool->chunks->current_used_bytes = offset_in_chunk(pool, node->owner.chunk, node->start);
        iocp_send_queue_remove_head(pool, &draft->queue);
    }
    draft->open = false;
}
