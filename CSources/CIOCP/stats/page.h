/* The stats page, as its writers see it: a header, a directory that names the fields, and one cell per worker, each
 * written by that worker alone.
 *
 *   the header     64 bytes, an iocp_stats_header and zeros
 *   the directory  field_count entries of entry_bytes, each of which begins with an iocp_stats_entry
 *   the cells      from the next multiple of 64 on, worker_count of them, of cell_bytes: cpu and node (4 bytes each),
 *                  then the fields in the order of the directory (8 bytes each), then the histograms (8 bytes each for the
 *                  sum and for each of bucket_count buckets)
 *   the directory  behind the cells: histogram_count entries of entry_bytes, as above
 *   of histograms
 *   the counters   from the next multiple of 64 on: counter_room entries of entry_bytes, in the order in which the
 *   of the         application named them, zeros behind the last; then, from the next multiple of 64 on, worker_count + 1
 *   application    rows of counter_room numbers (8 bytes each): a row for each worker, and one for all other threads
 *
 * How the layout evolves. A reader goes by what the header and the directory say and by the names of fields, never by
 * its own table. So these changes need no new version, and older readers get along with them:
 *   - a field is added, removed, renamed or moved; a removed name is not used again for something else
 *   - a kind, unit or total gets a new code: older readers call it unknown, or leave the field out of totals
 *   - the header grows within its 64 bytes (the rest is 0 now), an entry grows behind iocp_stats_entry (entry_bytes
 *     says by how much), a cell behind its last field (cell_bytes)
 * Any other change raises IOCP_STATS_VERSION, and readers refuse a version that is not theirs. Version 1 had no
 * directory.
 *
 * A counter is read by others while it is written, so both sides use relaxed atomic loads and stores; no
 * read-modify-write is needed with one writer. */
#ifndef IOCP_STATS_PAGE_H
#define IOCP_STATS_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include "../base/limits.h"
#include "../include/iocp_stats.h"

#define IOCP_STATS_MAGIC UINT64_C(0x7374617073636f69) /* the bytes "iocspats" */
enum { IOCP_STATS_VERSION = 2, IOCP_STATS_NAME_BYTES = 32 };

typedef struct iocp_stats_cell {
    _Alignas(IOCP_CACHE_LINE_BYTES) iocp_worker_stats stats;
    iocp_stats_histogram histograms[IOCP_STATS_HISTOGRAM_COUNT];
} iocp_stats_cell;

typedef struct iocp_stats_header {
    uint64_t magic;
    uint32_t version;
    uint32_t cell_bytes;
    uint32_t worker_count;
    int32_t pid; /* in the writer's own PID namespace; a reader goes by the process that it opened */
    char driver[16];
    uint32_t field_count;
    uint32_t entry_bytes;
    uint32_t histogram_count; /* 0 in pages of older builds, as what follows */
    uint32_t bucket_count;
    uint32_t counter_room; /* 0 to 64 */
    uint32_t unused;       /* 0 */
} iocp_stats_header;

/* A field of the directory. Its codes are those of iocp_stats_kind, _unit and _total. */
typedef struct iocp_stats_entry {
    char name[IOCP_STATS_NAME_BYTES]; /* ends in zeros */
    uint8_t kind;
    uint8_t unit;
    uint8_t total;
    uint8_t unused[5]; /* 0 */
} iocp_stats_entry;

_Static_assert(sizeof(iocp_stats_header) <= IOCP_CACHE_LINE_BYTES, "the directory starts on the second cache line");
_Static_assert(sizeof(iocp_stats_entry) == 40, "the entry is the same in every build");

static inline size_t iocp_stats_line_end(size_t offset)
{
    return (offset + IOCP_CACHE_LINE_BYTES - 1) / IOCP_CACHE_LINE_BYTES * IOCP_CACHE_LINE_BYTES;
}

/* Where the cells start. */
static inline size_t iocp_stats_cells_offset(const iocp_stats_header *header)
{
    return iocp_stats_line_end(IOCP_CACHE_LINE_BYTES + (size_t)header->field_count * header->entry_bytes);
}

/* Where the histograms' directory starts. */
static inline size_t iocp_stats_histograms_offset(const iocp_stats_header *header)
{
    return iocp_stats_cells_offset(header) + (size_t)header->worker_count * header->cell_bytes;
}

/* Where the application's counters are named, and where their numbers start. */
static inline size_t iocp_stats_counters_offset(const iocp_stats_header *header)
{
    const size_t entries = (size_t)header->histogram_count * header->entry_bytes;
    return iocp_stats_line_end(iocp_stats_histograms_offset(header) + entries);
}

static inline size_t iocp_stats_numbers_offset(const iocp_stats_header *header)
{
    const size_t entries = (size_t)header->counter_room * header->entry_bytes;
    return iocp_stats_line_end(iocp_stats_counters_offset(header) + entries);
}

typedef struct iocp_stats_page {
    int fd;
    size_t size_bytes;
    iocp_stats_header *header;
    iocp_stats_cell *cells;
    iocp_stats_entry *counters;
    uint64_t *numbers;
} iocp_stats_page;

/* Creates the memfd, mode 0644. Returns 0 or -errno. */
int iocp_stats_page_open(iocp_stats_page *page, uint32_t worker_count, const char *driver);
void iocp_stats_page_close(iocp_stats_page *page);

/* A copy of a cell, taken counter by counter. */
iocp_worker_stats iocp_stats_cell_read(const iocp_stats_cell *cell);

iocp_stats_histogram iocp_stats_cell_histogram(const iocp_stats_cell *cell, uint32_t index);

/* Counts a value. Its bucket is the number of its bits. Thread: the cell's writer. */
static inline void iocp_stats_record(iocp_stats_cell *cell, iocp_stats_histogram_index index, uint64_t value)
{
    iocp_stats_histogram *histogram = &cell->histograms[index];
    const uint32_t bits = value == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(value);
    uint64_t *bucket = &histogram->buckets[bits < IOCP_STATS_BUCKETS ? bits : IOCP_STATS_BUCKETS - 1];
    __atomic_store_n(bucket, *bucket + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&histogram->sum, histogram->sum + value, __ATOMIC_RELAXED);
}

#define IOCP_STATS_SET(cell, field, value) __atomic_store_n(&(cell)->stats.field, (value), __ATOMIC_RELAXED)
#define IOCP_STATS_ADD(cell, field, amount) IOCP_STATS_SET(cell, field, (cell)->stats.field + (amount))

#endif
