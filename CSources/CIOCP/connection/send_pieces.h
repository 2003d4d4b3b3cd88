/* The inside of a send queue: for the files of this room that make queues and take them apart. */
#ifndef IOCP_CONNECTION_SEND_PIECES_H
#define IOCP_CONNECTION_SEND_PIECES_H

#include "send_queue.h"

static inline uint32_t iocp_send_pool_nodes_left(const iocp_send_pool *pool)
{
    return pool->node_count - pool->used_count;
}

/* An empty piece at the tail, which refers to nothing yet; NULL without a node. */
iocp_send_node *iocp_send_queue_append_piece(iocp_send_pool *pool, iocp_send_queue *queue, iocp_piece piece);

/* Gives back the piece at the head and what it refers to. Leaves unsent_bytes to the caller. */
void iocp_send_queue_remove_head(iocp_send_pool *pool, iocp_send_queue *queue);

/* By how much the tail piece can grow in place: at the fill mark of the current chunk, or in a chunk of its own. */
uint32_t iocp_send_queue_tail_room_bytes(const iocp_send_pool *pool, const iocp_send_queue *queue);

/* Whether there are chunks and nodes for count_bytes more. */
bool iocp_send_queue_has_room(const iocp_send_pool *pool, const iocp_send_queue *queue, uint32_t count_bytes, bool own);

#endif
