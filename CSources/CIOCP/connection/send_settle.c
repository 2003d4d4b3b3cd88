/* What a queue does when its peer stops reading: it moves out of memory that others need, or drops its bytes. */
#include "send_queue.h"

#include "../base/limits.h"
#include "send_pieces.h"

/* A lease keeps a receive buffer from every connection; a shared chunk keeps others' room, which is worth a copy
 * only while little of it is ours. */
static bool worth_moving(const iocp_send_node *node)
{
    switch (node->piece) {
    case IOCP_PIECE_LEASE:
        return true;
    case IOCP_PIECE_CHUNK:
    case IOCP_PIECE_LEFT:
        return node->count_bytes < IOCP_SEND_CHUNK_BYTES / 2;
    case IOCP_PIECE_FREE:
    case IOCP_PIECE_OWN:
    case IOCP_PIECE_SHARED:
    case IOCP_PIECE_MARK:
        return false;
    }
    return false;
}

static void append_existing(iocp_send_pool *pool, iocp_send_queue *queue, uint32_t index)
{
    pool->nodes[index].next = IOCP_NODE_NONE;
    if (queue->tail == IOCP_NODE_NONE)
        queue->head = index;
    else
        pool->nodes[queue->tail].next = index;
    queue->tail = index;
    queue->unsent_bytes += pool->nodes[index].count_bytes;
}

/* Whether a piece can move to the tail of a queue without the reserve: what stalled peers hold of it, nobody else has. */
static bool may_move(const iocp_send_pool *pool, const iocp_send_queue *queue, const iocp_send_node *node)
{
    const uint32_t room_bytes = iocp_send_queue_tail_room_bytes(pool, queue);
    if (node->count_bytes <= room_bytes)
        return true;
    const uint32_t pieces = (node->count_bytes - room_bytes - 1) / IOCP_SEND_CHUNK_BYTES + 1;
    return pool->chunks->stalled_count + pieces + iocp_send_pool_reserve_chunks(pool) <= pool->chunks->chunk_count &&
           (pieces == 1 || iocp_send_pool_nodes_left(pool) >= pool->reserve_count + pieces - 1);
}

/* The queue is built anew, in order: pieces worth moving are copied to its tail, where they pack, the others linked. */
bool iocp_send_queue_settle(iocp_send_pool *pool, iocp_send_queue *queue)
{
    bool all_moved = true;
    iocp_send_queue settled = iocp_send_queue_empty();
    while (queue->head != IOCP_NODE_NONE) {
        const uint32_t index = queue->head;
        iocp_send_node *node = &pool->nodes[index];
        if (worth_moving(node) && may_move(pool, &settled, node) &&
            iocp_send_queue_copy(pool, &settled, node->start, node->count_bytes, true) == 0) {
            iocp_send_queue_remove_head(pool, queue);
        } else {
            all_moved = all_moved && node->piece != IOCP_PIECE_LEASE;
            if (node->piece == IOCP_PIECE_CHUNK) {
                node->piece = IOCP_PIECE_LEFT;
                iocp_send_chunks_stall(pool->chunks, node->owner.chunk);
            }
            queue->head = node->next;
            append_existing(pool, &settled, index);
        }
    }
    *queue = settled;
    return all_moved;
}

uint32_t iocp_send_queue_drop_bytes(iocp_send_pool *pool, iocp_send_queue *queue)
{
    const uint32_t dropped_bytes = queue->unsent_bytes;
    iocp_send_queue marks = iocp_send_queue_empty();
    while (queue->head != IOCP_NODE_NONE) {
        const uint32_t index = queue->head;
        if (pool->nodes[index].piece == IOCP_PIECE_MARK) {
            queue->head = pool->nodes[index].next;
            append_existing(pool, &marks, index);
        } else {
            iocp_send_queue_remove_head(pool, queue);
        }
    }
    *queue = marks;
    return dropped_bytes;
}
