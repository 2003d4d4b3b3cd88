/* A page-aligned, node-local stretch of memory, registrable with a driver as a whole.
 *
 * Huge pages where the machine has them reserved, transparent huge pages where it allows them, ordinary pages
 * otherwise; bound to a node where there is more than one. Pages are touched only as they are used. */
#ifndef IOCP_MEMORY_ARENA_H
#define IOCP_MEMORY_ARENA_H

#include <stddef.h>
#include <stdint.h>

typedef struct iocp_arena {
    uint8_t *start;
    size_t size_bytes; /* a multiple of the page size */
} iocp_arena;

/* Maps at least size_bytes, zeroed. Returns 0 or -errno; an arena of {0} is closed harmlessly. */
int iocp_arena_open(iocp_arena *arena, size_t size_bytes, uint32_t node);
void iocp_arena_close(iocp_arena *arena);

#endif
