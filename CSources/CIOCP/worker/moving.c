/* A connection that is to live with another worker: it comes to rest, is taken leave of, and goes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "life.h"
#include "lookup.h"
#include "outbox.h"
#include "stalled.h"
#include "timers.h"
#include "travel.h"
#include "windows.h"

/* --- asking for it -------------------------------------------------------------------------------------------- */

/* As many as fit iocp_slot. */
enum { KEEPERS_MAX = 15 };

int iocp_worker_take_part_in_moves(iocp_worker *worker, uint64_t kind)
{
    const int refusal = iocp_worker_refusal(worker);
    if (refusal < 0)
        return refusal;
    atomic_store_explicit(&worker->door.moves_kind, kind, memory_order_relaxed);
    return 0;
}

/* How many pieces its unsent bytes and marks are once the bytes between two marks are one. */
static uint32_t carried_pieces(const iocp_worker *worker, const iocp_slot *slot)
{
    uint32_t count = 0;
    bool in_bytes = false;
    for (uint32_t at = slot->queue.head; at != IOCP_NODE_NONE; at = worker->pool.nodes[at].next) {
        const bool mark = worker->pool.nodes[at].piece == IOCP_PIECE_MARK;
        count += mark || !in_bytes;
        in_bytes = !mark;
        if (count > IOCP_CARRIED_PIECES_MAX)
            return count;
    }
    return count;
}

static bool owes_letters(const iocp_worker *worker, const iocp_slot *slot)
{
    return !slot->is_guest && iocp_home_owes_letters(iocp_travel_find(worker, slot));
}

/* Whether nothing but its operations keeps it here. */
static bool may_move(const iocp_worker *worker, const iocp_slot *slot)
{
    return slot->state == IOCP_SLOT_OPEN && slot->layer == IOCP_LAYER_NONE && slot->finish == IOCP_FINISH_NONE &&
           slot->receive != IOCP_RECEIVE_FINISHED && !slot->awaits_work && (slot->flags & IOCP_SLOT_ANNOUNCED) &&
           slot->keepers == 0 && !owes_letters(worker, slot) &&
           !iocp_timers_has_named(worker, iocp_slot_connection(&worker->table, slot));
}

static int find_target(const iocp_worker *worker, const iocp_slot *slot, uint32_t to_worker)
{
    if (to_worker >= worker->setup.config->worker_count)
        return -EINVAL;
    if (worker->stop != IOCP_STOP_NONE)
        return -ESHUTDOWN;
    if (worker->operations->hand_over == NULL || slot->layer != IOCP_LAYER_NONE ||
        iocp_moving_kind(worker) == 0 || iocp_moving_kind(&worker->setup.workers[to_worker]) != iocp_moving_kind(worker))
        return -EOPNOTSUPP;
    if (slot->moves)
        return -EALREADY;
    return may_move(worker, slot) ? 0 : owes_letters(worker, slot) ? -EAGAIN : -EBUSY;
}

/* From home straight to the other worker, where it has to have a place; from elsewhere by way of its home. */
static int ask(iocp_worker *worker, const iocp_slot *slot, iocp_travel *travel)
{
    if (!slot->is_guest) {
        travel->promised = iocp_worker_take_place(&worker->setup.workers[travel->target]);
        return travel->promised ? 0 : -EAGAIN;
    }
    travel->may_go = false;
    travel->is_called_off = false;
    travel->asks = iocp_dispatch_send(&travel->recall, IOCP_DISPATCH_RECALL, travel, travel->home);
    return travel->asks ? 0 : -ESHUTDOWN;
}

int iocp_moving_ask(iocp_worker *worker, iocp_slot *slot, uint32_t to_worker)
{
    int result = find_target(worker, slot, to_worker);
    if (result < 0)
        return result;
    iocp_travel *travel = iocp_travel_of(worker, slot);
    if (travel == NULL)
        return -ENOMEM;
    if (travel->asks)
        return -EALREADY; /* an answer is still to come to an earlier wish, which was called off */
    travel->target = to_worker;
    travel->kind = iocp_moving_kind(worker);
    if ((result = ask(worker, slot, travel)) < 0)
        return result;
    slot->moves = true;
    iocp_worker_touch(worker, slot);
    return 0;
}

