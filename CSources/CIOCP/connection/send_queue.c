/* The pool of pieces, and how bytes get into a queue and leave it. */
#include "send_queue.h"

#include <errno.h>
#include <string.h>

#include "../base/check.h"
#include "../base/limits.h"
#include "send_pieces.h"

int iocp_send_pool_open(iocp_send_pool *pool, uint32_t node, uint32_t node_count, uint32_t reserve_count,
                        iocp_send_chunks *chunks, iocp_receive_buffers *buffers)
{
    *pool = (iocp_send_pool){
        .node_count = node_count, .reserve_count = reserve_count, .free_head = IOCP_NODE_NONE, .chunks = chunks,
        .buffers = buffers};
    const int result = iocp_arena_open(&pool->arena, (size_t)node_count * sizeof(iocp_send_node), node);
    pool->nodes = (iocp_send_node *)pool->arena.start;
    return result;
}

void iocp_send_pool_close(iocp_send_pool *pool)
{
    IOCP_CHECK(!pool->draft.open, "a worker was closed while a send was written in its memory");
    iocp_arena_close(&pool->arena);
    *pool = (iocp_send_pool){0};
}

/* --- the reserve -------------------------------------------------------------------------------------------- */

uint32_t iocp_send_pool_reserve_chunks(const iocp_send_pool *pool)
{
    return pool->chunks->chunk_count / IOCP_SEND_RESERVE_SHARE;
}

bool iocp_send_pool_spares_chunks(const iocp_send_pool *pool, uint32_t count_bytes)
{
    const uint32_t reserve = iocp_send_pool_reserve_chunks(pool);
    return (uint64_t)pool->chunks->free_count * IOCP_SEND_CHUNK_BYTES >=
           count_bytes + (uint64_t)reserve * IOCP_SEND_CHUNK_BYTES;
}

bool iocp_send_pool_spares_node(const iocp_send_pool *pool)
{
    return pool->node_count - pool->used_count > pool->reserve_count;
}

bool iocp_send_queue_is_short(const iocp_send_pool *pool, const iocp_send_queue *queue)
{
    uint32_t pieces = 0;
    for (uint32_t index = queue->head; index != IOCP_NODE_NONE; index = pool->nodes[index].next)
        if (++pieces == IOCP_SEND_RESERVE_NODES)
            return false;
    return true;
}

/* --- nodes ------------------------------------------------------------------------------------------------- */

iocp_send_node *iocp_send_queue_append_piece(iocp_send_pool *pool, iocp_send_queue *queue, iocp_piece piece)
{
    uint32_t index = pool->free_head;
    if (index != IOCP_NODE_NONE)
        pool->free_head = pool->nodes[index].next;
    else if (pool->untouched < pool->node_count)
        index = pool->untouched++;
    else
        return NULL;
    pool->used_count++;

    iocp_send_node *node = &pool->nodes[index];
    *node = (iocp_send_node){.piece = piece, .next = IOCP_NODE_NONE};
    if (queue->tail == IOCP_NODE_NONE)
        queue->head = index;
    else
        pool->nodes[queue->tail].next = index;
    queue->tail = index;
    return node;
}

/* Gives back what the piece refers to. */
static void release_owner(iocp_send_pool *pool, iocp_send_node *node)
{
    switch (node->piece) {
    case IOCP_PIECE_OWN:
    case IOCP_PIECE_LEFT:
        iocp_send_chunks_unstall(pool->chunks, node->owner.chunk);
        iocp_send_chunks_release(pool->chunks, node->owner.chunk);
        return;
    case IOCP_PIECE_CHUNK:
        iocp_send_chunks_release(pool->chunks, node->owner.chunk);
        return;
    case IOCP_PIECE_LEASE:
        iocp_receive_buffers_return(pool->buffers, node->owner.lease);
        return;
    case IOCP_PIECE_SHARED:
        iocp_shared_bytes_release(node->owner.shared);
        return;
    case IOCP_PIECE_MARK:
        return;
    case IOCP_PIECE_FREE:
        break;
    }
    IOCP_CHECK(false, "a free send node stood in a queue");
}

void iocp_send_queue_remove_head(iocp_send_pool *pool, iocp_send_queue *queue)
{
    const uint32_t index = queue->head;
    iocp_send_node *node = &pool->nodes[index];
    release_owner(pool, node);
    queue->head = node->next;
    if (queue->head == IOCP_NODE_NONE)
        queue->tail = IOCP_NODE_NONE;
    node->piece = IOCP_PIECE_FREE;
    node->next = pool->free_head;
    pool->free_head = index;
    pool->used_count--;
}

/* --- queueing ---------------------------------------------------------------------------------------------- */

uint32_t iocp_send_queue_tail_room_bytes(const iocp_send_pool *pool, const iocp_send_queue *queue)
{
    if (queue->tail == IOCP_NODE_NONE)
        return 0;
    const iocp_send_node *tail = &pool->nodes[queue->tail];
    if (tail->piece != IOCP_PIECE_CHUNK && tail->piece != IOCP_PIECE_OWN)
        return 0;
    const uint8_t *chunk = iocp_send_chunks_start(pool->chunks, tail->owner.chunk);
    const uint32_t end = (uint32_t)(tail->start - chunk) + tail->count_bytes;
    if (tail->piece == IOCP_PIECE_CHUNK &&
        (tail->owner.chunk != pool->chunks->current || end != pool->chunks->current_used_bytes))
        return 0;
    return IOCP_SEND_CHUNK_BYTES - end;
}

