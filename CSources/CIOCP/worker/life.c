/* The life of a connection: it takes a slot, opens, begins to close or fails, and gives its slot back. */
#include "life.h"

#include <errno.h>

#include "layers.h"
#include "outbox.h"
#include "stalled.h"
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
        break;
    case IOCP_SLOT_FLUSHING:
    case IOCP_SLOT_LINGERING:
        if (!abort)
            return;
        break;
    case IOCP_SLOT_DRAINING:
    case IOCP_SLOT_CLOSING:
    case IOCP_SLOT_HELD: /* ends with its admission */
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

void iocp_worker_slot_release(iocp_worker *worker, iocp_slot *slot)
{
    const uint32_t index = iocp_slot_index(&worker->table, slot);
    IOCP_CHECK(!(slot->flags & IOCP_SLOT_DIRTY) && slot->receive != IOCP_RECEIVE_STARVED,
               "a slot was released while it is still listed");
    iocp_deadlines_disarm(&worker->deadlines, index);
    if (slot->address != 0)
        iocp_address_counts_release(worker->setup.addresses, slot->address);
    if (iocp_slot_is_connection(slot)) {
        IOCP_STATS_ADD(worker->stats, closed, iocp_slot_never_opened(slot) ? 0 : 1);
        IOCP_STATS_ADD(worker->stats, connections, (uint64_t)-1);
    }
    iocp_worker_emit_last(worker, slot);
    iocp_worker_layer_end(worker, slot);
    iocp_slot_release(&worker->table, index);
}
