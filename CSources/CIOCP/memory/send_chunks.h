/* Memory for copied unsent bytes: fixed chunks from one arena, counted by the queued pieces that lie in them.
 *
 * Small sends of all connections are appended to one current chunk, so that a batch of replies is written and
 * read in one dense stretch. A connection whose send has to wait gets chunks of its own: a stalled peer must not
 * hold memory that others wrote into. */
#ifndef IOCP_MEMORY_SEND_CHUNKS_H
#define IOCP_MEMORY_SEND_CHUNKS_H

#include <stdint.h>

#include "arena.h"

#define IOCP_CHUNK_NONE UINT32_MAX

typedef struct iocp_send_chunks {
    iocp_arena arena;
    uint32_t chunk_count;
    uint32_t free_count;
    uint32_t *free_ids;        /* LIFO: the hottest chunk is reused first */
    uint32_t *references;      /* per chunk: pieces in it, and one while it is current */
    uint32_t *stalled_pieces;  /* per chunk: those of them that wait behind a full socket */
    uint32_t stalled_count;    /* chunks with such pieces */
    uint32_t current;          /* the chunk being filled, or IOCP_CHUNK_NONE */
    uint32_t current_used_bytes;
} iocp_send_chunks;

int iocp_send_chunks_open(iocp_send_chunks *chunks, uint32_t node, uint32_t chunk_count);
void iocp_send_chunks_close(iocp_send_chunks *chunks);

uint8_t *iocp_send_chunks_start(const iocp_send_chunks *chunks, uint32_t id);

/* Bytes that can be appended to the current chunk and to free ones. */
uint64_t iocp_send_chunks_room_bytes(const iocp_send_chunks *chunks);

/* A free chunk with one reference, or IOCP_CHUNK_NONE. */
uint32_t iocp_send_chunks_take(iocp_send_chunks *chunks);

/* The current chunk with room in it (a fresh one if need be), or IOCP_CHUNK_NONE. Takes no reference. */
uint32_t iocp_send_chunks_current(iocp_send_chunks *chunks);

void iocp_send_chunks_retain(iocp_send_chunks *chunks, uint32_t id);
void iocp_send_chunks_release(iocp_send_chunks *chunks, uint32_t id);

/* A piece in a chunk waits for a peer that does not read, or does so no more. */
void iocp_send_chunks_stall(iocp_send_chunks *chunks, uint32_t id);
void iocp_send_chunks_unstall(iocp_send_chunks *chunks, uint32_t id);

/* Chunks that hold unsent bytes. */
uint32_t iocp_send_chunks_held(const iocp_send_chunks *chunks);

#endif
