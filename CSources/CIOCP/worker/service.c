/* What a slot needs now. Everything that happens to a connection sets its state and lists it; one pass per flush
 * looks at each listed slot once and submits what that state calls for. */
#include <errno.h>

#include "worker.h"

/* --- completions of a life ---------------------------------------------------------------------------------- */

static iocp_completion completion_of(const iocp_worker *worker, const iocp_slot *slot, iocp_completion_kind kind)
{
    return (iocp_completion){.kind = kind,
                             .connection = iocp_slot_connection(&worker->table, slot),
                             .key = slot->key};
}

void iocp_worker_announce(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->flags & IOCP_SLOT_ANNOUNCED)
        return;
    slot->flags |= IOCP_SLOT_ANNOUNCED;
    iocp_worker_emit(worker, completion_of(worker, slot, IOCP_COMPLETION_OPENED));
}

iocp_slot *iocp_worker_slot_take(iocp_worker *worker, uint32_t handle, iocp_slot_state state)
{
    const int64_t index = iocp_slot_take(&worker->table);
    if (index < 0)
        return NULL;
    iocp_slot *slot = &worker->table.slots[index];
    slot->handle = handle;
    slot->state = state;
    if (!worker->setup.config->holds_back_receive)
        slot->flags |= IOCP_SLOT_UNHELD;
    return slot;
}

void iocp_worker_opened(iocp_worker *worker, iocp_slot *slot)
{
    slot->state = IOCP_SLOT_OPEN;
    slot->flags |= IOCP_SLOT_COUNTED;
    slot->opened_ns = worker->now_ns;
    slot->received_ns = worker->now_ns;
    IOCP_STATS_ADD(worker->stats, connections, 1);
    iocp_worker_arm_deadline(worker, slot);
}

void iocp_worker_slot_release(iocp_worker *worker, iocp_slot *slot)
{
    iocp_completion last = completion_of(worker, slot, IOCP_COMPLETION_CLOSED);
    last.result = slot->close_result;
    last.detail = slot->close_reason;
    const bool announced = slot->flags & IOCP_SLOT_ANNOUNCED;
    const bool was_open = slot->flags & IOCP_SLOT_COUNTED;
    const bool connecting = slot->flags & IOCP_SLOT_CONNECTOR && !was_open;
    IOCP_CHECK(!(slot->flags & (IOCP_SLOT_DIRTY | IOCP_SLOT_STARVED)), "a slot was released while it is still listed");
    iocp_deadlines_disarm(&worker->deadlines, iocp_slot_index(&worker->table, slot));
    if (slot->address != 0)
        iocp_address_counts_release(worker->setup.addresses, slot->address);
    iocp_slot_release(&worker->table, iocp_slot_index(&worker->table, slot));
    if (was_open) {
        IOCP_STATS_ADD(worker->stats, closed, 1);
        IOCP_STATS_ADD(worker->stats, connections, (uint64_t)-1);
    }
    if (connecting) {
        last.kind = IOCP_COMPLETION_CONNECT_FAILED;
        if (last.result == 0)
            last.result = -ECANCELED; /* given up here, before the peer answered */
    }
    if (announced || connecting)
        iocp_worker_emit(worker, last);
}

void iocp_worker_take_marks(iocp_worker *worker, iocp_slot *slot, int32_t result)
{
    uint64_t key;
    while (iocp_send_queue_take_mark(&worker->pool, &slot->queue, &key)) {
        iocp_completion sent = completion_of(worker, slot, IOCP_COMPLETION_SENT);
        sent.key = key;
        sent.result = result;
        iocp_worker_emit(worker, sent);
    }
}

/* --- closing ------------------------------------------------------------------------------------------------ */

