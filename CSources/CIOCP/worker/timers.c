/* User timers: started, fired, cancelled.
 *
 * A timer waits on two wheels, one after the other. While it is far away it stands in the worker's coarse wheel, beside
 * the deadlines of connections. When it is near it moves to a fine one. So it is at most half a millisecond late, and a
 * thousand heartbeats of a minute are not passed over thirty times each. */
#include "timers.h"

#include <errno.h>
#include <stdlib.h>

#include "lookup.h"
#include "outbox.h"
#include "travel.h"

#define TIMER_NONE UINT32_MAX

/* The name of a timer: worker | life | index. It is one of the port's, as timers go along with connections that move. 34 bits of
 * lives are days of starting a timer on one entry at every turn, and a name would have to be kept for exactly as many. */
enum { INDEX_BITS = 20, LIFE_BITS = 34 };

_Static_assert(IOCP_TIMERS_MAX <= 1 << INDEX_BITS, "every timer has a name");

static iocp_timer name_of(const iocp_worker *worker, uint64_t life, uint32_t index)
{
    const uint64_t short_life = life & ((UINT64_C(1) << LIFE_BITS) - 1);
    return (uint64_t)worker->setup.index << (INDEX_BITS + LIFE_BITS) | short_life << INDEX_BITS | index;
}

int iocp_timers_open(iocp_timers *timers, uint32_t node, uint32_t entry_count, uint64_t now_ns)
{
    *timers = (iocp_timers){.entry_count = entry_count, .free_head = TIMER_NONE};
    int result = iocp_arena_open(&timers->arena, (size_t)entry_count * sizeof *timers->entries, node);
    if (result == 0)
        result = iocp_deadlines_open(&timers->wheel, node, entry_count, IOCP_FINE_TICK_BITS, now_ns);
    timers->entries = (iocp_timer_entry *)timers->arena.start;
    return result;
}

void iocp_timers_close(iocp_timers *timers)
{
    iocp_deadlines_close(&timers->wheel);
    iocp_arena_close(&timers->arena);
    *timers = (iocp_timers){0};
}

static uint32_t deadline_of(const iocp_worker *worker, uint32_t index)
{
    return iocp_worker_first_timer_deadline(worker) + index;
}

/* A timer is near within half a turn of the fine wheel. One that is further away comes to the fine wheel a quarter of a
 * turn before it is due: many coarse ticks, so that it is not late. */
enum { NEAR_NS = 1 << (IOCP_FINE_TICK_BITS + 11), AHEAD_NS = NEAR_NS / 2 };

_Static_assert((int64_t)NEAR_NS * 2 == (int64_t)IOCP_WHEEL_BUCKETS << IOCP_FINE_TICK_BITS, "no entry is passed over");
_Static_assert(AHEAD_NS >= 8 << IOCP_COARSE_TICK_BITS, "the coarse wheel hands over in time");

/* The coarse wheel looks so far ahead and no further: a timer beyond that is armed for the horizon, and then again. */
static void arm(iocp_worker *worker, uint32_t index, uint64_t now_ns)
{
    const uint64_t horizon_ns = now_ns + IOCP_DEADLINE_NS_MAX;
    const uint64_t due_ns = worker->timers.entries[index].due_ns;
    if (due_ns <= now_ns + NEAR_NS)
        iocp_deadlines_arm(&worker->timers.wheel, index, due_ns);
    else
        iocp_deadlines_arm(&worker->deadlines, deadline_of(worker, index),
                           due_ns < horizon_ns ? due_ns - AHEAD_NS : horizon_ns);
}

static void disarm_both(iocp_worker *worker, uint32_t index)
{
    iocp_deadlines_disarm(&worker->timers.wheel, index);
    iocp_deadlines_disarm(&worker->deadlines, deadline_of(worker, index));
}

/* Its timers are on their way, or elsewhere. */
static bool has_left(const iocp_worker *worker, iocp_token connection)
{
    const iocp_slot *slot = iocp_slot_find(&worker->table, connection);
    return slot != NULL && (slot->state == IOCP_SLOT_LEAVING || slot->state == IOCP_SLOT_AWAY);
}

