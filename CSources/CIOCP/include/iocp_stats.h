/* The stats page: counters of every worker, in a memfd that other processes may read.
 *
 * Found through /proc/PID/fd as "/memfd:iocp-stats": it dies with its process, so nothing stale is left behind.
 * Each counter has one writer (its worker) and is monotonic unless marked as a gauge. */
#ifndef IOCP_STATS_H
#define IOCP_STATS_H

#include <stdint.h>

#include "iocp_port.h"

/* name, meaning. Order is the layout: append only. */
#define IOCP_STATS_FIELDS(FIELD)                                                            \
    FIELD(connections, "gauge: connections open now")                                       \
    FIELD(accepted, "connections accepted")                                                 \
    FIELD(connected, "connections opened by connect")                                       \
    FIELD(closed, "connections closed")                                                     \
    FIELD(received_bytes, "bytes received")                                                 \
    FIELD(sent_bytes, "bytes taken by the transport")                                       \
    FIELD(received_operations, "receives that carried bytes")                               \
    FIELD(sent_operations, "sends that ended")                                              \
    FIELD(completions, "completion records handed to the application")                      \
    FIELD(enters, "kernel entries of the loop (io_uring_enter, epoll_wait)")                \
    FIELD(starved_receives, "receives that found no buffer and waited for one")             \
    FIELD(short_sends, "sends that took less than offered")                                 \
    FIELD(posts, "posts delivered")                                                         \
    FIELD(wakes, "sleeps ended by a post")                                                  \
    FIELD(accept_failures, "accepts that failed and were retried")                          \
    FIELD(queue_overflows, "times the completion queue overflowed")                         \
    FIELD(refused_addresses, "connections refused: their address has as many as it may, or cannot be asked") \
    FIELD(delayed_accepts, "times accepting paused for the accept rate or a full table")     \
    FIELD(refused_sends, "sends refused: over a cap, or without memory")                     \
    FIELD(timeouts, "connections ended by a deadline")                                       \
    FIELD(heartbeat_ns, "gauge: monotonic clock when the latest wait ended")                 \
    FIELD(asleep, "gauge: 1 while the worker sleeps; a heartbeat is old only while it is 0") \
    FIELD(unsent_bytes, "gauge: bytes queued and not yet taken by the transport")

typedef struct iocp_worker_stats {
    uint32_t cpu;  /* UINT32_MAX when not pinned */
    uint32_t node;
#define IOCP_STATS_MEMBER(name, meaning) uint64_t name;
    IOCP_STATS_FIELDS(IOCP_STATS_MEMBER)
#undef IOCP_STATS_MEMBER
} iocp_worker_stats;

/* One worker's counters as of now. Thread: any. */
iocp_worker_stats iocp_port_stats(const iocp_port *port, uint32_t worker_index);

/* A copy of another process' stats page. That process may write anything into its page, and cut it short: what is
 * copied here was checked, and does not change until it is copied again. */
typedef struct iocp_stats_view iocp_stats_view;

/* Copies the page behind a file descriptor, which stays the caller's. -EPROTO: not a stats page, or another layout
 * version. Thread: any. */
int iocp_stats_view_open(int fd, iocp_stats_view **view);

/* The same for a path, as /proc/PID/fd/N. What is no page's kind of file is not opened: -EPROTO. Thread: any. */
int iocp_stats_view_open_path(const char *path, iocp_stats_view **view);
void iocp_stats_view_close(iocp_stats_view *view);

/* Copies the page again. -EPROTO when it is no stats page any more, or one of more or fewer workers; the counters are
 * unspecified then. Thread: one at a time. */
int iocp_stats_view_refresh(iocp_stats_view *view);

uint32_t iocp_stats_view_worker_count(const iocp_stats_view *view);

/* The driver's name: 1 to 15 lower-case letters, digits, '-' and '_'. */
const char *iocp_stats_view_driver(const iocp_stats_view *view);

/* One worker's counters as of the latest copy. */
iocp_worker_stats iocp_stats_view_worker(const iocp_stats_view *view, uint32_t worker_index);

#endif