void iocp_worker_begin_close(iocp_worker *worker, iocp_slot *slot, iocp_close_reason reason, int32_t result,
                             bool abort)
{
    /* A graceful close that is cut before everything was sent says what cut it. */
    if (slot->close_reason == 0 || (abort && slot->state == IOCP_SLOT_FLUSHING)) {
        slot->close_reason = reason;
        slot->close_result = result;
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
        slot->flags |= IOCP_SLOT_ABORT;
        slot->state = IOCP_SLOT_DRAINING;
        iocp_worker_unstall(worker, slot);
    } else {
        slot->state = IOCP_SLOT_FLUSHING;
        iocp_worker_arm_linger(worker, slot);
    }
    iocp_worker_touch(worker, slot);
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

/* --- operations --------------------------------------------------------------------------------------------- */

static void submit_receive(iocp_worker *worker, iocp_slot *slot)
{
    slot->flags |= IOCP_SLOT_RECEIVING;
    slot->outstanding_count++;
    worker->operations->receive(worker->driver, iocp_slot_token(&worker->table, slot, IOCP_OPERATION_RECEIVE),
                                slot->handle, iocp_worker_buffer_class(worker, slot));
}

static void cancel_receive(iocp_worker *worker, iocp_slot *slot)
{
    if (!(slot->flags & IOCP_SLOT_RECEIVING) || (slot->flags & IOCP_SLOT_RECEIVE_CANCELLED))
        return;
    slot->flags |= IOCP_SLOT_RECEIVE_CANCELLED;
    worker->operations->cancel(worker->driver, iocp_slot_token(&worker->table, slot, IOCP_OPERATION_RECEIVE), slot->handle);
}

void iocp_worker_service_receive(iocp_worker *worker, iocp_slot *slot)
{
    const bool held_back = iocp_slot_is_held_back(slot) && slot->state == IOCP_SLOT_OPEN;
    const bool wanted = !(slot->flags & IOCP_SLOT_PEER_FINISHED) && !held_back;
    if (!wanted)
        cancel_receive(worker, slot);
    else if (!(slot->flags & (IOCP_SLOT_RECEIVING | IOCP_SLOT_STARVED)))
        submit_receive(worker, slot);
}

/* A connection that does not receive hears of its peer's reset all the same, where no send would tell. */
static void service_watch(iocp_worker *worker, iocp_slot *slot)
{
    const uint32_t otherwise = IOCP_SLOT_RECEIVING | IOCP_SLOT_PEER_FINISHED | IOCP_SLOT_WATCH_SPENT;
    const bool wanted = slot->state == IOCP_SLOT_OPEN && (slot->flags & IOCP_SLOT_PAUSED) && !(slot->flags & otherwise);
    const uint64_t token = iocp_slot_token(&worker->table, slot, IOCP_OPERATION_WATCH);
    if (wanted && !(slot->flags & IOCP_SLOT_WATCHED)) {
        slot->flags |= IOCP_SLOT_WATCHED;
        slot->outstanding_count++;
        worker->operations->watch(worker->driver, token, slot->handle);
    } else if (!wanted && (slot->flags & (IOCP_SLOT_WATCHED | IOCP_SLOT_WATCH_CANCELLED)) == IOCP_SLOT_WATCHED) {
        slot->flags |= IOCP_SLOT_WATCH_CANCELLED;
        worker->operations->cancel(worker->driver, token, slot->handle);
    }
}

/* Whether nobody waits for the end of a send that takes the whole queue: no notification, no FIN or close behind it, no
 * handler that was held back, and no receive that its buffers could serve. */
static bool may_be_silent(const iocp_worker *worker, const iocp_slot *slot)
{
    return slot->state == IOCP_SLOT_OPEN &&
           !(slot->flags & (IOCP_SLOT_FINISH_WANTED | IOCP_SLOT_PRESSED | IOCP_SLOT_UNSENT_NOTICE)) &&
           !iocp_worker_has_starved(worker, IOCP_BUFFER_SMALL) && !iocp_worker_has_starved(worker, IOCP_BUFFER_LARGE);
}

static iocp_send_mode send_mode(const iocp_worker *worker, const iocp_slot *slot, bool whole)
{
    if (slot->flags & IOCP_SLOT_SEND_BLOCKED)
        return IOCP_SEND_WAIT;
    return whole && may_be_silent(worker, slot) ? IOCP_SEND_SILENT : IOCP_SEND_NOW;
}

/* One send at a time: two in flight on one socket may leave in either order. */
static void service_send(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->flags & (IOCP_SLOT_SENDING | IOCP_SLOT_SHUTTING | IOCP_SLOT_SEND_DELAYED))
        return;
    iocp_worker_take_marks(worker, slot, 0);
    iocp_range ranges[IOCP_SEND_RANGES_MAX];
    const iocp_gathered gathered =
        iocp_send_queue_gather(&worker->pool, &slot->queue, ranges, IOCP_SEND_RANGES_MAX);
    if (gathered.range_count == 0)
        return;
    const iocp_send_mode mode = send_mode(worker, slot, gathered.whole);
    slot->flags |= IOCP_SLOT_SENDING;
    slot->in_flight_bytes = gathered.count_bytes;
    slot->outstanding_count++;
    if (mode == IOCP_SEND_SILENT)
        iocp_worker_count_silent(worker, slot);
    worker->operations->send(worker->driver, iocp_slot_token(&worker->table, slot, IOCP_OPERATION_SEND), slot->handle,
                             ranges, gathered.range_count, mode);
}

/* FIN, once everything queued before it was taken. Returns whether it was or is being sent. */
static bool service_finish(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->flags & IOCP_SLOT_FINISH_SENT)
        return true;
    if (slot->queue.head != IOCP_NODE_NONE || (slot->flags & IOCP_SLOT_SENDING))
        return false;
    slot->flags |= IOCP_SLOT_FINISH_SENT | IOCP_SLOT_SHUTTING;
    slot->outstanding_count++;
    worker->shutdown_count++;
    worker->operations->shutdown(worker->driver, iocp_slot_token(&worker->table, slot, IOCP_OPERATION_SHUTDOWN),
                                 slot->handle);
    return true;
}