int iocp_connection_move(iocp_worker *worker, iocp_token connection, uint32_t to_worker)
{
    iocp_slot *slot;
    const int result = iocp_worker_find_open(worker, connection, &slot);
    if (result < 0)
        return result;
    return to_worker == worker->setup.index ? 0 : iocp_moving_ask(worker, slot, to_worker);
}

/* --- whether it goes ------------------------------------------------------------------------------------------ */

int iocp_connection_keep(iocp_worker *worker, iocp_token connection, bool keeps)
{
    iocp_slot *slot;
    const int result = iocp_worker_find_open(worker, connection, &slot);
    if (result < 0)
        return result;
    if (slot->keepers == (keeps ? KEEPERS_MAX : 0))
        return -ERANGE;
    slot->keepers += keeps ? 1 : -1;
    if (slot->moves && keeps) {
        iocp_moving_call_off(worker, slot);
        iocp_worker_touch(worker, slot);
    }
    return 0;
}

void iocp_moving_answered(iocp_worker *worker, iocp_travel *travel, bool may_go)
{
    iocp_slot *slot = iocp_slot_find_guest(&worker->table, travel->name);
    if (slot == NULL)
        return; /* it has closed, which its home hears */
    travel->asks = false;
    travel->may_go = may_go;
    if (!may_go || travel->is_called_off || slot->state != IOCP_SLOT_OPEN)
        iocp_moving_call_off(worker, slot);
    iocp_worker_touch(worker, slot);
}

static bool has_come_to_rest(const iocp_slot *slot, const iocp_travel *travel)
{
    return !iocp_slot_awaits_events(slot) && slot->send == IOCP_SEND_NONE && (!slot->is_guest || travel->may_go);
}

bool iocp_moving_goes_on(iocp_worker *worker, iocp_slot *slot)
{
    if (worker->stop == IOCP_STOP_NONE && may_move(worker, slot) && !(slot->flags & IOCP_SLOT_DOUBTED) &&
        carried_pieces(worker, slot) <= IOCP_CARRIED_PIECES_MAX)
        return true;
    iocp_moving_call_off(worker, slot);
    return false;
}

void iocp_moving_rest(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->rests || !has_come_to_rest(slot, iocp_travel_find(worker, slot)))
        return;
    slot->rests = true;
    iocp_slot_fifo_push(&worker->resting, &worker->table, slot);
}

/* Its timers rest, too: nothing comes behind LEAVING. Returns false without memory. */
static bool take_leave(iocp_worker *worker, iocp_slot *slot, iocp_travel *travel)
{
    const iocp_token connection = iocp_slot_connection(&worker->table, slot);
    if (!iocp_timers_copy(worker, connection, &travel->timers, &travel->timer_count))
        return false;
    iocp_timers_discard(worker, connection);
    slot->state = IOCP_SLOT_LEAVING;
    slot->moves = false;
    travel->left_ns = worker->now_ns;
    travel->left_wait = worker->wait_count;
    iocp_deadlines_disarm(&worker->deadlines, iocp_slot_index(&worker->table, slot));
    iocp_slot_fifo_push(&worker->leaving, &worker->table, slot);
    iocp_worker_emit_move(worker, slot, IOCP_COMPLETION_LEAVING, travel->target, NULL);
    return true;
}

/* The application has seen, and answered, all that came before; so it may have done something more with them. */
void iocp_worker_take_leaves(iocp_worker *worker)
{
    for (uint32_t left = worker->resting.count; left > 0 && iocp_worker_has_room(worker); left--) {
        iocp_slot *slot = iocp_slot_fifo_pop(&worker->resting, &worker->table);
        slot->rests = false;
        iocp_travel *travel = iocp_travel_find(worker, slot);
        if (!iocp_moving_goes_on(worker, slot) || !has_come_to_rest(slot, travel) || (slot->flags & IOCP_SLOT_DIRTY) ||
            !take_leave(worker, slot, travel))
            iocp_worker_touch(worker, slot);
    }
}

