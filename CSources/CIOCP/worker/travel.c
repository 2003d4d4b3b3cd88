/* The memory of what travels, and the way from worker to worker. */
#include "travel.h"

#include <stdlib.h>

#include "posting.h"

/* --- memory --------------------------------------------------------------------------------------------------- */

iocp_travel *iocp_travel_of(iocp_worker *worker, iocp_slot *slot)
{
    iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    if (terms->travel != NULL)
        return terms->travel;
    iocp_travel *travel = calloc(1, sizeof *travel);
    if (travel == NULL)
        return NULL;
    atomic_init(&travel->references, 1);
    travel->name = iocp_slot_connection(&worker->table, slot);
    travel->home = travel->host = worker;
    terms->travel = travel;
    worker->travel_count++;
    return travel;
}

void iocp_travel_release(iocp_travel *travel)
{
    if (atomic_fetch_sub_explicit(&travel->references, 1, memory_order_acq_rel) == 1)
        free(travel);
}

void iocp_travel_drop_pieces(iocp_travel *travel)
{
    for (uint32_t i = 0; i < travel->piece_count; i++)
        if (travel->pieces[i].shared != NULL)
            iocp_shared_bytes_release(travel->pieces[i].shared);
    travel->piece_count = 0;
}

void iocp_travel_drop_timers(iocp_travel *travel)
{
    free(travel->timers);
    travel->timers = NULL;
    travel->timer_count = 0;
}

void iocp_travel_drop_state(iocp_travel *travel)
{
    if (travel->state != NULL && travel->release_state != NULL)
        travel->release_state(travel->state);
    travel->state = NULL;
}

/* --- from worker to worker ------------------------------------------------------------------------------------ */

bool iocp_dispatch_send(iocp_dispatch *dispatch, iocp_dispatch_kind kind, iocp_travel *travel, iocp_worker *receiver)
{
    dispatch->kind = kind;
    dispatch->travel = travel;
    atomic_fetch_add_explicit(&travel->references, 1, memory_order_relaxed);
    switch (iocp_chain_put(&receiver->dispatches, &dispatch->link)) {
    case IOCP_CHAIN_CLOSED:
        atomic_fetch_sub_explicit(&travel->references, 1, memory_order_relaxed); /* the caller has another */
        return false;
    case IOCP_CHAIN_WAKE:
        if (iocp_mailbox_wake_due(&receiver->mailbox))
            iocp_worker_wake_noted(receiver);
        return true;
    case IOCP_CHAIN_BEHIND:
        return true;
    }
    return true;
}
