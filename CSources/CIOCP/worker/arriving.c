/* A connection that comes from another worker: it has a slot and a socket here, and goes on as it was. */
#include <errno.h>

#include "../connection/address_counts.h"
#include "failure.h"
#include "life.h"
#include "outbox.h"
#include "sent.h"
#include "timers.h"
#include "travel.h"
#include "windows.h"

/* What is true of a connection wherever it lives. */
enum {
    CARRIED_FLAGS = IOCP_SLOT_ANNOUNCED | IOCP_SLOT_PAUSED | IOCP_SLOT_PRESSED | IOCP_SLOT_UNHELD | IOCP_SLOT_SEND_MARKED |
                    IOCP_SLOT_IDLE_MARKED | IOCP_SLOT_OWN_MARKS | IOCP_SLOT_OWN_TIMEOUTS | IOCP_SLOT_UNSENT_NOTICE |
                    IOCP_SLOT_STAYS
};

/* --- what came ------------------------------------------------------------------------------------------------ */

/* The times of a played kernel are its own; workers on the real one have the same clock. */
static uint64_t clock_shift_ns(const iocp_worker *worker, const iocp_travel *travel)
{
    return worker->operations->now_ns != NULL ? worker->now_ns - travel->left_ns : 0;
}

static void take_over(iocp_worker *worker, iocp_slot *slot, const iocp_travel *travel)
{
    const iocp_slot *former = &travel->slot;
    const uint64_t shift_ns = clock_shift_ns(worker, travel);
    slot->state = IOCP_SLOT_OPEN;
    slot->flags = former->flags & CARRIED_FLAGS;
    slot->receive = IOCP_RECEIVE_NONE;
    slot->send = IOCP_SEND_NONE;
    slot->watch = IOCP_WATCH_NONE;
    slot->connect = former->connect;
    slot->buffers = former->buffers;
    slot->key = former->key;
    slot->received_bytes = former->received_bytes;
    slot->sent_bytes = former->sent_bytes;
    slot->received_ns = former->received_ns + shift_ns;
    slot->opened_ns = former->opened_ns + shift_ns;
    slot->sent_ns = former->sent_ns + shift_ns;
    slot->sent_mark_bytes = former->sent_mark_bytes;
    slot->idle_mark_bytes = former->idle_mark_bytes;
    slot->sent_mark_ns = former->sent_mark_ns + shift_ns;
    slot->received_mark_bytes = former->received_mark_bytes;
    slot->received_mark_ns = former->received_mark_ns + shift_ns;
    slot->listener = former->listener;
    slot->address = former->address;

    iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    terms->marks = travel->terms.marks;
    terms->marks_changed = travel->terms.marks_changed;
    terms->below_bytes = travel->terms.below_bytes;
    terms->notice_key = travel->terms.notice_key;
    terms->timeouts = travel->terms.timeouts;
    worker->counts_idle |= iocp_worker_timeouts(worker, slot)->idle_ns > 0;
}

/* Returns 0, or -ENOBUFS, and then some of it is not queued. */
static int requeue(iocp_worker *worker, iocp_slot *slot, const iocp_travel *travel)
{
    for (uint32_t i = 0; i < travel->piece_count; i++) {
        const iocp_carried_piece *piece = &travel->pieces[i];
        const int result = piece->shared != NULL
                               ? iocp_send_queue_shared(&worker->pool, &slot->queue, piece->shared)
                               : iocp_send_queue_mark(&worker->pool, &slot->queue, piece->key);
        if (result < 0)
            return result;
        if (piece->shared != NULL)
            worker->unsent_bytes += iocp_shared_bytes_count(piece->shared);
    }
    return 0;
}

/* --- where it comes to ---------------------------------------------------------------------------------------- */

/* Its own slot at home, as long as that was kept for it; or any. */
static iocp_slot *slot_for(iocp_worker *worker, iocp_travel *travel, uint32_t handle)
{
    if (travel->home == worker) {
        iocp_slot *slot = iocp_slot_find(&worker->table, travel->name);
        if (slot != NULL && slot->state == IOCP_SLOT_AWAY) {
            slot->handle = handle;
            return slot;
        }
    }
    return iocp_worker_slot_take(worker, handle, IOCP_SLOT_OPEN);
}