static void leave_starved(iocp_worker *worker, iocp_slot *slot)
{
    if (!(slot->flags & IOCP_SLOT_STARVED))
        return;
    iocp_slot_fifo_remove(iocp_worker_starved(worker, slot), &worker->table, slot);
    slot->flags &= ~(uint32_t)IOCP_SLOT_STARVED;
}

void iocp_worker_drop_queue(iocp_worker *worker, iocp_slot *slot)
{
    worker->unsent_bytes -= slot->queue.unsent_bytes;
    while (slot->queue.head != IOCP_NODE_NONE) {
        uint64_t key;
        if (!iocp_send_queue_drop(&worker->pool, &slot->queue, &key))
            continue;
        iocp_completion sent = completion_of(worker, slot, IOCP_COMPLETION_SENT);
        sent.key = key;
        sent.result = slot->close_result < 0 ? slot->close_result : -ECANCELED;
        iocp_worker_emit(worker, sent);
    }
    iocp_worker_end_notice(worker, slot, slot->close_result < 0 ? slot->close_result : -ECANCELED);
}

/* Awaits what is outstanding, then closes. Queued memory stays until no send can read it. */
static void service_draining(iocp_worker *worker, iocp_slot *slot)
{
    leave_starved(worker, slot);
    cancel_receive(worker, slot);
    service_watch(worker, slot);
    if ((slot->flags & IOCP_SLOT_SENDING) && !(slot->flags & IOCP_SLOT_SEND_CANCELLED)) {
        slot->flags |= IOCP_SLOT_SEND_CANCELLED;
        worker->operations->cancel(worker->driver, iocp_slot_token(&worker->table, slot, IOCP_OPERATION_SEND), slot->handle);
    }
    if ((slot->flags & IOCP_SLOT_CONNECTOR) && !(slot->flags & IOCP_SLOT_COUNTED) && slot->outstanding_count > 0 &&
        !(slot->flags & IOCP_SLOT_SEND_CANCELLED)) {
        slot->flags |= IOCP_SLOT_SEND_CANCELLED; /* a connect is never in flight beside a send */
        worker->operations->cancel(worker->driver, iocp_slot_token(&worker->table, slot, IOCP_OPERATION_CONNECT), slot->handle);
    }
    if (slot->outstanding_count > 0)
        return;

    iocp_worker_drop_queue(worker, slot);
    slot->state = IOCP_SLOT_CLOSING;
    slot->outstanding_count++;
    worker->operations->close_handle(worker->driver, iocp_slot_token(&worker->table, slot, IOCP_OPERATION_CLOSE),
                                     slot->handle, slot->flags & IOCP_SLOT_ABORT);
}

/* What concerns few slots and decides what they need: a peer's FIN, and what was asked about unsent bytes. */
static void service_news(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->state == IOCP_SLOT_OPEN && (slot->flags & IOCP_SLOT_PEER_FINISHED) && !worker->setup.config->half_close)
        iocp_worker_begin_close(worker, slot, IOCP_CLOSE_PEER, 0, false);
    iocp_worker_relieve_asked(worker, slot);
}

void iocp_worker_service(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->flags & (IOCP_SLOT_PEER_FINISHED | IOCP_SLOT_PRESSED | IOCP_SLOT_UNSENT_NOTICE))
        service_news(worker, slot);
    switch (slot->state) {
    case IOCP_SLOT_OPEN:
        iocp_worker_service_receive(worker, slot);
        if (slot->flags & (IOCP_SLOT_PAUSED | IOCP_SLOT_WATCHED))
            service_watch(worker, slot);
        service_send(worker, slot);
        if (slot->flags & IOCP_SLOT_FINISH_WANTED)
            service_finish(worker, slot);
        return;
    case IOCP_SLOT_FLUSHING:
        iocp_worker_service_receive(worker, slot); /* a peer that writes before it reads must not be held up */
        service_send(worker, slot);
        if ((slot->flags & IOCP_SLOT_PEER_FINISHED) && slot->queue.head == IOCP_NODE_NONE) {
            slot->state = IOCP_SLOT_DRAINING; /* closing sends our FIN, and nothing unread can turn it into RST */
            service_draining(worker, slot);
        } else if (service_finish(worker, slot)) {
            slot->state = IOCP_SLOT_LINGERING;
            iocp_worker_arm_linger(worker, slot);
        }
        return;
    case IOCP_SLOT_LINGERING:
        iocp_worker_service_receive(worker, slot);
        if (slot->flags & IOCP_SLOT_PEER_FINISHED) {
            slot->state = IOCP_SLOT_DRAINING;
            service_draining(worker, slot);
        }
        return;
    case IOCP_SLOT_DRAINING:
        service_draining(worker, slot);
        return;
    case IOCP_SLOT_CONNECTING:
    case IOCP_SLOT_HELD:
    case IOCP_SLOT_CLOSING:
    case IOCP_SLOT_FREE:
        return;
    }
}
