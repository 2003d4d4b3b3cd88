/* The deadline wheel: arming, moving and sweeping it. */
#include "deadlines.h"

#include "../base/limits.h"

/* Half of the ticks that 32 bits count: a deadline within it is never taken for one that passed. */
_Static_assert(IOCP_DEADLINE_NS_MAX < UINT64_C(1) << (31 + IOCP_COARSE_TICK_BITS), "the horizon is told from the past");
_Static_assert(IOCP_TIMEOUT_NS_MAX <= IOCP_DEADLINE_NS_MAX, "every timeout is within the horizon");

int iocp_deadlines_open(iocp_deadlines *deadlines, uint32_t node, uint32_t entry_count, uint32_t tick_bits,
                        uint64_t now_ns)
{
    *deadlines = (iocp_deadlines){.entry_count = entry_count,
                                  .tick_bits = tick_bits,
                                  .start_ns = now_ns,
                                  .current_tick = 1,
                                  .cursor = IOCP_DEADLINE_NONE};
    for (uint32_t i = 0; i < IOCP_WHEEL_BUCKETS; i++)
        deadlines->heads[i] = IOCP_DEADLINE_NONE;
    const int result = iocp_arena_open(&deadlines->arena, (size_t)entry_count * sizeof(iocp_deadline), node);
    deadlines->entries = (iocp_deadline *)deadlines->arena.start;
    return result;
}

void iocp_deadlines_close(iocp_deadlines *deadlines)
{
    iocp_arena_close(&deadlines->arena);
    *deadlines = (iocp_deadlines){0};
}

static uint64_t tick_ns(const iocp_deadlines *deadlines)
{
    return UINT64_C(1) << deadlines->tick_bits;
}

/* 32 bits of coarse ticks last 417 days; the difference of two is compared signed, so that the count may wrap. */
static uint32_t tick_at(const iocp_deadlines *deadlines, uint64_t ns)
{
    return (uint32_t)((ns - deadlines->start_ns) >> deadlines->tick_bits) + 1;
}

static void unlink_entry(iocp_deadlines *deadlines, uint32_t entry)
{
    iocp_deadline *deadline = &deadlines->entries[entry];
    const uint32_t bucket = deadline->place - 1;
    if (deadlines->cursor == entry)
        deadlines->cursor = deadline->next;
    if (deadline->next != IOCP_DEADLINE_NONE)
        deadlines->entries[deadline->next].previous = deadline->previous;
    if (deadline->previous != IOCP_DEADLINE_NONE)
        deadlines->entries[deadline->previous].next = deadline->next;
    else
        deadlines->heads[bucket] = deadline->next;
    if (deadlines->heads[bucket] == IOCP_DEADLINE_NONE)
        deadlines->occupied[bucket / 64] &= ~(UINT64_C(1) << (bucket % 64));
    deadline->place = 0;
    deadlines->armed_count--;
}

void iocp_deadlines_arm(iocp_deadlines *deadlines, uint32_t entry, uint64_t due_ns)
{
    iocp_deadline *deadline = &deadlines->entries[entry];
    if (deadline->place != 0)
        unlink_entry(deadlines, entry);

    /* Rounded up: never early. A bucket already swept would wait a whole turn, so the next one is the earliest. */
    uint32_t due_tick = tick_at(deadlines, due_ns + tick_ns(deadlines) - 1);
    if ((int32_t)(due_tick - deadlines->current_tick) <= 0)
        due_tick = deadlines->current_tick + 1;
    const uint32_t bucket = due_tick % IOCP_WHEEL_BUCKETS;
    deadline->due_tick = due_tick;
    deadline->place = bucket + 1;
    deadline->previous = IOCP_DEADLINE_NONE;
    deadline->next = deadlines->heads[bucket];
    if (deadline->next != IOCP_DEADLINE_NONE)
        deadlines->entries[deadline->next].previous = entry;
    deadlines->heads[bucket] = entry;
    deadlines->occupied[bucket / 64] |= UINT64_C(1) << (bucket % 64);
    deadlines->armed_count++;
}

void iocp_deadlines_disarm(iocp_deadlines *deadlines, uint32_t entry)
{
    if (deadlines->entries[entry].place != 0)
        unlink_entry(deadlines, entry);
}

uint32_t iocp_deadlines_pop(iocp_deadlines *deadlines, uint64_t now_ns)
{
    const uint32_t now_tick = tick_at(deadlines, now_ns);
    for (;;) {
        while (deadlines->cursor != IOCP_DEADLINE_NONE) {
            const uint32_t entry = deadlines->cursor;
            deadlines->cursor = deadlines->entries[entry].next;
            if ((int32_t)(deadlines->entries[entry].due_tick - now_tick) <= 0) {
                unlink_entry(deadlines, entry);
                return entry;
            }
        }
        if (deadlines->armed_count == 0) {
            deadlines->current_tick = now_tick;
            return IOCP_DEADLINE_NONE;
        }
        if ((int32_t)(now_tick - deadlines->current_tick) <= 0)
            return IOCP_DEADLINE_NONE;
        /* After a long sleep one turn sweeps every bucket; more would pass them again. */
        if (now_tick - deadlines->current_tick > IOCP_WHEEL_BUCKETS)
            deadlines->current_tick = now_tick - IOCP_WHEEL_BUCKETS;
        deadlines->current_tick++;
        deadlines->cursor = deadlines->heads[deadlines->current_tick % IOCP_WHEEL_BUCKETS];
    }
}

/* Buckets from the current one to the next occupied one, 1..IOCP_WHEEL_BUCKETS. */
static uint32_t buckets_ahead(const iocp_deadlines *deadlines)
{
    const uint32_t first = (deadlines->current_tick + 1) % IOCP_WHEEL_BUCKETS;
    for (uint32_t step = 0; step <= IOCP_WHEEL_BUCKETS;) {
        const uint32_t bucket = (first + step) % IOCP_WHEEL_BUCKETS;
        const uint64_t word = deadlines->occupied[bucket / 64] >> (bucket % 64);
        if (word != 0)
            return step + (uint32_t)__builtin_ctzll(word) + 1;
        step += 64 - bucket % 64;
    }
    return IOCP_WHEEL_BUCKETS;
}

uint64_t iocp_deadlines_wait_ns(const iocp_deadlines *deadlines, uint64_t now_ns)
{
    if (deadlines->armed_count == 0)
        return UINT64_MAX;
    if (deadlines->cursor != IOCP_DEADLINE_NONE)
        return 0;
    /* In differences of ticks, which stay right when the tick count wraps. */
    const int32_t ticks = (int32_t)(deadlines->current_tick + buckets_ahead(deadlines) - tick_at(deadlines, now_ns));
    if (ticks <= 0)
        return 0;
    return ((uint64_t)ticks << deadlines->tick_bits) - ((now_ns - deadlines->start_ns) & (tick_ns(deadlines) - 1));
}
