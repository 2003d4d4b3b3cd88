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

static void service_receive(iocp_worker *worker, iocp_slot *slot)
{
    const bool held_back = slot->flags & (IOCP_SLOT_PAUSED | IOCP_SLOT_PRESSED) && slot->state == IOCP_SLOT_OPEN;
    const bool wanted = !(slot->flags & IOCP_SLOT_PEER_FINISHED) && !held_back;
    if (!wanted)
        cancel_receive(worker, slot);
    else if (!(slot->flags & (IOCP_SLOT_RECEIVING | IOCP_SLOT_STARVED)))
        submit_receive(worker, slot);
}

static bool has_starved(const iocp_worker *worker, iocp_buffer_class class)
{
    return worker->starved[class].count + worker->passed_over[class].count > 0;
}

/* Whether nobody waits for the end of a send that takes the whole queue: no notification, no FIN or close behind it, no
 * handler that was held back, and no receive that its buffers could serve. */
static bool may_be_silent(const iocp_worker *worker, const iocp_slot *slot)
{
    return slot->state == IOCP_SLOT_OPEN && !(slot->flags & (IOCP_SLOT_FINISH_WANTED | IOCP_SLOT_PRESSED)) &&
           !has_starved(worker, IOCP_BUFFER_SMALL) && !has_starved(worker, IOCP_BUFFER_LARGE);
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
}

/* Awaits what is outstanding, then closes. Queued memory stays until no send can read it. */
static void service_draining(iocp_worker *worker, iocp_slot *slot)
{
    leave_starved(worker, slot);
    cancel_receive(worker, slot);
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

static void service(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->state == IOCP_SLOT_OPEN && (slot->flags & IOCP_SLOT_PEER_FINISHED) && !worker->setup.config->half_close)
        iocp_worker_begin_close(worker, slot, IOCP_CLOSE_PEER, 0, false);
    switch (slot->state) {
    case IOCP_SLOT_OPEN:
        service_receive(worker, slot);
        service_send(worker, slot);
        if (slot->flags & IOCP_SLOT_FINISH_WANTED)
            service_finish(worker, slot);
        return;
    case IOCP_SLOT_FLUSHING:
        service_receive(worker, slot); /* a peer that writes before it reads must not be held up */
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
        service_receive(worker, slot);
        if (slot->flags & IOCP_SLOT_PEER_FINISHED) {
            slot->state = IOCP_SLOT_DRAINING;
            service_draining(worker, slot);
        }
        return;
    case IOCP_SLOT_DRAINING:
        service_draining(worker, slot);
        return;
    case IOCP_SLOT_CONNECTING:
    case IOCP_SLOT_CLOSING:
    case IOCP_SLOT_FREE:
        return;
    }
}

/* --- the flush ---------------------------------------------------------------------------------------------- */

/* How many receives the provided buffers can serve: one each, or as many as fit by what receives bring lately. */
static uint32_t receives_served(const iocp_worker *worker, const iocp_buffer_range *range)
{
    if (worker->operations->whole_buffers)
        return range->provided_count;
    const uint64_t provided_bytes = (uint64_t)range->provided_count * range->buffer_bytes;
    const uint64_t served = provided_bytes / ((uint32_t)worker->receive_mean_bytes + 1);
    return served < range->provided_count ? range->provided_count : (uint32_t)served;
}

static iocp_slot *next_starved(iocp_worker *worker, iocp_buffer_class class)
{
    iocp_slot_fifo *passed_over = &worker->passed_over[class];
    return iocp_slot_fifo_pop(passed_over->count > 0 ? passed_over : &worker->starved[class], &worker->table);
}

/* Returns whether it receives again. */
static bool try_again(iocp_worker *worker, iocp_slot *slot)
{
    slot->flags &= ~(uint32_t)IOCP_SLOT_STARVED;
    slot->flags |= IOCP_SLOT_RETRIED;
    if (iocp_slot_receives(slot))
        service_receive(worker, slot);
    return slot->flags & IOCP_SLOT_RECEIVING;
}

/* Gives the driver free buffers, then lets the starved try again, about as many as will find room and at most
 * `attempts`, in the order in which they ran dry. One receive may take every buffer, so who tries in vain keeps its
 * place: behind whoever took them, which runs dry in the same turn, some would never have one. Returns the attempts
 * made. */
static uint32_t feed_receives(iocp_worker *worker, iocp_buffer_class class, uint32_t attempts)
{
    int id;
    while ((id = iocp_receive_buffers_provide(&worker->buffers, class)) >= 0)
        worker->operations->provide(worker->driver, (uint16_t)id);

    if (!has_starved(worker, class))
        return 0;
    const uint32_t served = receives_served(worker, &worker->buffers.classes[class]);
    const uint32_t most = served < attempts ? served : attempts;
    uint32_t made = 0;
    while (made < most && has_starved(worker, class))
        made += try_again(worker, next_starved(worker, class));
    worker->feeds_on |= made < served && has_starved(worker, class);
    return made;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* How many slots one flush services: at most half of the queue, since one may end a send and a receive at once. */
static uint32_t flush_slots_max(const iocp_worker *worker)
{
    return least(worker->setup.config->completion_queue_entries / 2, IOCP_FLUSH_SLOTS_MAX);
}

/* Closing connections have what traffic leaves of a portion, and at least one slot in this many. So when thousands
 * close at once no reply waits behind them, and under full traffic a close still ends. */
enum { CLOSING_SHARE = 4 };

static uint32_t listed_count(const iocp_service_list *list)
{
    return list->tail - list->head;
}

/* Services at most so many slots; returns how many. Servicing lists no other slot. A broadcast to thousands goes out in
 * portions: what comes meanwhile does not wait for all of it, and the completions of one portion never overflow the
 * driver's queue. */
static uint32_t service_list(iocp_worker *worker, iocp_service_list *list, uint32_t most)
{
    const uint32_t count = least(listed_count(list), most);
    for (uint32_t left = count; left > 0; left--) {
        iocp_slot *slot = &worker->table.slots[list->slots[list->head++ & list->mask]];
        service(worker, slot);
        slot->flags &= ~(uint32_t)IOCP_SLOT_DIRTY; /* after: a slot that closes is not listed again meanwhile */
    }
    return count;
}

void iocp_worker_flush(iocp_worker *worker)
{
    uint32_t left = flush_slots_max(worker);
    worker->feeds_on = false;
    if (worker->accepting.held_count > 0)
        iocp_worker_admit_held(worker);
    for (int class = 0; class < IOCP_BUFFER_CLASS_COUNT; class++)
        left -= feed_receives(worker, (iocp_buffer_class)class, left / 2);
    const uint32_t for_closing = least(listed_count(&worker->closing), left / CLOSING_SHARE);
    left -= service_list(worker, &worker->traffic, left - for_closing);
    (void)service_list(worker, &worker->closing, left);
    iocp_worker_service_listeners(worker);
}
