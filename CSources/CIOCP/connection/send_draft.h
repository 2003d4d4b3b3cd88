/* A send while it is written: pieces that stand in no connection's queue yet.
 *
 * A draft fills the same chunks as every copy. Its pieces join the end of a queue all at once, or are given back all at
 * once, so what was not joined is never gathered for a send (guarantee G9). While a draft is open nothing else may be
 * copied into the current chunk: its writer may be filling the bytes at the fill mark. */
#ifndef IOCP_CONNECTION_SEND_DRAFT_H
#define IOCP_CONNECTION_SEND_DRAFT_H

#include "send_queue.h"

/* Opens the pool's draft. No other one may be open. `own` asks for chunks of the connection's own. */
void iocp_send_draft_open(iocp_send_pool *pool, iocp_token connection, bool own);

/* Each returns 0, or -ENOBUFS with the draft as it was; each forgets a room that was not kept.
 * reserve: contiguous room for capacity_bytes, 1 to IOCP_SEND_CHUNK_BYTES, from draft.room_start on. */
int iocp_send_draft_append(iocp_send_pool *pool, const uint8_t *bytes, uint32_t count_bytes);
int iocp_send_draft_reserve(iocp_send_pool *pool, uint32_t capacity_bytes);

/* The first count_bytes of the room are the draft's from now on; the rest of the room is nobody's. */
void iocp_send_draft_keep(iocp_send_pool *pool, uint32_t count_bytes);

/* Ends the draft: its pieces are the last of a queue. Returns how many bytes they have. */
uint32_t iocp_send_draft_join(iocp_send_pool *pool, iocp_send_queue *queue);

/* Ends the draft: its pieces, nodes and chunks, are free again. */
void iocp_send_draft_discard(iocp_send_pool *pool);

#endif
