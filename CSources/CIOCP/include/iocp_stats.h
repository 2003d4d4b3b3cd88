/* The stats page: counters of every worker, in a memfd that other processes may read.
 *
 * Found through /proc/PID/fd as "/memfd:iocp-stats": it dies with its process, so nothing stale is left behind.
 * Each field has one writer (its worker). The table of fields is iocp_stats_fields.h.
 *
 * A page names its own fields, so builds with other tables read each other's pages as far as they agree: a field is
 * the same in both if its name, kind and unit are. */
#ifndef IOCP_STATS_H
#define IOCP_STATS_H

#include <stdint.h>

#include "iocp_port.h"
#include "iocp_stats_fields.h"

/* One worker's counters as of now. Asks the kernel what waits in its listeners' backlogs, with two system calls each; the worker
 * itself looks every 100 ms at most, between two waits. Thread: any. */
iocp_worker_stats iocp_port_stats(iocp_port *port, uint32_t worker_index);

/* One worker's histogram as of now, by its index in the table; zeros from IOCP_STATS_HISTOGRAM_COUNT on. Thread: any. */
iocp_stats_histogram iocp_port_histogram(const iocp_port *port, uint32_t worker_index, uint32_t index);

/* --- the application's own ------------------------------------------------------------------------------------ */

/* Finds or adds a counter of the application's, or a gauge, of which a port has 64 at most. The name has 1 to 31 lower-case
 * letters, digits and '_'. 0, -EINVAL for another name or kind, -EEXIST where the name has the other kind, -ENOSPC. Thread: any. */
int iocp_port_counter(iocp_port *port, const char *name, iocp_stats_kind kind, uint32_t *index);

/* How many there are, and each by its index: a row with an empty summary, whose name lasts as long as the port. Thread: any. */
uint32_t iocp_port_counter_count(iocp_port *port);
iocp_stats_field iocp_port_counter_at(const iocp_port *port, uint32_t index);

/* Adds to one; negative amounts modulo 2^64. The first is atomic, for any thread; the second is a store, for the worker's own, and
 * does nothing on another. */
void iocp_port_count(iocp_port *port, uint32_t index, uint64_t amount);
void iocp_worker_count(iocp_worker *worker, uint32_t index, uint64_t amount);

/* What a worker's thread added, or, for the row behind the last worker, what all others did. Thread: any. */
uint64_t iocp_port_counted(const iocp_port *port, uint32_t row, uint32_t index);

/* --- another process' page ------------------------------------------------------------------------------------ */

/* A copy of another process' stats page. That process may write anything into its page, and cut it short: what is
 * copied here was checked, and does not change until it is copied again. */
typedef struct iocp_stats_view iocp_stats_view;

/* Copies the page behind a file descriptor, which stays the caller's. -EPROTO: not a stats page, or one of another
 * layout version. Thread: any. */
int iocp_stats_view_open(int fd, iocp_stats_view **view);

/* The same for a path, as /proc/PID/fd/N. What is no page's kind of file is not opened: -EPROTO. Thread: any. */
int iocp_stats_view_open_path(const char *path, iocp_stats_view **view);
void iocp_stats_view_close(iocp_stats_view *view);

/* Copies the counters again. -EPROTO when it is no stats page any more, or one of another shape (more or fewer workers
 * or fields); the counters are unspecified then. Thread: one at a time. */
int iocp_stats_view_refresh(iocp_stats_view *view);

uint32_t iocp_stats_view_worker_count(const iocp_stats_view *view);

/* The driver's name: 1 to 15 lower-case letters, digits, '-' and '_'. */
const char *iocp_stats_view_driver(const iocp_stats_view *view);

/* The fields of the page, those that this build does not know among them: 1 to 128, in the page's order. */
uint32_t iocp_stats_view_field_count(const iocp_stats_view *view);

/* A field of the page, as long as the view; NULL for an index beyond the last one. No two have the same name, which is
 * 1 to 31 lower-case letters, digits and '_'. */
const iocp_stats_field *iocp_stats_view_field(const iocp_stats_view *view, uint32_t index);

/* What place a field of the page has in the table of this build; IOCP_STATS_FIELD_NONE if it has none. */
uint32_t iocp_stats_view_field_known(const iocp_stats_view *view, uint32_t index);

/* One field of one worker as of the latest copy, by the field's index in the page; 0 where there is none. */
uint64_t iocp_stats_view_value(const iocp_stats_view *view, uint32_t worker_index, uint32_t index);

/* One worker's counters as of the latest copy. Those that the page lacks are 0: iocp_stats_view_known tells them. */
iocp_worker_stats iocp_stats_view_worker(const iocp_stats_view *view, uint32_t worker_index);

/* The fields of this build that the page has. */
iocp_stats_fields iocp_stats_view_known(const iocp_stats_view *view);

/* The histograms of the page: 0 to 16, as the fields. `known` tells their place in the table of this build. */
uint32_t iocp_stats_view_histogram_count(const iocp_stats_view *view);
const iocp_stats_field *iocp_stats_view_histogram(const iocp_stats_view *view, uint32_t index);
uint32_t iocp_stats_view_histogram_known(const iocp_stats_view *view, uint32_t index);

/* A histogram of one worker as of the latest copy, by its index in the page; zeros where there is none. */
iocp_stats_histogram iocp_stats_view_histogram_value(const iocp_stats_view *view, uint32_t worker_index, uint32_t index);

/* The application's own counters, as of the latest copy: 0 to 64, each a row as of the fields. */
uint32_t iocp_stats_view_counter_count(const iocp_stats_view *view);
const iocp_stats_field *iocp_stats_view_counter(const iocp_stats_view *view, uint32_t index);

/* What a worker's thread added to one, or, for the row behind the last worker, all others; 0 where there is none. */
uint64_t iocp_stats_view_counted(const iocp_stats_view *view, uint32_t row, uint32_t index);

#endif
