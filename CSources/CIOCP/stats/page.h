/* The stats page, as its writers see it: one cell per worker, each written by that worker alone.
 *
 * A counter is read by others while it is written, so both sides use relaxed atomic loads and stores; no
 * read-modify-write is needed with one writer. */
#ifndef IOCP_STATS_PAGE_H
#define IOCP_STATS_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include "../base/limits.h"
#include "../include/iocp_stats.h"

typedef struct iocp_stats_cell {
    _Alignas(IOCP_CACHE_LINE_BYTES) iocp_worker_stats stats;
} iocp_stats_cell;

typedef struct iocp_stats_header {
    uint64_t magic;
    uint32_t version;
    uint32_t cell_bytes; /* a reader built against another layout must notice */
    uint32_t worker_count;
    int32_t pid; /* in the writer's own PID namespace; a reader goes by the process that it opened */
    char driver[16];
} iocp_stats_header;

typedef struct iocp_stats_page {
    int fd;
    size_t size_bytes;
    iocp_stats_header *header;
    iocp_stats_cell *cells;
} iocp_stats_page;

/* Creates the memfd, mode 0644. Returns 0 or -errno. */
int iocp_stats_page_open(iocp_stats_page *page, uint32_t worker_count, const char *driver);
void iocp_stats_page_close(iocp_stats_page *page);

/* A copy of a cell, taken counter by counter. */
iocp_worker_stats iocp_stats_cell_read(const iocp_stats_cell *cell);

#define IOCP_STATS_SET(cell, field, value) __atomic_store_n(&(cell)->stats.field, (value), __ATOMIC_RELAXED)
#define IOCP_STATS_ADD(cell, field, amount) IOCP_STATS_SET(cell, field, (cell)->stats.field + (amount))

#endif
