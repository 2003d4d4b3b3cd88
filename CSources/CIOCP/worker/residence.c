/* Asks the kernel on which node the pages of a worker's memory lie: some at a time, as all of them may be a million. */
#include "residence.h"

#include <unistd.h>

#include "worker.h"

/* 256 pages are some 25 us: of a turn that comes ten times a second. */
enum { EVERY_NS = 100 * 1000 * 1000, LOOK_BYTES = 1 << 20, ARENAS = 5 };

static const iocp_arena *arena_at(const iocp_worker *worker, uint32_t place)
{
    const iocp_arena *const arenas[ARENAS] = {&worker->table.arena, &worker->buffers.arena, &worker->chunks.arena,
                                              &worker->pool.arena, &worker->deadlines.arena};
    return arenas[place];
}

int iocp_worker_pages(const iocp_worker *worker, uint64_t *resident, uint64_t *on_node)
{
    const int refusal = iocp_worker_refusal(worker);
    if (refusal < 0)
        return refusal;
    *resident = 0;
    *on_node = 0;
    for (uint32_t i = 0; i < ARENAS; i++) {
        const iocp_arena *arena = arena_at(worker, i);
        const int result = iocp_memory_pages(arena->start, arena->size_bytes, worker->setup.node, resident, on_node);
        if (result < 0)
            return result;
    }
    return 0;
}

void iocp_worker_begin_residence(iocp_worker *worker)
{
    /* A played clock passes without work. */
    const bool asks = worker->operations->now_ns == NULL;
    worker->residence = (iocp_residence){.due_ns = asks ? worker->now_ns : UINT64_MAX};
}

static void tell(iocp_worker *worker)
{
    const uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    IOCP_STATS_SET(worker->stats, memory_resident_bytes, worker->residence.resident * page_bytes);
    IOCP_STATS_SET(worker->stats, memory_on_node_bytes, worker->residence.on_node * page_bytes);
    worker->residence.arena = 0;
    worker->residence.resident = worker->residence.on_node = 0;
}

void iocp_worker_measure_residence(iocp_worker *worker)
{
    iocp_residence *residence = &worker->residence;
    if (worker->now_ns < residence->due_ns)
        return;
    residence->due_ns = worker->now_ns + EVERY_NS;
    const iocp_arena *arena = arena_at(worker, residence->arena);
    const size_t left_bytes = arena->size_bytes - residence->offset_bytes;
    const size_t look_bytes = left_bytes < LOOK_BYTES ? left_bytes : LOOK_BYTES;
    if (iocp_memory_pages(arena->start + residence->offset_bytes, look_bytes, worker->setup.node, &residence->resident,
                          &residence->on_node) < 0) {
        residence->due_ns = UINT64_MAX;
        return;
    }
    residence->offset_bytes += look_bytes;
    if (residence->offset_bytes < arena->size_bytes)
        return;
    residence->offset_bytes = 0;
    if (++residence->arena == ARENAS)
        tell(worker);
}
