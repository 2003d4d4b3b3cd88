/* Which clients are let in: limits at the door, hand-overs to workers with fewer, and clients that those hand over. */
#include "admission.h"

#include <errno.h>

#include "layers.h"
#include "life.h"
#include "outbox.h"

typedef enum admission { ADMITTED, REFUSED, UNKNOWN } admission;

/* Counts a new connection by its peer's address. Nobody gets past the limit because that address cannot be asked:
 * UNKNOWN is for now, and REFUSED for good, as for a client that has gone already. Counts why it is refused. */
static admission admit(iocp_worker *worker, uint32_t handle, iocp_address_key *key)
{
    *key = 0;
    iocp_address address;
    const int result = worker->operations->peer(worker->driver, handle, &address);
    if (result == -EBUSY || result == -EAGAIN)
        return UNKNOWN;
    if (result == 0) {
        *key = iocp_address_key_of(&address);
        if (iocp_address_counts_take(worker->setup.addresses, *key))
            return ADMITTED;
        *key = 0;
        IOCP_STATS_ADD(worker->stats, refused_over_address_limit, 1);
    } else {
        IOCP_STATS_ADD(worker->stats, refused_unknown_address, 1);
    }
    return REFUSED;
}

static void refuse(iocp_worker *worker, iocp_slot *slot)
{
    IOCP_STATS_ADD(worker->stats, refused_addresses, 1);
    worker->operations->close_handle(worker->driver, 0, slot->handle, true);
    iocp_worker_layer_end(worker, slot);
    iocp_slot_take_back(&worker->table, iocp_slot_index(&worker->table, slot)); /* nobody heard of it */
}

static void let_in(iocp_worker *worker, iocp_slot *slot, iocp_address_key key)
{
    slot->address = key;
    IOCP_STATS_ADD(worker->stats, accepted, 1);
    iocp_worker_opened(worker, slot);
    /* A layer begins with the client's first bytes, and announces its connection once it is open. */
    if (slot->layer == IOCP_LAYER_NONE && !worker->setup.config->deliver_after_first_bytes)
        iocp_worker_announce(worker, slot);
    iocp_worker_touch(worker, slot);
}

/* A held client waits in its slot, so as many can be held as there are slots for. */
static void hold(iocp_worker *worker, iocp_slot *slot)
{
    const bool stops = worker->stop != IOCP_STOP_NONE;
    if (!stops && worker->now_ns - slot->opened_ns < IOCP_ADMISSION_HOLD_NS) {
        iocp_slot_fifo_push(&worker->accepting.held, &worker->table, slot);
        return;
    }
    if (stops)
        IOCP_STATS_ADD(worker->stats, refused_by_stop, 1);
    else
        IOCP_STATS_ADD(worker->stats, refused_unknown_address, 1);
    refuse(worker, slot);
}

/* A worker with fewer connections takes the client; here it was a slot for a moment, of which nobody heard. */
static bool leaves(iocp_worker *worker, iocp_slot *slot)
{
    static const iocp_layer none = {0};
    const iocp_layer *layer =
        slot->layer == IOCP_LAYER_NONE ? &none : &iocp_slot_terms_of(&worker->table, slot)->layer;
    if (!iocp_worker_hand_over(worker, slot->handle, slot->listener, layer))
        return false;
    iocp_worker_layer_withdraw(worker, slot);
    iocp_slot_take_back(&worker->table, iocp_slot_index(&worker->table, slot));
    return true;
}

static void admit_or_hold(iocp_worker *worker, iocp_slot *slot)
{
    iocp_address_key key;
    if (worker->setup.config->connections_per_address == 0) {
        let_in(worker, slot, 0);
        return;
    }
    switch (admit(worker, slot->handle, &key)) {
    case ADMITTED:
        let_in(worker, slot, key);
        return;
    case REFUSED:
        refuse(worker, slot);
        return;
    case UNKNOWN:
        hold(worker, slot);
        return;
    }
}

void iocp_worker_admit_held(iocp_worker *worker)
{
    iocp_slot_fifo *held = &worker->accepting.held;
    const uint32_t count = held->count < IOCP_ADMISSIONS_PER_FLUSH_MAX ? held->count : IOCP_ADMISSIONS_PER_FLUSH_MAX;
    for (uint32_t i = 0; i < count; i++) {
        iocp_slot *slot = iocp_slot_fifo_pop(held, &worker->table);
        if (!leaves(worker, slot))
            admit_or_hold(worker, slot);
    }
}

void iocp_worker_admit_new(iocp_worker *worker, iocp_slot *slot)
{
    if (worker->setup.config->connections_per_address == 0 && !iocp_worker_may_hand_over(worker)) {
        let_in(worker, slot, 0);
        return;
    }
    slot->opened_ns = worker->now_ns;
    iocp_slot_fifo_push(&worker->accepting.held, &worker->table, slot);
}

/* --- clients of other workers ----------------------------------------------------------------------------------- */

void iocp_worker_take_in(iocp_worker *worker, iocp_parcel *parcel)
{
    if (iocp_worker_said_stopping(worker)) { /* it was put into the mailbox behind the stop */
        iocp_parcel_abandon(parcel);
        return;
    }
    parcel->arrived_ns = worker->now_ns;
    iocp_links_put(&worker->accepting.arrived, &parcel->link);
}

/* Returns false where the driver or the table has no place for it now. */
static bool settle(iocp_worker *worker, iocp_parcel *parcel)
{
    uint32_t handle;
    if (worker->table.used_count == worker->table.slot_count ||
        worker->operations->hand_over->take(worker->driver, &parcel->traveller, &handle) < 0)
        return false;
    iocp_slot *slot = iocp_worker_slot_take(worker, handle, IOCP_SLOT_HELD);
    slot->listener = parcel->listener;
    if (!iocp_layer_is_none(&parcel->layer))
        iocp_worker_layer_give(worker, slot, &parcel->layer);
    iocp_worker_promise_ends(worker);
    iocp_parcel_end(parcel);
    IOCP_STATS_ADD(worker->stats, moves_in, 1);
    slot->opened_ns = worker->now_ns;
    admit_or_hold(worker, slot);
    return true;
}

void iocp_worker_settle_arrived(iocp_worker *worker)
{
    iocp_links *arrived = &worker->accepting.arrived;
    for (uint32_t left = IOCP_ADMISSIONS_PER_FLUSH_MAX; left > 0 && arrived->first != NULL; left--) {
        iocp_parcel *parcel = (iocp_parcel *)iocp_links_take(arrived);
        const uint64_t waited_ns = worker->now_ns - parcel->arrived_ns;
        if (settle(worker, parcel))
            continue;
        if (waited_ns >= IOCP_ADMISSION_HOLD_NS) {
            iocp_parcel_abandon(parcel);
            continue;
        }
        iocp_links_put(arrived, &parcel->link);
        return;
    }
}
