/* A move comes to nothing, or a connection ends that has moved: whoever counts on it is told. */
#include "handing.h"
#include "travel.h"

/* --- where it lives ------------------------------------------------------------------------------------------- */

static void give_promise_back(iocp_worker *worker, iocp_travel *travel)
{
    if (travel->promised)
        iocp_worker_give_place_back(&worker->setup.workers[travel->target]);
    travel->promised = false;
}

void iocp_moving_call_off(iocp_worker *worker, iocp_slot *slot)
{
    iocp_travel *travel = iocp_travel_find(worker, slot);
    slot->moves = false;
    if (slot->rests)
        iocp_slot_fifo_remove(&worker->resting, &worker->table, slot);
    slot->rests = false;
    travel->is_called_off = travel->asks;
    give_promise_back(worker, travel);
    if (travel->may_go)
        (void)iocp_dispatch_send(&travel->stayed, IOCP_DISPATCH_STAYED, travel, travel->home);
    travel->may_go = false;
}

void iocp_guest_ended(iocp_worker *worker, iocp_slot *slot)
{
    iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    iocp_travel *travel = terms->travel;
    iocp_guests_remove(&worker->table.guests, travel->name);
    (void)iocp_dispatch_send(&travel->ended, IOCP_DISPATCH_ENDED, travel, travel->home);
    terms->travel = NULL;
    slot->is_guest = false;
    iocp_travel_release(travel);
}

/* --- at home -------------------------------------------------------------------------------------------------- */

/* Behind the late letters of the worker. */
void iocp_home_opens_held(iocp_worker *worker, iocp_travel *travel)
{
    for (iocp_link *link; (link = iocp_links_take(&travel->held)) != NULL;) {
        iocp_links_put(&worker->late, link);
        travel->late_count++;
    }
}

void iocp_home_slot_free(iocp_worker *worker, iocp_slot *slot)
{
    iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    iocp_travel *travel = terms->travel;
    iocp_home_opens_held(worker, travel);
    terms->travel = NULL;
    worker->travel_count--;
    iocp_travel_release(travel);
}