/* What a copy may have, in chunks. */
static uint64_t room_bytes(const iocp_send_pool *pool, const iocp_send_queue *queue, bool own)
{
    if (!own)
        return iocp_send_chunks_room_bytes(pool->chunks);
    return (uint64_t)pool->chunks->free_count * IOCP_SEND_CHUNK_BYTES + iocp_send_queue_tail_room_bytes(pool, queue);
}

bool iocp_send_queue_has_room(const iocp_send_pool *pool, const iocp_send_queue *queue, uint32_t count_bytes, bool own)
{
    const uint32_t nodes = count_bytes / IOCP_SEND_CHUNK_BYTES + 2;
    return count_bytes <= room_bytes(pool, queue, own) && nodes <= iocp_send_pool_nodes_left(pool) &&
           count_bytes <= UINT32_MAX - queue->unsent_bytes;
}

/* The piece the next bytes go to, and how many it takes. */
static iocp_send_node *copy_target(iocp_send_pool *pool, iocp_send_queue *queue, bool own, uint32_t *room_bytes)
{
    *room_bytes = iocp_send_queue_tail_room_bytes(pool, queue);
    if (*room_bytes > 0)
        return &pool->nodes[queue->tail];

    uint32_t offset = 0;
    uint32_t chunk;
    if (own) {
        chunk = iocp_send_chunks_take(pool->chunks);
    } else {
        chunk = iocp_send_chunks_current(pool->chunks);
        offset = pool->chunks->current_used_bytes;
    }
    IOCP_CHECK(chunk != IOCP_CHUNK_NONE, "a send that was found to fit did not");
    if (own)
        iocp_send_chunks_stall(pool->chunks, chunk);
    else
        iocp_send_chunks_retain(pool->chunks, chunk);
    iocp_send_node *node = iocp_send_queue_append_piece(pool, queue, own ? IOCP_PIECE_OWN : IOCP_PIECE_CHUNK);
    IOCP_CHECK(node != NULL, "a send that was found to fit did not");
    node->start = iocp_send_chunks_start(pool->chunks, chunk) + offset;
    node->owner.chunk = chunk;
    *room_bytes = IOCP_SEND_CHUNK_BYTES - offset;
    return node;
}

/* Appends what was found to fit. */
static void append_copy(iocp_send_pool *pool, iocp_send_queue *queue, const uint8_t *bytes, uint32_t count_bytes,
                        bool own)
{
    queue->unsent_bytes += count_bytes;
    while (count_bytes > 0) {
        uint32_t room_bytes = 0;
        iocp_send_node *node = copy_target(pool, queue, own, &room_bytes);
        const uint32_t step = count_bytes < room_bytes ? count_bytes : room_bytes;
        memcpy((uint8_t *)node->start + node->count_bytes, bytes, step);
        node->count_bytes += step;
        if (node->piece == IOCP_PIECE_CHUNK)
            pool->chunks->current_used_bytes += step;
        bytes += step;
        count_bytes -= step;
    }
}

int iocp_send_queue_copy(iocp_send_pool *pool, iocp_send_queue *queue, const uint8_t *bytes, uint32_t count_bytes,
                         bool own)
{
    if (!iocp_send_queue_has_room(pool, queue, count_bytes, own))
        return -ENOBUFS;
    append_copy(pool, queue, bytes, count_bytes, own);
    return 0;
}

/* How many nodes a copy takes, exactly: has_room asks for two at least, so that a send of many copies would be refused
 * half-way. */
static uint32_t nodes_taken(const iocp_send_pool *pool, const iocp_send_queue *queue, uint32_t count_bytes, bool own)
{
    uint32_t nodes = 0;
    uint64_t begun_bytes = iocp_send_queue_tail_room_bytes(pool, queue); /* of a chunk that is filled on */
    if (begun_bytes == 0 && !own) {
        begun_bytes = room_bytes(pool, queue, false) - (uint64_t)pool->chunks->free_count * IOCP_SEND_CHUNK_BYTES;
        nodes = begun_bytes > 0;
    }
    if (count_bytes <= begun_bytes)
        return nodes;
    return nodes + (uint32_t)((count_bytes - begun_bytes + IOCP_SEND_CHUNK_BYTES - 1) / IOCP_SEND_CHUNK_BYTES);
}

int iocp_send_queue_copy_on(iocp_send_pool *pool, iocp_send_queue *queue, const uint8_t *bytes, uint32_t count_bytes,
                            bool own)
{
    if (count_bytes > room_bytes(pool, queue, own) || count_bytes > UINT32_MAX - queue->unsent_bytes ||
        nodes_taken(pool, queue, count_bytes, own) > iocp_send_pool_nodes_left(pool))
        return -ENOBUFS;
    append_copy(pool, queue, bytes, count_bytes, own);
    return 0;
}