int iocp_connection_give(iocp_worker *worker, iocp_token connection, void *state, void (*release)(void *state))
{
    const iocp_slot *slot = iocp_worker_find_slot(worker, connection);
    if (slot == NULL || slot->state != IOCP_SLOT_LEAVING)
        return iocp_worker_is_foreign(worker) ? -EPERM : -ENOTCONN;
    iocp_travel *travel = iocp_travel_find(worker, slot);
    travel->state = state;
    travel->release_state = release;
    return 0;
}

/* --- what it takes along -------------------------------------------------------------------------------------- */

static const iocp_send_node *node_at(const iocp_worker *worker, uint32_t index)
{
    return &worker->pool.nodes[index];
}

/* Copies the bytes up to the next mark. Returns where that is, or the end; false without memory. */
static bool copy_bytes(const iocp_worker *worker, uint32_t *at, iocp_carried_piece *piece)
{
    uint32_t count_bytes = 0;
    for (uint32_t i = *at; i != IOCP_NODE_NONE && node_at(worker, i)->piece != IOCP_PIECE_MARK; i = node_at(worker, i)->next)
        count_bytes += node_at(worker, i)->count_bytes;
    piece->shared = iocp_shared_bytes_create(count_bytes);
    if (piece->shared == NULL)
        return false;
    uint8_t *place = iocp_shared_bytes_start(piece->shared);
    for (; *at != IOCP_NODE_NONE && node_at(worker, *at)->piece != IOCP_PIECE_MARK; *at = node_at(worker, *at)->next) {
        memcpy(place, node_at(worker, *at)->start, node_at(worker, *at)->count_bytes);
        place += node_at(worker, *at)->count_bytes;
    }
    return true;
}

static bool copy_queue(const iocp_worker *worker, const iocp_slot *slot, iocp_travel *travel)
{
    travel->piece_count = 0;
    for (uint32_t at = slot->queue.head; at != IOCP_NODE_NONE;) {
        iocp_carried_piece *piece = &travel->pieces[travel->piece_count];
        *piece = (iocp_carried_piece){0};
        if (node_at(worker, at)->piece == IOCP_PIECE_MARK) {
            piece->key = node_at(worker, at)->owner.key;
            at = node_at(worker, at)->next;
        } else if (!copy_bytes(worker, &at, piece)) {
            return false;
        }
        travel->piece_count++;
    }
    return true;
}

/* Everything but the socket. Returns false without memory, and then nothing is taken. */
static bool pack(iocp_worker *worker, const iocp_slot *slot, iocp_travel *travel)
{
    travel->from = worker->setup.index;
    travel->arrived_ns = 0;
    travel->slot = *slot;
    travel->terms = *iocp_slot_terms_of(&worker->table, slot);
    if (copy_queue(worker, slot, travel))
        return true;
    iocp_travel_drop_pieces(travel);
    return false;
}

/* --- going ---------------------------------------------------------------------------------------------------- */

static void forget_queue(iocp_worker *worker, iocp_slot *slot)
{
    iocp_worker_unstall(worker, slot);
    worker->unsent_bytes -= slot->queue.unsent_bytes;
    uint64_t key;
    while (slot->queue.head != IOCP_NODE_NONE)
        iocp_send_queue_drop(&worker->pool, &slot->queue, &key);
}

/* The connection is another worker's by now. */
static void let_go(iocp_worker *worker, iocp_slot *slot, iocp_token name)
{
    forget_queue(worker, slot);
    IOCP_STATS_ADD(worker->stats, connections, (uint64_t)-1);
    IOCP_STATS_ADD(worker->stats, migrated_out, 1);
    slot->handle = IOCP_HANDLE_NONE;
    slot->address = 0;
    slot->flags = 0;
    if (!slot->is_guest) {
        slot->state = IOCP_SLOT_AWAY;
        return;
    }
    iocp_guests_remove(&worker->table.guests, name);
    iocp_travel *travel = iocp_travel_find(worker, slot);
    iocp_slot_terms_of(&worker->table, slot)->travel = NULL;
    iocp_travel_release(travel);
    iocp_slot_release(&worker->table, iocp_slot_index(&worker->table, slot));
}

typedef enum departure { GONE, LATER, STAYS } departure;

