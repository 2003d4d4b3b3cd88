/* What waits in the backlogs of a worker's listening sockets, and what they dropped. */
#ifndef IOCP_WORKER_LISTENER_BACKLOGS_H
#define IOCP_WORKER_LISTENER_BACKLOGS_H

#include <stdint.h>

#include "../stats/page.h"
#include "listener_sockets.h"

/* All backlogs of one worker, summed. */
typedef struct iocp_backlogs {
    uint64_t waiting_count;
    uint64_t limit_count;
    uint64_t dropped_count; /* since the look before */
    uint32_t socket_count;  /* listening sockets of the worker, of Unix listeners, too */
} iocp_backlogs;

/* What was seen of one listener's drops. */
typedef struct iocp_drops {
    iocp_listener_id listener;
    uint32_t seen_count;
} iocp_drops;

/* Asks the kernel about each of a worker's sockets, two system calls each. `drops`: IOCP_LISTENERS_MAX of them, which remember
 * what was counted; NULL: drops are not told. The set's operations must have `backlog`. Thread: the worker's, or any that
 * holds the lock of the set. */
iocp_backlogs iocp_listener_set_backlogs(const iocp_listener_set *set, uint32_t worker, iocp_drops drops[]);

/* What waits now, for a reader of statistics: so it is told of a worker, too, whose application holds its thread. The page is left to
 * the worker, its one writer. Thread: any. */
void iocp_listener_set_refresh_backlogs(iocp_listener_set *set, uint32_t worker, iocp_worker_stats *stats);

#endif
