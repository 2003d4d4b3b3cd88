/* What a home does for its connections that live elsewhere: it keeps their names, and passes their letters on in order. */
#include <stdlib.h>

#include "handing.h"
#include "travel.h"

/* So many letters a home has passed on, or holds, that nobody has opened. Behind more than these its mailbox waits, and refuses
 * posts when it is full: so memory is bounded where another worker's handler does not return. */
enum { LETTERS_OUT_MAX = 4096 };

iocp_travel *iocp_home_absent(const iocp_worker *worker, iocp_token connection)
{
    if (iocp_token_worker(connection) != worker->setup.index)
        return NULL;
    const iocp_slot *slot = iocp_slot_of_operation(&worker->table, connection);
    if (slot == NULL)
        return NULL;
    iocp_travel *travel = iocp_travel_find(worker, slot);
    const bool absent = slot->state == IOCP_SLOT_AWAY || slot->state == IOCP_SLOT_LEAVING;
    return travel != NULL && (absent || travel->late_count > 0) ? travel : NULL;
}

static void hold(iocp_travel *travel, iocp_forward *forward)
{
    atomic_fetch_add_explicit(&travel->references, 1, memory_order_relaxed);
    iocp_links_put(&travel->held, &forward->dispatch.link);
}

/* To where it lives now. What that worker does not take any more is opened here, where it finds no connection. */
static void send_held(iocp_worker *worker, iocp_travel *travel)
{
    for (iocp_link *link; (link = iocp_links_take(&travel->held)) != NULL;) {
        iocp_forward *forward = (iocp_forward *)link;
        if (!iocp_dispatch_send(&forward->dispatch, IOCP_DISPATCH_LETTER, travel, travel->host)) {
            iocp_links_put_first(&travel->held, link);
            iocp_home_opens_held(worker, travel);
            return;
        }
        iocp_travel_release(travel); /* it is retained by the dispatch */
    }
}

void iocp_home_left(iocp_worker *worker, iocp_travel *travel, iocp_worker *host)
{
    travel->host = host;
    travel->stage = IOCP_HOME_AWAY;
    send_held(worker, travel);
}

iocp_redirection iocp_home_redirect(iocp_worker *worker, iocp_travel *travel, const iocp_letter *letter)
{
    if (worker->stop == IOCP_STOP_NONE &&
        atomic_load_explicit(&worker->letters_out, memory_order_relaxed) >= LETTERS_OUT_MAX)
        return IOCP_REDIRECT_LATER;
    iocp_forward *forward = malloc(sizeof *forward);
    if (forward == NULL)
        return IOCP_REDIRECT_LATER;
    *forward = (iocp_forward){.dispatch = {.travel = travel}, .letter = *letter};
    atomic_fetch_add_explicit(&worker->letters_out, 1, memory_order_relaxed);
    if (travel->stage == IOCP_HOME_AWAY) {
        if (iocp_dispatch_send(&forward->dispatch, IOCP_DISPATCH_LETTER, travel, travel->host))
            return IOCP_REDIRECTED;
        atomic_fetch_sub_explicit(&worker->letters_out, 1, memory_order_relaxed);
        free(forward);
        return IOCP_REDIRECT_NEVER;
    }
    hold(travel, forward);
    if (travel->late_count > 0)
        iocp_home_opens_held(worker, travel);
    return IOCP_REDIRECTED;
}

/* --- those that live elsewhere -------------------------------------------------------------------------------- */

/* The slot that keeps the name; NULL once that was given up. */
static iocp_slot *slot_of(const iocp_worker *worker, const iocp_travel *travel)
{
    iocp_slot *slot = iocp_slot_of_operation(&worker->table, travel->name);
    return slot != NULL && slot->state == IOCP_SLOT_AWAY ? slot : NULL;
}

void iocp_home_recalled(iocp_worker *worker, iocp_travel *travel)
{
    const bool may_go = slot_of(worker, travel) != NULL && worker->stop == IOCP_STOP_NONE;
    if (iocp_dispatch_send(&travel->go, may_go ? IOCP_DISPATCH_GO : IOCP_DISPATCH_STAY, travel, travel->host) && may_go)
        travel->stage = IOCP_HOME_RECALLED;
}

void iocp_home_stayed(iocp_worker *worker, iocp_travel *travel)
{
    travel->stage = IOCP_HOME_AWAY;
    send_held(worker, travel);
}

bool iocp_home_passes_on(iocp_worker *worker, iocp_travel *travel)
{
    iocp_worker *target = &worker->setup.workers[travel->target];
    if (target == worker || travel->arrived_ns != 0 || worker->stop != IOCP_STOP_NONE || slot_of(worker, travel) == NULL ||
        iocp_moving_kind(target) != travel->kind || !iocp_worker_take_place(target))
        return false;
    travel->promised = true;
    if (!iocp_dispatch_send(&travel->parcel, IOCP_DISPATCH_PARCEL, travel, target)) {
        iocp_worker_give_place_back(target);
        travel->promised = false;
        return false;
    }
    iocp_home_left(worker, travel, target);
    return true;
}

static void forget(iocp_worker *worker, iocp_slot *slot)
{
    iocp_home_slot_free(worker, slot);
    iocp_slot_release(&worker->table, iocp_slot_index(&worker->table, slot));
}

void iocp_home_ended(iocp_worker *worker, iocp_travel *travel)
{
    iocp_slot *slot = slot_of(worker, travel);
    if (slot != NULL)
        forget(worker, slot);
}

void iocp_home_forgets(iocp_worker *worker)
{
    if (worker->travel_count == 0)
        return;
    for (uint32_t i = 0; i < worker->table.untouched; i++)
        if (worker->table.slots[i].state == IOCP_SLOT_AWAY)
            forget(worker, &worker->table.slots[i]);
}
