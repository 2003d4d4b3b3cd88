/* The life of a connection: it takes a slot, opens, begins to close or fails, and gives its slot back. */
#include "life.h"

#include <errno.h>

#include "capture.h"
#include "layers.h"
#include "outbox.h"
#include "stalled.h"
#include "travel.h"
#include "windows.h"

iocp_slot *iocp_worker_slot_take(iocp_worker *worker, uint32_t handle, iocp_slot_state state)
{
    const int64_t index = iocp_slot_take(&worker->table);
    if (index < 0)
        return NULL;
    iocp_slot *slot = &worker->table.slots[index];
    slot->handle = handle;
    slot->state = state;
    if (!worker->setup.config->holds_back_receive)
        iocp_slot_set(slot, IOCP_SLOT_UNHELD);
    return slot;
}

void iocp_worker_opened(iocp_worker *worker, iocp_slot *slot)
{
    slot->state = IOCP_SLOT_OPEN;
    slot->opened_ns = worker->now_ns;
    slot->received_ns = worker->now_ns;
    IOCP_STATS_ADD(worker->stats, connections, 1);
    iocp_worker_arm_deadline(worker, slot);
}

void iocp_worker_connected(iocp_worker *worker, iocp_slot *slot)
{
    slot->connect = IOCP_CONNECT_OPENED;
    IOCP_STATS_ADD(worker->stats, connected, 1);
    iocp_worker_announce(worker, slot);
}

void iocp_worker_begin_close(iocp_worker *worker, iocp_slot *slot, iocp_close_reason reason, int32_t result, bool abort)
{
    if (slot->state == IOCP_SLOT_LEAVING || slot->state == IOCP_SLOT_AWAY)
        return; /* it ends where it lives, or once it has come back */
    /* A graceful close that is cut before everything was sent says what cut it. */
    if (slot->close_reason == 0 || (abort && slot->state == IOCP_SLOT_FLUSHING)) {
        slot->close_reason = reason;
        slot->close_result = (int16_t)result;
    }
    switch (slot->state) {
    case IOCP_SLOT_CONNECTING:
        abort = true; /* nothing was sent, so there is nothing to finish */
        break;
    case IOCP_SLOT_OPEN:
        if (slot->moves)
            iocp_moving_call_off(worker, slot);
        break;
    case IOCP_SLOT_FLUSHING:
    case IOCP_SLOT_LINGERING:
        if (!abort)
            return;
        break;
    case IOCP_SLOT_DRAINING:
    case IOCP_SLOT_CLOSING:
    case IOCP_SLOT_HELD: /* ends with its admission */
    case IOCP_SLOT_LEAVING:
    case IOCP_SLOT_AWAY:
    case IOCP_SLOT_FREE:
        return;
    }
    if (abort) {
        iocp_slot_set(slot, IOCP_SLOT_ABORT);
        slot->state = IOCP_SLOT_DRAINING;
        iocp_worker_unstall(worker, slot);
    } else {
        iocp_worker_layer_finish(worker, slot);
        slot->state = IOCP_SLOT_FLUSHING;
        iocp_worker_arm_linger(worker, slot);
    }
    iocp_worker_touch(worker, slot);
}

void iocp_worker_cancel(iocp_worker *worker, const iocp_slot *slot, iocp_operation operation)
{
    worker->operations->cancel(worker->driver, iocp_slot_token(&worker->table, slot, operation), slot->handle);
}

void iocp_worker_cancel_send(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->send != IOCP_SEND_SUBMITTED)
        return;
    slot->send = IOCP_SEND_CANCELLED;
    iocp_worker_cancel(worker, slot, IOCP_OPERATION_SEND);
}

void iocp_worker_fail(iocp_worker *worker, iocp_slot *slot, int32_t result)
{
    switch (-result) {
    case ECONNRESET:
    case EPIPE:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case ENOTCONN:
        iocp_worker_begin_close(worker, slot, IOCP_CLOSE_RESET, result, true);
        return;
    default:
        iocp_worker_begin_close(worker, slot, IOCP_CLOSE_FAILED, result, true);
        return;
    }
}

static void count_reason(iocp_stats_cell *stats, iocp_close_reason reason)
{
    switch (reason) {
    case IOCP_CLOSE_LOCAL:
        IOCP_STATS_ADD(stats, closed_here, 1);
        return;
    case IOCP_CLOSE_PEER:
        IOCP_STATS_ADD(stats, closed_by_peer, 1);
        return;
    case IOCP_CLOSE_RESET:
        IOCP_STATS_ADD(stats, reset, 1);
        return;
    case IOCP_CLOSE_ABORTED:
        IOCP_STATS_ADD(stats, aborted, 1);
        return;
    case IOCP_CLOSE_STOPPED:
        IOCP_STATS_ADD(stats, closed_by_stop, 1);
        return;
    case IOCP_CLOSE_IDLE_TIMEOUT:
        IOCP_STATS_ADD(stats, idle_timeouts, 1);
        return;
    case IOCP_CLOSE_RECEIVE_TIMEOUT:
        IOCP_STATS_ADD(stats, receive_timeouts, 1);
        return;
    case IOCP_CLOSE_SEND_TIMEOUT:
        IOCP_STATS_ADD(stats, send_timeouts, 1);
        return;
    case IOCP_CLOSE_SEND_OVERFLOW:
        IOCP_STATS_ADD(stats, overflows, 1);
        return;
    case IOCP_CLOSE_FAILED:
        IOCP_STATS_ADD(stats, failed, 1);
        return;
    case IOCP_CLOSE_LAYER:
        IOCP_STATS_ADD(stats, closed_by_layer, 1);
        return;
    }
    /* It was open when its worker was closed, which aborts what is left. */
    IOCP_STATS_ADD(stats, aborted, 1);
}

void iocp_worker_count_closed(iocp_worker *worker, const iocp_slot *slot)
{
    if (!iocp_slot_is_connection(slot))
        return;
    IOCP_STATS_ADD(worker->stats, connections, (uint64_t)-1);
    if (iocp_slot_never_opened(slot))
        return;
    IOCP_STATS_ADD(worker->stats, closed, 1);
    count_reason(worker->stats, (iocp_close_reason)slot->close_reason);
}

void iocp_worker_slot_release(iocp_worker *worker, iocp_slot *slot)
{
    const uint32_t index = iocp_slot_index(&worker->table, slot);
    IOCP_CHECK(!(slot->flags & IOCP_SLOT_DIRTY) && slot->receive != IOCP_RECEIVE_STARVED,
               "a slot was released while it is still listed");
    iocp_deadlines_disarm(&worker->deadlines, index);
    if (slot->address != 0)
        iocp_address_counts_release(worker->setup.addresses, slot->address);
    iocp_worker_count_closed(worker, slot);
    if (iocp_worker_captures(worker))
        iocp_worker_write_closed(worker, slot);
    iocp_worker_emit_last(worker, slot);
    iocp_worker_layer_end(worker, slot);
    if (slot->is_guest)
        iocp_guest_ended(worker, slot);
    else if (iocp_travel_find(worker, slot) != NULL)
        iocp_home_slot_free(worker, slot);
    iocp_slot_release(&worker->table, index);
}