/* Starts the timer of a free entry, whose key is the caller's to set. */
static int start(iocp_worker *worker, iocp_token connection, uint64_t delay_ns, iocp_timer_entry **started)
{
    iocp_timers *timers = &worker->timers;
    const int refusal = iocp_worker_refusal(worker);
    if (refusal < 0)
        return refusal;
    if (iocp_worker_said_stopping(worker))
        return -ESHUTDOWN;
    /* Whether another worker's connection has closed cannot be known here. */
    if (connection != 0 && iocp_token_worker(connection) != worker->setup.index) {
        connection = iocp_connection_here(worker, connection);
        if (connection == 0)
            return -EXDEV;
    }
    if (connection != 0 && has_left(worker, connection))
        return -EXDEV;
    /* Each armed timer and each one that ended owes a completion; what is owed must fit the spill. */
    if (timers->armed_count + (worker->spill.tail - worker->spill.head) >= timers->entry_count)
        return -ENOBUFS;
    uint32_t index = timers->free_head;
    if (index != TIMER_NONE)
        timers->free_head = timers->entries[index].next;
    else if (timers->untouched < timers->entry_count)
        index = timers->untouched++;
    else
        return -ENOBUFS;
    iocp_timer_entry *entry = &timers->entries[index];
    entry->connection = connection;
    entry->alias = 0;
    entry->life++;
    timers->armed_count++;
    /* From the clock, not from the wait before: a handler may have run for long. */
    const uint64_t now_ns = iocp_worker_clock_ns(worker);
    entry->due_ns = iocp_clock_after(now_ns, delay_ns);
    arm(worker, index, now_ns);
    *started = entry;
    return 0;
}

static iocp_timer name_of_entry(const iocp_worker *worker, const iocp_timer_entry *entry)
{
    return entry->alias != 0 ? entry->alias
                             : name_of(worker, entry->life, (uint32_t)(entry - worker->timers.entries));
}

int iocp_timer_start(iocp_worker *worker, iocp_token connection, uint64_t delay_ns, uint64_t key, iocp_timer *timer)
{
    iocp_timer_entry *entry;
    const int result = start(worker, connection, delay_ns, &entry);
    if (result < 0)
        return result;
    entry->named = false;
    entry->key = key;
    *timer = name_of_entry(worker, entry);
    return 0;
}

int iocp_timer_start_named(iocp_worker *worker, iocp_token connection, uint64_t delay_ns, iocp_timer *timer)
{
    iocp_timer_entry *entry;
    const int result = start(worker, connection, delay_ns, &entry);
    if (result < 0)
        return result;
    entry->named = true;
    entry->key = *timer = name_of_entry(worker, entry);
    return 0;
}

/* The entry is free from here on, and its timer's name finds nothing. */
static void release(iocp_timers *timers, uint32_t index)
{
    iocp_timer_entry *entry = &timers->entries[index];
    entry->life++;
    timers->armed_count--;
    timers->alias_count -= entry->alias != 0;
    entry->next = timers->free_head;
    timers->free_head = index;
}

static void end(iocp_worker *worker, uint32_t index, int32_t result)
{
    const iocp_timer_entry *entry = &worker->timers.entries[index];
    iocp_completion fired = {.kind = IOCP_COMPLETION_TIMER,
                             .key = entry->key,
                             .result = result,
                             .detail = entry->named ? IOCP_TIMER_NAMED : 0};
    if (entry->connection != 0) {
        const iocp_slot *slot = iocp_slot_find(&worker->table, entry->connection);
        if (slot != NULL && (slot->flags & IOCP_SLOT_ANNOUNCED))
            fired.connection = entry->connection;
        else
            fired.result = -ECANCELED;
    }
    release(&worker->timers, index);
    iocp_worker_emit(worker, fired);
}

void iocp_worker_timer_due(iocp_worker *worker, uint32_t index)
{
    if (worker->timers.entries[index].due_ns > worker->now_ns) {
        arm(worker, index, worker->now_ns);
    } else {
        iocp_stats_record(worker->stats, IOCP_STATS_HISTOGRAM_timer_lateness_ns,
                          worker->now_ns - worker->timers.entries[index].due_ns);
        end(worker, index, 0);
    }
}

static bool is_armed(const iocp_timer_entry *entry)
{
    return entry->life & 1;
}

