/* What another process' page says of its fields, its histograms or its counters: copied and checked row by row. */
#ifndef IOCP_STATS_DIRECTORY_H
#define IOCP_STATS_DIRECTORY_H

#include <stdbool.h>

#include "page.h"

typedef struct iocp_stats_directory {
    uint32_t count;
    uint32_t known_index[IOCP_STATS_FIELDS_MAX];  /* in this build's table, or IOCP_STATS_FIELD_NONE */
    iocp_stats_field rows[IOCP_STATS_FIELDS_MAX]; /* names point into entries */
    iocp_stats_entry entries[IOCP_STATS_FIELDS_MAX];
} iocp_stats_directory;

_Static_assert(IOCP_STATS_HISTOGRAMS_MAX <= IOCP_STATS_FIELDS_MAX, "a directory has room for histograms");
_Static_assert(IOCP_STATS_COUNTERS_MAX <= IOCP_STATS_FIELDS_MAX, "and for counters");

/* Finds a row of this build's by its name; NULL where it has none. */
typedef const iocp_stats_field *iocp_stats_find(const char *name, uint32_t *index);

iocp_stats_find iocp_stats_find_field;
iocp_stats_find iocp_stats_find_histogram;
iocp_stats_find iocp_stats_find_none; /* what the application named is never a field of this build */

/* Copies `count` bytes of a page. -EPROTO for a page that ends before them, or is no file. */
int iocp_stats_copy_out(int fd, void *bytes, size_t count, size_t offset);

/* Where a directory lies in its page. */
typedef struct iocp_stats_place {
    size_t offset;
    uint32_t count;
    bool may_end_early; /* the first entry without a kind is the first that is free */
} iocp_stats_place;

/* Copies a directory anew. A row whose name this build uses for another kind or unit is not this build's. -EPROTO for a wrong
 * name, or one that is there twice. */
int iocp_stats_directory_fill(iocp_stats_directory *directory, int fd, uint32_t entry_bytes, iocp_stats_place place,
                              iocp_stats_find *find);

static inline const iocp_stats_field *iocp_stats_directory_row(const iocp_stats_directory *directory, uint32_t index)
{
    return index < directory->count ? &directory->rows[index] : NULL;
}

static inline uint32_t iocp_stats_directory_known(const iocp_stats_directory *directory, uint32_t index)
{
    return index < directory->count ? directory->known_index[index] : IOCP_STATS_FIELD_NONE;
}

#endif