int iocp_send_queue_copy_parts(iocp_send_pool *pool, iocp_send_queue *queue, const iocp_send_part *parts,
                               uint32_t part_count, uint32_t count_bytes, bool own)
{
    /* One part begins where the one before it ended, so that all of them take the room of one copy. */
    if (!iocp_send_queue_has_room(pool, queue, count_bytes, own))
        return -ENOBUFS;
    for (uint32_t i = 0; i < part_count; i++)
        append_copy(pool, queue, parts[i].bytes, (uint32_t)parts[i].count_bytes, own);
    return 0;
}

int iocp_send_queue_lease(iocp_send_pool *pool, iocp_send_queue *queue, uint16_t lease, const uint8_t *bytes,
                          uint32_t count_bytes)
{
    if (count_bytes > UINT32_MAX - queue->unsent_bytes)
        return -ENOBUFS;
    iocp_send_node *node = iocp_send_queue_append_piece(pool, queue, IOCP_PIECE_LEASE);
    if (node == NULL)
        return -ENOBUFS;
    node->start = bytes;
    node->count_bytes = count_bytes;
    node->owner.lease = lease;
    queue->unsent_bytes += count_bytes;
    return 0;
}

int iocp_send_queue_shared(iocp_send_pool *pool, iocp_send_queue *queue, iocp_shared_bytes *shared)
{
    const uint32_t count_bytes = iocp_shared_bytes_count(shared);
    if (count_bytes > UINT32_MAX - queue->unsent_bytes)
        return -ENOBUFS;
    iocp_send_node *node = iocp_send_queue_append_piece(pool, queue, IOCP_PIECE_SHARED);
    if (node == NULL)
        return -ENOBUFS;
    iocp_shared_bytes_retain(shared);
    node->start = iocp_shared_bytes_start(shared);
    node->count_bytes = count_bytes;
    node->owner.shared = shared;
    queue->unsent_bytes += count_bytes;
    return 0;
}

int iocp_send_queue_mark(iocp_send_pool *pool, iocp_send_queue *queue, uint64_t key)
{
    iocp_send_node *node = iocp_send_queue_append_piece(pool, queue, IOCP_PIECE_MARK);
    if (node == NULL)
        return -ENOBUFS;
    node->owner.key = key;
    return 0;
}

/* --- sending ----------------------------------------------------------------------------------------------- */

iocp_gathered iocp_send_queue_gather(const iocp_send_pool *pool, const iocp_send_queue *queue, iocp_range *ranges,
                                     uint32_t capacity)
{
    uint32_t count = 0;
    uint64_t total = 0;
    bool has_mark = false;
    uint32_t index = queue->head;
    for (; index != IOCP_NODE_NONE && count < capacity; index = pool->nodes[index].next) {
        const iocp_send_node *node = &pool->nodes[index];
        has_mark |= node->piece == IOCP_PIECE_MARK;
        if (node->count_bytes == 0)
            continue; /* a mark, or a send of nothing */
        const uint64_t left = IOCP_SEND_BYTES_MAX - total;
        const uint32_t taken = node->count_bytes < left ? node->count_bytes : (uint32_t)left;
        total += taken;
        if (count > 0 && ranges[count - 1].start + ranges[count - 1].count_bytes == node->start)
            ranges[count - 1].count_bytes += taken; /* neighbours in memory leave as one */
        else
            ranges[count++] = (iocp_range){.start = node->start, .count_bytes = taken};
        if (taken < node->count_bytes)
            break;
    }
    return (iocp_gathered){
        .range_count = count, .count_bytes = (uint32_t)total, .whole = index == IOCP_NODE_NONE && !has_mark};
}

uint32_t iocp_send_queue_advance(iocp_send_pool *pool, iocp_send_queue *queue, uint32_t count_bytes)
{
    while (queue->head != IOCP_NODE_NONE) {
        iocp_send_node *node = &pool->nodes[queue->head];
        if (node->piece == IOCP_PIECE_MARK)
            break;
        if (node->count_bytes > count_bytes) {
            node->start += count_bytes;
            node->count_bytes -= count_bytes;
            queue->unsent_bytes -= count_bytes;
            return 0;
        }
        count_bytes -= node->count_bytes;
        queue->unsent_bytes -= node->count_bytes;
        iocp_send_queue_remove_head(pool, queue);
    }
    return count_bytes;
}

bool iocp_send_queue_take_mark(iocp_send_pool *pool, iocp_send_queue *queue, uint64_t *key)
{
    if (queue->head == IOCP_NODE_NONE || pool->nodes[queue->head].piece != IOCP_PIECE_MARK)
        return false;
    return iocp_send_queue_drop(pool, queue, key);
}

bool iocp_send_queue_drop(iocp_send_pool *pool, iocp_send_queue *queue, uint64_t *key)
{
    const iocp_send_node *node = &pool->nodes[queue->head];
    const bool mark = node->piece == IOCP_PIECE_MARK;
    if (mark)
        *key = node->owner.key;
    queue->unsent_bytes -= node->count_bytes;
    iocp_send_queue_remove_head(pool, queue);
    return mark;
}
