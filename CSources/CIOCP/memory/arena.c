/* Arenas: memory from mmap(2), on huge pages where there are some. */
#include "arena.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../base/limits.h"
#include "../system/topology.h"

static size_t round_up(size_t value, size_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

int iocp_arena_open(iocp_arena *arena, size_t size_bytes, uint32_t node)
{
    const int protection = PROT_READ | PROT_WRITE;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    size_t size = 0;
    void *start = MAP_FAILED;

    if (size_bytes >= IOCP_HUGE_PAGE_BYTES) {
        size = round_up(size_bytes, IOCP_HUGE_PAGE_BYTES);
        /* Without MAP_NORESERVE: an unreserved huge page that is missing later is a SIGBUS, not an error. */
        start = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    }
    if (start == MAP_FAILED) {
        size = round_up(size_bytes, (size_t)sysconf(_SC_PAGESIZE));
        start = mmap(NULL, size, protection, flags, -1, 0);
        if (start == MAP_FAILED)
            return -errno;
    }
    arena->start = start;
    arena->size_bytes = size;
    iocp_memory_bind(start, size, node);
    return 0;
}

void iocp_arena_close(iocp_arena *arena)
{
    if (arena->start != NULL)
        munmap(arena->start, arena->size_bytes);
    *arena = (iocp_arena){0};
}
