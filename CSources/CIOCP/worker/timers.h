/* User timers: a pool of them per worker, on the worker's one wheel. */
#ifndef IOCP_WORKER_TIMERS_H
#define IOCP_WORKER_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "../connection/deadlines.h"
#include "../memory/arena.h"

typedef struct iocp_timer_entry {
    uint64_t connection;
    uint64_t key;
    uint64_t due_ns;
    uint64_t life; /* odd while armed; in the timer's name, so that an old name finds nothing */
    uint64_t alias; /* its name, where it was started on another worker; 0: it was not */
    uint32_t next; /* free list */
    bool named;    /* by iocp_timer_start_named */
} iocp_timer_entry;

typedef struct iocp_timers {
    iocp_arena arena;
    iocp_timer_entry *entries;
    uint32_t entry_count;
    uint32_t free_head;
    uint32_t untouched;
    uint32_t armed_count;
    uint32_t alias_count; /* of those that are armed, the ones with an alias */
    iocp_deadlines wheel; /* of those that are near */
} iocp_timers;

struct iocp_worker;

int iocp_timers_open(iocp_timers *timers, uint32_t node, uint32_t entry_count, uint64_t now_ns);
void iocp_timers_close(iocp_timers *timers);

/* A timer is due, or near, or it has come to the horizon for which it was armed. */
void iocp_worker_timer_due(struct iocp_worker *worker, uint32_t index);

/* Of a connection that moves. A name goes on to be its timer's name, wherever it is. */
struct iocp_carried_timer;
bool iocp_timers_has_named(const struct iocp_worker *worker, uint64_t connection);
/* Lists a connection's timers in a block of malloc(3); NULL: it has none. Returns false without memory. */
bool iocp_timers_copy(const struct iocp_worker *worker, uint64_t connection, struct iocp_carried_timer **timers,
                      uint32_t *count);
/* Forgets a connection's timers. */
void iocp_timers_discard(struct iocp_worker *worker, uint64_t connection);
/* Starts them for a connection that came. Where too many are armed they end with -ENOBUFS. */
void iocp_timers_restart(struct iocp_worker *worker, uint64_t connection, const struct iocp_carried_timer *timers,
                         uint32_t count, uint64_t shift_ns);

/* Ends every armed timer with -ECANCELED: the worker stops. */
void iocp_worker_cancel_timers(struct iocp_worker *worker);

#endif
