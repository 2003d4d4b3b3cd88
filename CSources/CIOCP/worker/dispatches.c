/* What other workers dispatch to this one: connections, letters for them, and what is settled between a home and a host. */
#include <stdlib.h>

#include "letters.h"
#include "travel.h"

/* --- what arrives --------------------------------------------------------------------------------------------- */

/* Letters of moves that are over come before what is dispatched now. Returns false while they wait for room. */
static bool open_late(iocp_worker *worker)
{
    while (worker->late.first != NULL) {
        iocp_forward *forward = (iocp_forward *)worker->late.first;
        if (!iocp_worker_may_open(worker, &forward->letter))
            return false;
        (void)iocp_links_take(&worker->late);
        forward->dispatch.travel->late_count--;
        iocp_travel_release(forward->dispatch.travel);
        atomic_fetch_sub_explicit(&worker->letters_out, 1, memory_order_relaxed);
        iocp_worker_open_letter(worker, &forward->letter);
        free(forward);
    }
    return true;
}

static bool open_forwarded(iocp_worker *worker, iocp_forward *forward)
{
    if (!iocp_worker_may_open(worker, &forward->letter))
        return false;
    atomic_fetch_sub_explicit(&forward->dispatch.travel->home->letters_out, 1, memory_order_relaxed);
    iocp_worker_open_letter(worker, &forward->letter);
    return true;
}

/* Returns false: not now. */
static bool take(iocp_worker *worker, iocp_dispatch *dispatch)
{
    iocp_travel *travel = dispatch->travel;
    switch (dispatch->kind) {
    case IOCP_DISPATCH_PARCEL:
        return (travel->home == worker && iocp_home_passes_on(worker, travel)) || iocp_worker_arrive(worker, travel);
    case IOCP_DISPATCH_LETTER:
        return open_forwarded(worker, (iocp_forward *)dispatch);
    case IOCP_DISPATCH_RECALL:
        iocp_home_recalled(worker, travel);
        return true;
    case IOCP_DISPATCH_GO:
        iocp_moving_answered(worker, travel, true);
        return true;
    case IOCP_DISPATCH_STAY:
        iocp_moving_answered(worker, travel, false);
        return true;
    case IOCP_DISPATCH_STAYED:
        iocp_home_stayed(worker, travel);
        return true;
    case IOCP_DISPATCH_ENDED:
        iocp_home_ended(worker, travel);
        return true;
    }
    return true;
}

/* A parcel that goes on from here is dispatched again before its first dispatch is over: so its kind and its travel are read
 * before. */
void iocp_worker_take_dispatches(iocp_worker *worker)
{
    if (!open_late(worker))
        return;
    iocp_link *first;
    while (iocp_worker_has_room(worker) && (first = iocp_chain_first(&worker->dispatches)) != NULL) {
        iocp_dispatch *dispatch = (iocp_dispatch *)first;
        iocp_travel *travel = dispatch->travel;
        const bool is_letter = dispatch->kind == IOCP_DISPATCH_LETTER;
        (void)iocp_chain_take(&worker->dispatches);
        if (!take(worker, dispatch)) {
            iocp_links_put_first(&worker->dispatches.taken, first);
            return;
        }
        if (is_letter)
            free(dispatch);
        iocp_travel_release(travel);
        if (!open_late(worker))
            return;
    }
}

bool iocp_worker_has_dispatches(const iocp_worker *worker)
{
    return worker->late.first != NULL || iocp_chain_has(&worker->dispatches);
}

/* --- the end of a worker -------------------------------------------------------------------------------------- */

bool iocp_worker_end_dispatches(iocp_worker *worker)
{
    return worker->late.first == NULL && iocp_chain_close_empty(&worker->dispatches);
}

static void drop_forward(iocp_forward *forward)
{
    iocp_letter_drop(&forward->letter);
    atomic_fetch_sub_explicit(&forward->dispatch.travel->home->letters_out, 1, memory_order_relaxed);
    iocp_travel_release(forward->dispatch.travel);
    free(forward);
}

static void drop_forwards(iocp_links *forwards)
{
    for (iocp_link *link; (link = iocp_links_take(forwards)) != NULL;)
        drop_forward((iocp_forward *)link);
}

static void drop(iocp_worker *worker, iocp_dispatch *dispatch)
{
    iocp_travel *travel = dispatch->travel;
    switch (dispatch->kind) {
    case IOCP_DISPATCH_PARCEL:
        iocp_travel_abandon(worker, travel);
        break;
    case IOCP_DISPATCH_LETTER:
        drop_forward((iocp_forward *)dispatch);
        return;
    case IOCP_DISPATCH_RECALL:
        (void)iocp_dispatch_send(&travel->go, IOCP_DISPATCH_STAY, travel, travel->host);
        break;
    case IOCP_DISPATCH_GO:
    case IOCP_DISPATCH_STAY:
    case IOCP_DISPATCH_STAYED:
    case IOCP_DISPATCH_ENDED:
        break;
    }
    iocp_travel_release(travel);
}

/* Of a slot that is still in use. */
static void drop_travel(iocp_worker *worker, iocp_slot *slot)
{
    iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    iocp_travel *travel = terms->travel;
    if (travel == NULL)
        return;
    if (slot->state == IOCP_SLOT_LEAVING) {
        iocp_travel_drop_state(travel);
        iocp_travel_drop_timers(travel);
    }
    if (slot->is_guest) {
        iocp_guest_ended(worker, slot);
        return;
    }
    drop_forwards(&travel->held);
    terms->travel = NULL;
    iocp_travel_release(travel);
}

void iocp_worker_drop_dispatches(iocp_worker *worker)
{
    iocp_chain_close(&worker->dispatches);
    for (iocp_link *first; (first = iocp_chain_take(&worker->dispatches)) != NULL;)
        drop(worker, (iocp_dispatch *)first);
    drop_forwards(&worker->late);
    for (uint32_t i = 0; i < worker->table.untouched; i++)
        if (worker->table.slots[i].state != IOCP_SLOT_FREE)
            drop_travel(worker, &worker->table.slots[i]);
}