/* Returns 0 once the slot is known by the name, or -ENOMEM. */
static int settle(iocp_worker *worker, iocp_slot *slot, iocp_travel *travel)
{
    iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    if (travel->home == worker) {
        travel->host = worker;
        travel->stage = IOCP_HOME_HERE;
        return 0; /* and where it lost its name, it has the slot's */
    }
    const int result = iocp_guests_put(&worker->table.guests, travel->name, iocp_slot_index(&worker->table, slot));
    slot->is_guest = true;
    terms->travel = travel;
    atomic_fetch_add_explicit(&travel->references, 1, memory_order_relaxed);
    return result;
}

static void end_promise(iocp_worker *worker, iocp_travel *travel)
{
    if (travel->promised)
        iocp_worker_promise_ends(worker);
    travel->promised = false;
}

/* Returns 0, -EAGAIN: not now, or why the connection is lost. */
static int take_socket(iocp_worker *worker, iocp_travel *travel, uint32_t *handle)
{
    *handle = IOCP_HANDLE_NONE;
    if (worker->failure < 0)
        return worker->failure;
    const int result = worker->operations->hand_over->take(worker->driver, &travel->traveller, handle);
    if (result == 0)
        return 0;
    if (travel->arrived_ns == 0)
        travel->arrived_ns = worker->now_ns;
    return worker->now_ns - travel->arrived_ns < IOCP_MOVE_HOLD_NS ? -EAGAIN : result == -EAGAIN ? -ENFILE : result;
}

bool iocp_worker_arrive(iocp_worker *worker, iocp_travel *travel)
{
    uint32_t handle;
    int result = take_socket(worker, travel, &handle);
    if (result == -EAGAIN)
        return false;
    if (result < 0)
        worker->operations->hand_over->abandon(&travel->traveller);
    iocp_slot *slot = slot_for(worker, travel, handle);
    IOCP_CHECK(slot != NULL, "a connection came that no slot was kept for");
    end_promise(worker, travel);
    take_over(worker, slot, travel);
    const int named = settle(worker, slot, travel);
    result = result < 0 ? result : named;
    IOCP_STATS_ADD(worker->stats, connections, 1);
    IOCP_STATS_ADD(worker->stats, migrated_in, 1);
    iocp_worker_emit_move(worker, slot, IOCP_COMPLETION_ARRIVED, travel->from, travel->state);
    travel->state = NULL;
    travel->may_go = false; /* that was for this move */
    const int queued = requeue(worker, slot, travel);
    result = result < 0 ? result : queued;
    iocp_timers_restart(worker, iocp_slot_connection(&worker->table, slot), travel->timers, travel->timer_count,
                        clock_shift_ns(worker, travel));
    iocp_travel_drop_pieces(travel);
    iocp_travel_drop_timers(travel);
    if (travel->home == worker)
        iocp_home_opens_held(worker, travel);
    if (result < 0 && handle == IOCP_HANDLE_NONE) {
        iocp_worker_end_connection(worker, slot, result); /* not before the application has it */
        return true;
    }
    if (result < 0)
        iocp_worker_begin_close(worker, slot, IOCP_CLOSE_FAILED, result, true);
    else if (iocp_worker_said_stopping(worker))
        iocp_worker_begin_close(worker, slot, IOCP_CLOSE_STOPPED, 0, false);
    if (slot->state == IOCP_SLOT_OPEN)
        iocp_worker_arm(worker, slot, iocp_worker_due_ns(worker, slot));
    iocp_worker_touch(worker, slot);
    return true;
}

void iocp_travel_abandon(iocp_worker *worker, iocp_travel *travel)
{
    worker->operations->hand_over->abandon(&travel->traveller);
    if (travel->slot.address != 0)
        iocp_address_counts_release(worker->setup.addresses, travel->slot.address);
    iocp_travel_drop_pieces(travel);
    iocp_travel_drop_timers(travel);
    iocp_travel_drop_state(travel);
    if (travel->home != worker)
        (void)iocp_dispatch_send(&travel->ended, IOCP_DISPATCH_ENDED, travel, travel->home);
}
