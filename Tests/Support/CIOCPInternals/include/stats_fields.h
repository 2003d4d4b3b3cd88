/* The counters of the stats page by number, so that a test covers each one that is ever added. */
#ifndef CIOCP_INTERNALS_STATS_FIELDS_H
#define CIOCP_INTERNALS_STATS_FIELDS_H

#include "../../../../CSources/CIOCP/stats/page.h"

uint32_t internals_stats_field_count(void);
const char *internals_stats_field_name(uint32_t field);
uint64_t internals_stats_field_get(const iocp_worker_stats *stats, uint32_t field);

/* As a worker writes: IOCP_STATS_SET and IOCP_STATS_ADD. */
void internals_stats_field_set(iocp_stats_page *page, uint32_t worker, uint32_t field, uint64_t value);
void internals_stats_field_add(iocp_stats_page *page, uint32_t worker, uint32_t field, uint64_t amount);

#endif
