/* One hashed timing wheel per worker: arming, moving and disarming a deadline are O(1), 16 bytes each.
 *
 * Entries are numbered by their owner (a slot's index, then listeners, then user timers). An entry further away
 * than one turn stays in its bucket and is passed over once per turn. See Varghese and Lauck, "Hashed and
 * Hierarchical Timing Wheels" (1987), scheme 6. */
#ifndef IOCP_CONNECTION_DEADLINES_H
#define IOCP_CONNECTION_DEADLINES_H

#include <stdbool.h>
#include <stdint.h>

#include "../memory/arena.h"

enum {
    IOCP_TICK_NS = 8 * 1000 * 1000, /* deadlines fire up to one tick late, never early */
    IOCP_WHEEL_BUCKETS = 4096,      /* one turn is about 33 s */
};

#define IOCP_DEADLINE_NONE UINT32_MAX

typedef struct iocp_deadline {
    uint32_t next;
    uint32_t previous;
    uint32_t due_tick;
    uint32_t place;    /* its bucket, plus 1; 0: not armed */
} iocp_deadline;

_Static_assert(sizeof(iocp_deadline) == 16, "an armed deadline costs 16 bytes");

typedef struct iocp_deadlines {
    iocp_arena arena;
    iocp_deadline *entries;
    uint32_t entry_count;
    uint32_t armed_count;
    uint64_t start_ns;
    uint32_t current_tick;               /* buckets up to and including this one were swept */
    uint32_t cursor;                     /* next entry of the bucket being swept */
    uint32_t heads[IOCP_WHEEL_BUCKETS];
    uint64_t occupied[IOCP_WHEEL_BUCKETS / 64];
} iocp_deadlines;

int iocp_deadlines_open(iocp_deadlines *deadlines, uint32_t node, uint32_t entry_count, uint64_t now_ns);
void iocp_deadlines_close(iocp_deadlines *deadlines);

/* Arms or moves an entry. */
void iocp_deadlines_arm(iocp_deadlines *deadlines, uint32_t entry, uint64_t due_ns);
void iocp_deadlines_disarm(iocp_deadlines *deadlines, uint32_t entry);

/* The next entry that is due at now_ns, disarmed; IOCP_DEADLINE_NONE when there is no more. */
uint32_t iocp_deadlines_pop(iocp_deadlines *deadlines, uint64_t now_ns);

/* ns until a deadline may be due; UINT64_MAX when none is armed. May be early, never late. */
uint64_t iocp_deadlines_wait_ns(const iocp_deadlines *deadlines, uint64_t now_ns);

#endif
