/* Hands clients over to workers that have fewer, and abandons what nobody takes. */
#include "handing.h"

#include <errno.h>
#include <stdlib.h>

#include "layers.h"
#include "posting.h"

/* --- memory --------------------------------------------------------------------------------------------------- */

int iocp_parcels_reserve(iocp_worker *worker)
{
    worker->parcels = calloc(IOCP_PARCELS_MAX, sizeof *worker->parcels);
    return worker->parcels != NULL ? 0 : -ENOMEM;
}

void iocp_parcels_release(iocp_worker *worker)
{
    free(worker->parcels);
    worker->parcels = NULL;
}

/* One of the next in turn that does not travel. Some may be stuck at a worker that stalls; NULL: many are on their way. */
static iocp_parcel *next_parcel(iocp_worker *worker)
{
    enum { TRIES = 8 };
    for (uint32_t i = 0; i < TRIES; i++) {
        iocp_parcel *parcel = &worker->parcels[worker->parcel_next++ % IOCP_PARCELS_MAX];
        if (!atomic_load_explicit(&parcel->travels, memory_order_acquire))
            return parcel;
    }
    return NULL;
}

void iocp_parcel_end(iocp_parcel *parcel)
{
    iocp_layer_release(&parcel->layer);
    atomic_store_explicit(&parcel->travels, false, memory_order_release); /* the sender may fill it from here on */
}

void iocp_parcel_abandon(void *reference)
{
    iocp_parcel *parcel = reference;
    iocp_worker *receiver = parcel->receiver;
    IOCP_STATS_ADD(receiver->stats, moves_lost, 1);
    receiver->operations->hand_over->abandon(&parcel->traveller);
    iocp_worker_promise_ends(receiver);
    iocp_parcel_end(parcel);
}

void iocp_worker_abandon_arrived(iocp_worker *worker)
{
    for (iocp_link *parcel; (parcel = iocp_links_take(&worker->accepting.arrived)) != NULL;)
        iocp_parcel_abandon(parcel);
}

/* --- doors ---------------------------------------------------------------------------------------------------- */

void iocp_worker_promise_ends(iocp_worker *worker)
{
    IOCP_CHECK(worker->accepting.promised > 0, "a client was handed over that no slot was kept for");
    worker->accepting.promised--;
}

/* Takes back what nobody has taken, and returns how many those were. */
static uint32_t withdraw(iocp_door *door)
{
    return atomic_load_explicit(&door->credits, memory_order_relaxed) > 0
               ? atomic_exchange_explicit(&door->credits, 0, memory_order_relaxed)
               : 0;
}

bool iocp_worker_has_free_slot(iocp_worker *worker)
{
    const uint32_t free = worker->table.slot_count - worker->table.used_count;
    if (free > worker->accepting.promised)
        return true;
    worker->accepting.promised -= withdraw(&worker->door);
    return free > worker->accepting.promised;
}

void iocp_worker_show_door(iocp_worker *worker, uint32_t most)
{
    iocp_door *door = &worker->door;
    uint32_t *promised = &worker->accepting.promised;
    if (*promised > most)
        *promised -= withdraw(door);
    if (*promised < most) {
        atomic_fetch_add_explicit(&door->credits, most - *promised, memory_order_relaxed);
        *promised = most;
    }
    atomic_store_explicit(&door->promised, *promised, memory_order_relaxed);
    atomic_store_explicit(&door->connections, worker->table.used_count, memory_order_relaxed);
}

