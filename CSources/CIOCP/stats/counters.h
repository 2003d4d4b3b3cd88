/* The counters that the application names itself: a number for each worker, and one for all other threads. */
#ifndef IOCP_STATS_COUNTERS_H
#define IOCP_STATS_COUNTERS_H

#include <stdbool.h>

#include "page.h"

/* Whether a name, which is printed on somebody's terminal, has nothing but lower-case letters, digits and `others`, one letter at
 * least, and ends within its room. */
bool iocp_stats_is_name(const char *name, size_t room_bytes, const char *others);

/* Finds or adds a counter. 0, -EINVAL for what is no name or neither a counter nor a gauge, -EEXIST where the name has the other
 * kind, -ENOSPC where all places are taken. Thread: one at a time. */
int iocp_stats_page_counter(iocp_stats_page *page, const char *name, iocp_stats_kind kind, uint32_t *index);

static inline uint64_t *iocp_stats_number(const iocp_stats_page *page, uint32_t row, uint32_t index)
{
    return page->numbers + (size_t)row * IOCP_STATS_COUNTERS_MAX + index;
}

/* Adds to a worker's number. Thread: the worker's. */
void iocp_stats_number_add(const iocp_stats_page *page, uint32_t row, uint32_t index, uint64_t amount);

/* Adds to the number of all other threads. Thread: any. */
void iocp_stats_number_add_shared(const iocp_stats_page *page, uint32_t index, uint64_t amount);

/* Thread: any. */
uint64_t iocp_stats_number_read(const iocp_stats_page *page, uint32_t row, uint32_t index);

#endif
