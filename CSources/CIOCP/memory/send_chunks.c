/* Send chunks: taken, filled, shared and given back. */
#include "send_chunks.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "../base/check.h"
#include "../base/limits.h"

int iocp_send_chunks_open(iocp_send_chunks *chunks, uint32_t node, uint32_t chunk_count)
{
    *chunks = (iocp_send_chunks){.chunk_count = chunk_count, .free_count = chunk_count, .current = IOCP_CHUNK_NONE};
    const int result = iocp_arena_open(&chunks->arena, (size_t)chunk_count * IOCP_SEND_CHUNK_BYTES, node);
    if (result < 0)
        return result;
    chunks->free_ids = malloc(chunk_count * sizeof *chunks->free_ids);
    chunks->references = calloc(chunk_count, sizeof *chunks->references);
    chunks->stalled_pieces = calloc(chunk_count, sizeof *chunks->stalled_pieces);
    if (chunks->free_ids == NULL || chunks->references == NULL || chunks->stalled_pieces == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < chunk_count; i++)
        chunks->free_ids[i] = chunk_count - 1 - i;
    return 0;
}

void iocp_send_chunks_close(iocp_send_chunks *chunks)
{
    free(chunks->free_ids);
    free(chunks->references);
    free(chunks->stalled_pieces);
    iocp_arena_close(&chunks->arena);
    *chunks = (iocp_send_chunks){.current = IOCP_CHUNK_NONE};
}

uint8_t *iocp_send_chunks_start(const iocp_send_chunks *chunks, uint32_t id)
{
    return chunks->arena.start + (size_t)id * IOCP_SEND_CHUNK_BYTES;
}

uint64_t iocp_send_chunks_room_bytes(const iocp_send_chunks *chunks)
{
    uint64_t current = 0;
    if (chunks->current != IOCP_CHUNK_NONE) {
        const bool all_sent = chunks->references[chunks->current] == 1;
        current = all_sent ? IOCP_SEND_CHUNK_BYTES : IOCP_SEND_CHUNK_BYTES - chunks->current_used_bytes;
    }
    return current + (uint64_t)chunks->free_count * IOCP_SEND_CHUNK_BYTES;
}

uint32_t iocp_send_chunks_take(iocp_send_chunks *chunks)
{
    if (chunks->free_count == 0)
        return IOCP_CHUNK_NONE;
    const uint32_t id = chunks->free_ids[--chunks->free_count];
    chunks->references[id] = 1;
    return id;
}

uint32_t iocp_send_chunks_current(iocp_send_chunks *chunks)
{
    if (chunks->current != IOCP_CHUNK_NONE) {
        if (chunks->references[chunks->current] == 1)
            chunks->current_used_bytes = 0; /* everything in it was sent: start over while it is hot */
        if (chunks->current_used_bytes < IOCP_SEND_CHUNK_BYTES)
            return chunks->current;
        iocp_send_chunks_release(chunks, chunks->current);
    }
    chunks->current = iocp_send_chunks_take(chunks);
    chunks->current_used_bytes = 0;
    return chunks->current;
}

void iocp_send_chunks_retain(iocp_send_chunks *chunks, uint32_t id)
{
    chunks->references[id]++;
}

void iocp_send_chunks_release(iocp_send_chunks *chunks, uint32_t id)
{
    IOCP_CHECK(chunks->references[id] > 0, "a send chunk was released twice");
    if (--chunks->references[id] == 0)
        chunks->free_ids[chunks->free_count++] = id;
}

void iocp_send_chunks_stall(iocp_send_chunks *chunks, uint32_t id)
{
    chunks->stalled_count += chunks->stalled_pieces[id]++ == 0;
}

void iocp_send_chunks_unstall(iocp_send_chunks *chunks, uint32_t id)
{
    chunks->stalled_count -= --chunks->stalled_pieces[id] == 0;
}

uint32_t iocp_send_chunks_held(const iocp_send_chunks *chunks)
{
    uint32_t held = chunks->chunk_count - chunks->free_count;
    if (chunks->current != IOCP_CHUNK_NONE && chunks->references[chunks->current] == 1)
        held--;
    return held;
}
