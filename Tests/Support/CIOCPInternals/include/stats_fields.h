/* What tests need of the stats page: its fields written by number, so that a test covers each one that is ever added, and
 * pages of any bytes. */
#ifndef CIOCP_INTERNALS_STATS_FIELDS_H
#define CIOCP_INTERNALS_STATS_FIELDS_H

#include "../../../../CSources/CIOCP/stats/page.h"

/* As a worker writes: IOCP_STATS_SET and IOCP_STATS_ADD. */
void internals_stats_field_set(iocp_stats_page *page, uint32_t worker, uint32_t field, uint64_t value);
void internals_stats_field_add(iocp_stats_page *page, uint32_t worker, uint32_t field, uint64_t amount);

/* A file of these bytes, of the kind that a stats page is, or -1; the caller closes it. Its name is another, so that a
 * test that looks for pages of this process does not find it. */
int internals_stats_page_of(const uint8_t *bytes, uint32_t count);

#endif
