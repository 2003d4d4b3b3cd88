/* A hashed timing wheel: arming, moving and disarming a deadline are O(1), 16 bytes each.
 *
 * Entries are numbered by their owner. An entry further away than one turn stays in its bucket and is passed over once
 * per turn. So a wheel for deadlines that are far away has coarse ticks, and one for short timers has fine ones: see
 * worker/timers.c. See Varghese and Lauck, "Hashed and
 * Hierarchical Timing Wheels" (1987), scheme 6. */
#ifndef IOCP_CONNECTION_DEADLINES_H
#define IOCP_CONNECTION_DEADLINES_H

#include <stdbool.h>
#include <stdint.h>

#include "../memory/arena.h"

/* Deadlines fire up to one tick late, never early. A tick is a power of two in ns: it is found without a division. */
enum {
    IOCP_COARSE_TICK_BITS = 23, /* 8.4 ms, a turn in 34 s: of connections and listeners */
    IOCP_FINE_TICK_BITS = 19,   /* 0.52 ms, a turn in 2.1 s: of user timers, once they are near */
    IOCP_WHEEL_BUCKETS = 4096,
};

#define IOCP_DEADLINE_NONE UINT32_MAX

typedef struct iocp_deadline {
    uint32_t next;
    uint32_t previous;
    uint32_t due_tick;
    uint32_t place; /* its bucket, plus 1; 0: not armed */
} iocp_deadline;

_Static_assert(sizeof(iocp_deadline) == 16, "an armed deadline costs 16 bytes");

typedef struct iocp_deadlines {
    iocp_arena arena;
    iocp_deadline *entries;
    uint32_t entry_count;
    uint32_t armed_count;
    uint32_t tick_bits;
    uint64_t start_ns;
    uint32_t current_tick; /* buckets up to and including this one were swept */
    uint32_t cursor;       /* next entry of the bucket being swept */
    uint32_t heads[IOCP_WHEEL_BUCKETS];
    uint64_t occupied[IOCP_WHEEL_BUCKETS / 64];
} iocp_deadlines;

/* A tick is 2^tick_bits ns. Deadlines lie less than 2^31 ticks ahead. */
int iocp_deadlines_open(iocp_deadlines *deadlines, uint32_t node, uint32_t entry_count, uint32_t tick_bits,
                        uint64_t now_ns);
void iocp_deadlines_close(iocp_deadlines *deadlines);

/* Arms or moves an entry. */
void iocp_deadlines_arm(iocp_deadlines *deadlines, uint32_t entry, uint64_t due_ns);
void iocp_deadlines_disarm(iocp_deadlines *deadlines, uint32_t entry); /* harmless if it is not armed */

/* The next entry that is due at now_ns, disarmed; IOCP_DEADLINE_NONE when there is no more. */
uint32_t iocp_deadlines_pop(iocp_deadlines *deadlines, uint64_t now_ns);

/* ns until a deadline may be due; UINT64_MAX when none is armed. May be early, never late. */
uint64_t iocp_deadlines_wait_ns(const iocp_deadlines *deadlines, uint64_t now_ns);

#endif