/* One that was started elsewhere is looked for among all: few of those are ended by their names. */
static uint32_t find(const iocp_worker *worker, iocp_timer timer)
{
    const iocp_timers *timers = &worker->timers;
    const uint32_t index = (uint32_t)timer & ((1u << INDEX_BITS) - 1);
    if (index < timers->untouched && is_armed(&timers->entries[index]) &&
        name_of_entry(worker, &timers->entries[index]) == timer)
        return index;
    for (uint32_t i = 0; timers->alias_count > 0 && i < timers->untouched; i++)
        if (is_armed(&timers->entries[i]) && timers->entries[i].alias == timer)
            return i;
    return TIMER_NONE;
}

/* Disarms a timer, whose entry the caller frees. */
static int disarm(iocp_worker *worker, iocp_timer timer, uint32_t *disarmed)
{
    if (iocp_worker_is_foreign(worker))
        return -EPERM;
    const uint32_t index = find(worker, timer);
    if (index == TIMER_NONE)
        return -ENOENT;
    disarm_both(worker, index);
    *disarmed = index;
    return 0;
}

int iocp_timer_cancel(iocp_worker *worker, iocp_timer timer)
{
    uint32_t index;
    const int result = disarm(worker, timer, &index);
    if (result == 0)
        end(worker, index, -ECANCELED);
    return result;
}

int iocp_timer_discard(iocp_worker *worker, iocp_timer timer)
{
    uint32_t index;
    const int result = disarm(worker, timer, &index);
    if (result == 0)
        release(&worker->timers, index);
    return result;
}

void iocp_worker_cancel_timers(iocp_worker *worker)
{
    for (uint32_t index = 0; index < worker->timers.untouched; index++) {
        if (!is_armed(&worker->timers.entries[index]))
            continue;
        disarm_both(worker, index);
        end(worker, index, -ECANCELED);
    }
}

/* --- of connections that move --------------------------------------------------------------------------------- */

static uint32_t next_of(const iocp_worker *worker, uint64_t connection, uint32_t from)
{
    const iocp_timers *timers = &worker->timers;
    for (uint32_t i = from; timers->armed_count > 0 && i < timers->untouched; i++)
        if (is_armed(&timers->entries[i]) && timers->entries[i].connection == connection)
            return i;
    return TIMER_NONE;
}

bool iocp_timers_has_named(const iocp_worker *worker, uint64_t connection)
{
    for (uint32_t i = next_of(worker, connection, 0); i != TIMER_NONE; i = next_of(worker, connection, i + 1))
        if (worker->timers.entries[i].named)
            return true;
    return false;
}

bool iocp_timers_copy(const iocp_worker *worker, uint64_t connection, iocp_carried_timer **timers, uint32_t *count)
{
    *timers = NULL;
    *count = 0;
    uint32_t found = 0;
    for (uint32_t i = next_of(worker, connection, 0); i != TIMER_NONE; i = next_of(worker, connection, i + 1))
        found++;
    if (found == 0)
        return true;
    if ((*timers = malloc(found * sizeof **timers)) == NULL)
        return false;
    for (uint32_t i = next_of(worker, connection, 0); i != TIMER_NONE; i = next_of(worker, connection, i + 1)) {
        const iocp_timer_entry *entry = &worker->timers.entries[i];
        (*timers)[(*count)++] =
            (iocp_carried_timer){.name = name_of_entry(worker, entry), .key = entry->key, .due_ns = entry->due_ns};
    }
    return true;
}

void iocp_timers_discard(iocp_worker *worker, uint64_t connection)
{
    for (uint32_t i = next_of(worker, connection, 0); i != TIMER_NONE; i = next_of(worker, connection, i + 1)) {
        disarm_both(worker, i);
        release(&worker->timers, i);
    }
}

void iocp_timers_restart(iocp_worker *worker, uint64_t connection, const iocp_carried_timer *timers, uint32_t count,
                         uint64_t shift_ns)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t due_ns = timers[i].due_ns + shift_ns;
        const uint64_t now_ns = iocp_worker_clock_ns(worker);
        iocp_timer_entry *entry;
        const int result =
            worker->failure < 0 ? -ECANCELED
                                : start(worker, connection, due_ns > now_ns ? due_ns - now_ns : 0, &entry);
        if (result < 0) {
            iocp_worker_emit(worker, (iocp_completion){.kind = IOCP_COMPLETION_TIMER,
                                                       .connection = connection,
                                                       .key = timers[i].key,
                                                       .result = result == -ESHUTDOWN ? -ECANCELED : result});
            continue;
        }
        entry->named = false;
        entry->key = timers[i].key;
        entry->alias = timers[i].name;
        worker->timers.alias_count++;
    }
}
