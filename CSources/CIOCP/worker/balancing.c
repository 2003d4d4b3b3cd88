/* Looks how busy workers are, and asks hot connections of a busy one to move. */
#include "balancing.h"

#include <stdlib.h>

#include "../system/thread.h"
#include "travel.h"
#include "worker.h"

enum {
    EVERY_NS = 100 * 1000 * 1000,
    STALE_NS = 3 * EVERY_NS, /* a worker that has not looked for so long sleeps, or its handler does not return */
    BUSY_ENOUGH = 850,       /* below that nobody waits for the worker */
    GAP_MIN = 200,           /* by less than this others may be less busy by chance */
    LOOKS_IN_A_ROW = 2,
    SHARE_OF_GAP = 3,        /* a third of the difference at a time: others may give to the same worker */
};

void iocp_worker_begin_balancing(iocp_worker *worker)
{
    /* A played kernel plays no CPU time. */
    const bool balances = worker->setup.config->balances_load && worker->setup.config->worker_count > 1 &&
                          worker->operations->now_ns == NULL;
    worker->balancer = (iocp_balancer){.due_ns = balances ? worker->now_ns + EVERY_NS : UINT64_MAX,
                                       .looked_ns = worker->now_ns,
                                       .cpu_ns = balances ? iocp_clock_thread_cpu_ns() : 0,
                                       .random = worker->setup.index * 2 + 1};
}

/* --- samples -------------------------------------------------------------------------------------------------- */

/* xorshift32 (Marsaglia, 2003). */
static uint32_t next_random(iocp_balancer *balancer)
{
    balancer->random ^= balancer->random << 13;
    balancer->random ^= balancer->random >> 17;
    balancer->random ^= balancer->random << 5;
    return balancer->random;
}

void iocp_balancer_sample(iocp_balancer *balancer, uint32_t slot)
{
    const uint32_t seen = balancer->seen_count++;
    if (balancer->sample_count < IOCP_BALANCE_SAMPLES) {
        balancer->samples[balancer->sample_count++] = slot;
        return;
    }
    const uint32_t place = (uint32_t)(((uint64_t)next_random(balancer) * (seen + 1)) >> 32);
    if (place < IOCP_BALANCE_SAMPLES)
        balancer->samples[place] = slot;
}

static int compare(const void *one, const void *other)
{
    const uint32_t a = *(const uint32_t *)one;
    const uint32_t b = *(const uint32_t *)other;
    return a < b ? -1 : a > b;
}

typedef struct heat {
    uint32_t slot;
    uint32_t count;
} heat;

static int hotter(const void *one, const void *other)
{
    const uint32_t a = ((const heat *)one)->count;
    const uint32_t b = ((const heat *)other)->count;
    return a > b ? -1 : a < b;
}

/* The slots that are in the samples, the hottest first. */
static uint32_t count_heat(uint32_t *samples, uint32_t sample_count, heat *found)
{
    uint32_t count = 0;
    qsort(samples, sample_count, sizeof *samples, compare);
    for (uint32_t i = 0; i < sample_count; i++) {
        if (count == 0 || found[count - 1].slot != samples[i])
            found[count++] = (heat){.slot = samples[i]};
        found[count - 1].count++;
    }
    qsort(found, count, sizeof *found, hotter);
    return count;
}

uint32_t iocp_balance_pick(uint32_t *samples, uint32_t sample_count, uint32_t own, uint32_t other, uint32_t *picked)
{
    heat found[IOCP_BALANCE_SAMPLES];
    const uint32_t count = count_heat(samples, sample_count, found);
    uint32_t picked_count = 0;
    uint32_t left = own > other ? (own - other) / SHARE_OF_GAP : 0;
    for (uint32_t i = 0; i < count && picked_count < IOCP_BALANCE_MOVES_MAX; i++) {
        const uint32_t share = own * found[i].count / sample_count;
        if (share > left)
            continue; /* there it would be as much of a load as here */
        left -= share;
        picked[picked_count++] = found[i].slot;
    }
    return picked_count;
}

/* --- a look --------------------------------------------------------------------------------------------------- */

/* How busy it was since the latest look, which it tells the others. */
static uint32_t look_at_itself(iocp_worker *worker)
{
    iocp_balancer *balancer = &worker->balancer;
    const uint64_t cpu_ns = iocp_clock_thread_cpu_ns();
    const uint64_t passed_ns = worker->now_ns - balancer->looked_ns;
    const uint64_t busy = (cpu_ns - balancer->cpu_ns) * IOCP_BALANCE_BUSY_MAX / (passed_ns > 0 ? passed_ns : 1);
    balancer->cpu_ns = cpu_ns;
    balancer->looked_ns = worker->now_ns;
    balancer->due_ns = worker->now_ns + EVERY_NS;
    const uint32_t told = busy < IOCP_BALANCE_BUSY_MAX ? (uint32_t)busy : IOCP_BALANCE_BUSY_MAX;
    atomic_store_explicit(&worker->door.busy, told, memory_order_relaxed);
    atomic_store_explicit(&worker->door.looked_ns, worker->now_ns, memory_order_relaxed);
    return told;
}

/* One that has not looked for long is asleep, or does not come back from its handler. */
static uint32_t busy_of(const iocp_worker *worker, const iocp_worker *other)
{
    if (atomic_load_explicit(&other->door.credits, memory_order_relaxed) == 0 ||
        iocp_moving_kind(other) != iocp_moving_kind(worker))
        return IOCP_BALANCE_BUSY_MAX;
    if (worker->now_ns - atomic_load_explicit(&other->door.looked_ns, memory_order_relaxed) > STALE_NS)
        return __atomic_load_n(&other->setup.stats->stats.asleep, __ATOMIC_RELAXED) ? 0 : IOCP_BALANCE_BUSY_MAX;
    return atomic_load_explicit(&other->door.busy, memory_order_relaxed);
}

static iocp_worker *least_busy(const iocp_worker *worker, uint32_t *least)
{
    const uint32_t count = worker->setup.config->worker_count;
    iocp_worker *found = NULL;
    *least = IOCP_BALANCE_BUSY_MAX;
    for (uint32_t distance = 1; distance < count; distance++) {
        iocp_worker *other = &worker->setup.workers[(worker->setup.index + distance) % count];
        const uint32_t busy = busy_of(worker, other);
        if (busy >= *least)
            continue;
        *least = busy;
        found = other;
    }
    return found;
}

static void move_hot_ones(iocp_worker *worker, uint32_t own)
{
    uint32_t busy;
    const iocp_worker *other = least_busy(worker, &busy);
    if (other == NULL || own < busy + GAP_MIN)
        return;
    uint32_t picked[IOCP_BALANCE_MOVES_MAX];
    const uint32_t count =
        iocp_balance_pick(worker->balancer.samples, worker->balancer.sample_count, own, busy, picked);
    for (uint32_t i = 0; i < count; i++)
        (void)iocp_moving_ask(worker, &worker->table.slots[picked[i]], other->setup.index);
}

void iocp_worker_balance(iocp_worker *worker)
{
    iocp_balancer *balancer = &worker->balancer;
    if (worker->now_ns < balancer->due_ns)
        return;
    const uint32_t own = look_at_itself(worker);
    balancer->strained = own >= BUSY_ENOUGH ? balancer->strained + 1 : 0;
    if (balancer->strained >= LOOKS_IN_A_ROW && worker->stop == IOCP_STOP_NONE)
        move_hot_ones(worker, own);
    balancer->seen_count = balancer->sample_count = 0;
}