bool iocp_moving_was_answered(const iocp_worker *worker, const iocp_slot *slot)
{
    return iocp_travel_find(worker, slot)->left_wait != worker->wait_count;
}

static departure leave(iocp_worker *worker, iocp_slot *slot, iocp_travel *travel)
{
    if (!iocp_moving_was_answered(worker, slot))
        return LATER;
    if (worker->stop != IOCP_STOP_NONE || travel->ends)
        return STAYS;
    if (!pack(worker, slot, travel))
        return STAYS;
    const iocp_hand_over_operations *operations = worker->operations->hand_over;
    const uint32_t handle = slot->handle;
    const iocp_token name = travel->name;
    iocp_worker *receiver = slot->is_guest ? travel->home : &worker->setup.workers[travel->target];
    const int result = operations->pack(worker->driver, handle, &travel->traveller);
    if (result < 0) {
        iocp_travel_drop_pieces(travel);
        const bool soon = result == -EBUSY || result == -EAGAIN || result == -EMFILE;
        return soon && worker->now_ns - travel->left_ns < IOCP_MOVE_HOLD_NS ? LATER : STAYS;
    }
    if (!iocp_dispatch_send(&travel->parcel, IOCP_DISPATCH_PARCEL, travel, receiver)) {
        operations->stay(worker->driver, handle, &travel->traveller);
        iocp_travel_drop_pieces(travel);
        return STAYS;
    }
    operations->leave(worker->driver, handle);
    if (!slot->is_guest)
        iocp_home_left(worker, travel, receiver);
    let_go(worker, slot, name); /* the parcel is the receiver's by now */
    return GONE;
}

void iocp_moving_comes_back(iocp_worker *worker, iocp_slot *slot)
{
    iocp_travel *travel = iocp_travel_find(worker, slot);
    slot->state = IOCP_SLOT_OPEN;
    iocp_moving_call_off(worker, slot);
    iocp_worker_emit_move(worker, slot, IOCP_COMPLETION_ARRIVED, worker->setup.index, travel->state);
    travel->state = NULL;
    iocp_timers_restart(worker, iocp_slot_connection(&worker->table, slot), travel->timers, travel->timer_count, 0);
    iocp_travel_drop_timers(travel);
    if (!slot->is_guest)
        iocp_home_opens_held(worker, travel);
}

void iocp_moving_end(iocp_worker *worker, const iocp_slot *slot, bool abort)
{
    iocp_travel *travel = iocp_travel_find(worker, slot);
    travel->ends = true;
    travel->aborts |= abort;
}

/* The application was told that it leaves when it closed it: it has it again, and then its end. */
static void end_as_asked(iocp_worker *worker, iocp_slot *slot)
{
    iocp_travel *travel = iocp_travel_find(worker, slot);
    const bool ends = travel->ends;
    const bool aborts = travel->aborts;
    travel->ends = travel->aborts = false;
    if (ends)
        iocp_worker_begin_close(worker, slot, aborts ? IOCP_CLOSE_ABORTED : IOCP_CLOSE_LOCAL, 0, aborts);
}

static void stays(iocp_worker *worker, iocp_slot *slot)
{
    iocp_moving_comes_back(worker, slot);
    iocp_worker_arm(worker, slot, iocp_worker_due_ns(worker, slot));
    iocp_worker_touch(worker, slot);
    end_as_asked(worker, slot);
    if (iocp_worker_said_stopping(worker) && !(slot->flags & IOCP_SLOT_STAYS))
        iocp_worker_begin_close(worker, slot, IOCP_CLOSE_STOPPED, 0, false);
}

void iocp_worker_depart(iocp_worker *worker)
{
    for (uint32_t left = worker->leaving.count; left > 0; left--) {
        iocp_slot *slot = iocp_slot_fifo_pop(&worker->leaving, &worker->table);
        switch (leave(worker, slot, iocp_travel_find(worker, slot))) {
        case GONE:
            break;
        case LATER:
            iocp_slot_fifo_push(&worker->leaving, &worker->table, slot);
            break;
        case STAYS:
            stays(worker, slot);
            break;
        }
    }
}