static bool take_credit(iocp_door *door)
{
    uint32_t credits = atomic_load_explicit(&door->credits, memory_order_relaxed);
    while (credits > 0)
        if (atomic_compare_exchange_weak_explicit(&door->credits, &credits, credits - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

bool iocp_worker_take_place(iocp_worker *worker)
{
    return take_credit(&worker->door);
}

void iocp_worker_give_place_back(iocp_worker *worker)
{
    atomic_fetch_add_explicit(&worker->door.credits, 1, memory_order_relaxed);
}

/* How many a worker has, with those on their way to it; UINT32_MAX for one that takes none. */
static uint32_t load_of(const iocp_worker *worker)
{
    const iocp_door *door = &worker->door;
    const uint32_t credits = atomic_load_explicit(&door->credits, memory_order_relaxed);
    if (credits == 0)
        return UINT32_MAX;
    const uint32_t promised = atomic_load_explicit(&door->promised, memory_order_relaxed);
    return atomic_load_explicit(&door->connections, memory_order_relaxed) +
           (promised > credits ? promised - credits : 0);
}

static uint32_t own_load(const iocp_worker *worker)
{
    const uint32_t credits = atomic_load_explicit(&worker->door.credits, memory_order_relaxed);
    return worker->table.used_count + worker->accepting.promised - credits;
}

/* --- which worker --------------------------------------------------------------------------------------------- */

/* By how many connections another worker has to be behind: one hand-over costs as much as a short message, so it is not done for
 * a difference that the next departure may undo. */
static uint32_t margin(uint32_t connections)
{
    enum { SHARE = 64 };
    return 1 + connections / SHARE;
}

/* The least loaded of some others, or NULL where none has notably fewer. All are looked at in turn: of a thousand workers a client
 * need not know the least loaded one. */
static iocp_worker *lighter_worker(const iocp_worker *worker, uint32_t from)
{
    const uint32_t count = worker->setup.config->worker_count;
    const uint32_t looks = count - 1 < IOCP_DOORS_LOOKED_AT ? count - 1 : IOCP_DOORS_LOOKED_AT;
    const uint32_t load = own_load(worker);
    iocp_worker *lightest = NULL;
    uint32_t least = load > margin(load) ? load - margin(load) : 0;
    for (uint32_t i = 0; i < looks; i++) {
        const uint32_t distance = 1 + (from + i) % (count - 1);
        iocp_worker *other = &worker->setup.workers[(worker->setup.index + distance) % count];
        const uint32_t other_load = load_of(other);
        if (other_load >= least)
            continue;
        least = other_load;
        lightest = other;
    }
    return lightest;
}

bool iocp_worker_may_hand_over(const iocp_worker *worker)
{
    return worker->parcels != NULL && worker->stop == IOCP_STOP_NONE && worker->setup.config->worker_count > 1 &&
           lighter_worker(worker, worker->parcel_next) != NULL;
}

/* --- handing over --------------------------------------------------------------------------------------------- */

/* Returns 0, or -errno with everything as it was. */
static int send_parcel(iocp_worker *worker, iocp_worker *receiver, uint32_t handle, iocp_parcel *parcel)
{
    const iocp_hand_over_operations *operations = worker->operations->hand_over;
    int result = operations->pack(worker->driver, handle, &parcel->traveller);
    if (result < 0)
        return result;
    iocp_layer_retain(&parcel->layer);
    parcel->receiver = receiver;
    atomic_store_explicit(&parcel->travels, true, memory_order_relaxed);
    const iocp_letter letter = {.reference = parcel, .release = iocp_parcel_abandon, .kind = IOCP_LETTER_CLIENT};
    result = iocp_worker_post(receiver, &letter);
    if (result < 0) {
        operations->stay(worker->driver, handle, &parcel->traveller);
        iocp_parcel_end(parcel);
        return result;
    }
    operations->leave(worker->driver, handle);
    return 0;
}

bool iocp_worker_hand_over(iocp_worker *worker, uint32_t handle, uint16_t listener, const iocp_layer *layer)
{
    if (!iocp_worker_may_hand_over(worker))
        return false;
    iocp_worker *receiver = lighter_worker(worker, worker->parcel_next);
    iocp_parcel *parcel = next_parcel(worker);
    if (receiver == NULL || parcel == NULL || !iocp_worker_take_place(receiver))
        return false;
    parcel->listener = listener;
    parcel->layer = *layer;
    if (send_parcel(worker, receiver, handle, parcel) < 0) {
        iocp_worker_give_place_back(receiver);
        return false;
    }
    IOCP_STATS_ADD(worker->stats, moves_out, 1);
    return true;
}
