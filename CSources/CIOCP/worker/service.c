/* What a slot needs now. Everything that happens to a connection sets its state and lists it; one pass per flush
 * looks at each listed slot once and submits what that state calls for. */
#include "service.h"

#include "expiry.h"
#include "life.h"
#include "outbox.h"
#include "pressure.h"
#include "sent.h"
#include "stalled.h"
#include "travel.h"
#include "windows.h"

/* --- operations --------------------------------------------------------------------------------------------- */

static void submit_receive(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->buffers == IOCP_BUFFERS_LARGE_NEXT)
        slot->buffers = IOCP_BUFFERS_LARGE;
    slot->receive = IOCP_RECEIVE_SUBMITTED;
    worker->operations->receive(worker->driver, iocp_slot_token(&worker->table, slot, IOCP_OPERATION_RECEIVE),
                                slot->handle, iocp_worker_buffer_class(worker, slot));
}

static void cancel_receive(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->receive != IOCP_RECEIVE_SUBMITTED)
        return;
    slot->receive = IOCP_RECEIVE_CANCELLED;
    iocp_worker_cancel(worker, slot, IOCP_OPERATION_RECEIVE);
}

void iocp_worker_service_receive(iocp_worker *worker, iocp_slot *slot)
{
    const bool wanted = !iocp_slot_is_held_back(slot) || slot->state != IOCP_SLOT_OPEN;
    if (!wanted || slot->buffers == IOCP_BUFFERS_LARGE_NEXT)
        cancel_receive(worker, slot); /* one into small buffers ends, and is armed again with large ones */
    if (wanted && slot->receive == IOCP_RECEIVE_NONE)
        submit_receive(worker, slot);
}

/* A connection that does not receive hears of its peer's reset all the same, where no send would tell. */
static void service_watch(iocp_worker *worker, iocp_slot *slot)
{
    const bool wanted = slot->state == IOCP_SLOT_OPEN && (slot->flags & IOCP_SLOT_PAUSED) && !slot->moves &&
                        (slot->receive == IOCP_RECEIVE_NONE || slot->receive == IOCP_RECEIVE_STARVED);
    if (wanted && slot->watch == IOCP_WATCH_NONE) {
        slot->watch = IOCP_WATCH_SUBMITTED;
        worker->operations->watch(worker->driver, iocp_slot_token(&worker->table, slot, IOCP_OPERATION_WATCH),
                                  slot->handle);
    } else if (!wanted && slot->watch == IOCP_WATCH_SUBMITTED) {
        slot->watch = IOCP_WATCH_CANCELLED;
        iocp_worker_cancel(worker, slot, IOCP_OPERATION_WATCH);
    }
}

/* Whether nobody waits for the end of a send that takes the whole queue: no notification, no FIN or close behind it, no
 * handler that was held back, and no receive that its buffers could serve. */
static bool may_be_silent(const iocp_worker *worker, const iocp_slot *slot)
{
    return slot->state == IOCP_SLOT_OPEN && slot->finish == IOCP_FINISH_NONE &&
           !(slot->flags & (IOCP_SLOT_PRESSED | IOCP_SLOT_UNSENT_NOTICE)) &&
           !iocp_worker_has_starved(worker, IOCP_BUFFER_SMALL) && !iocp_worker_has_starved(worker, IOCP_BUFFER_LARGE);
}

static iocp_send_mode send_mode(const iocp_worker *worker, const iocp_slot *slot, bool whole)
{
    if (slot->flags & IOCP_SLOT_STALLED)
        return IOCP_SEND_WAIT;
    return whole && may_be_silent(worker, slot) ? IOCP_SEND_SILENT : IOCP_SEND_NOW;
}

/* One send at a time: two in flight on one socket may leave in either order. */
static void service_send(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->send != IOCP_SEND_NONE || slot->finish >= IOCP_FINISH_SUBMITTED)
        return;
    iocp_worker_take_marks(worker, slot, 0);
    iocp_range ranges[IOCP_SEND_RANGES_MAX];
    const iocp_gathered gathered = iocp_send_queue_gather(&worker->pool, &slot->queue, ranges, IOCP_SEND_RANGES_MAX);
    if (gathered.range_count == 0)
        return;
    const iocp_send_mode mode = send_mode(worker, slot, gathered.whole);
    slot->send = IOCP_SEND_SUBMITTED;
    slot->in_flight_bytes = gathered.count_bytes;
    if (mode == IOCP_SEND_SILENT)
        iocp_worker_count_silent(worker, slot);
    worker->operations->send(worker->driver, iocp_slot_token(&worker->table, slot, IOCP_OPERATION_SEND), slot->handle,
                             ranges, gathered.range_count, mode);
}

/* FIN, once everything queued before it was taken. Returns whether it was or is being sent. */
static bool service_finish(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->finish >= IOCP_FINISH_SUBMITTED)
        return true;
    if (slot->queue.head != IOCP_NODE_NONE || iocp_slot_is_sending(slot))
        return false;
    slot->finish = IOCP_FINISH_SUBMITTED;
    worker->shutdown_count++;
    worker->operations->shutdown(worker->driver, iocp_slot_token(&worker->table, slot, IOCP_OPERATION_SHUTDOWN),
                                 slot->handle);
    return true;
}

static void leave_starved(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->receive != IOCP_RECEIVE_STARVED)
        return;
    iocp_slot_fifo_remove(iocp_worker_starved(worker, slot), &worker->table, slot);
    slot->receive = IOCP_RECEIVE_NONE;
}

static void cancel_connect(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->connect != IOCP_CONNECT_SUBMITTED)
        return;
    slot->connect = IOCP_CONNECT_CANCELLED;
    iocp_worker_cancel(worker, slot, IOCP_OPERATION_CONNECT);
}

/* Ends what is outstanding; but not a send that ends at once. */
static void service_moving(iocp_worker *worker, iocp_slot *slot)
{
    leave_starved(worker, slot);
    cancel_receive(worker, slot);
    service_watch(worker, slot);
    if (slot->flags & IOCP_SLOT_STALLED)
        iocp_worker_cancel_send(worker, slot);
    iocp_moving_rest(worker, slot);
}

/* Awaits what is outstanding, then closes. Queued memory stays until no send can read it. */
static void service_draining(iocp_worker *worker, iocp_slot *slot)
{
    leave_starved(worker, slot);
    cancel_receive(worker, slot);
    service_watch(worker, slot);
    iocp_worker_cancel_send(worker, slot);
    cancel_connect(worker, slot);
    if (iocp_slot_awaits_events(slot))
        return;

    iocp_worker_drop_queue(worker, slot);
    slot->state = IOCP_SLOT_CLOSING;
    worker->operations->close_handle(worker->driver, iocp_slot_token(&worker->table, slot, IOCP_OPERATION_CLOSE),
                                     slot->handle, slot->flags & IOCP_SLOT_ABORT);
}

/* What concerns few slots and decides what they need: a peer's FIN, a deadline that waited for the end of a send, and
 * what was asked about unsent bytes. */
static void service_news(iocp_worker *worker, iocp_slot *slot)
{
    if ((slot->flags & IOCP_SLOT_DOUBTED) && !iocp_slot_is_sending(slot)) {
        iocp_slot_clear(slot, IOCP_SLOT_DOUBTED);
        iocp_worker_deadline(worker, slot);
    }
    /* A FIN behind bytes that a layer has still to open is met in their turn. */
    const bool finished = slot->receive == IOCP_RECEIVE_FINISHED && slot->layer != IOCP_LAYER_BEGINNING;
    const bool ended = finished || slot->layer == IOCP_LAYER_ENDED;
    if (slot->state == IOCP_SLOT_OPEN && ended && !slot->awaits_work && !worker->setup.config->half_close)
        iocp_worker_begin_close(worker, slot, IOCP_CLOSE_PEER, 0, false);
    iocp_worker_relieve_asked(worker, slot);
}

void iocp_worker_service(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->receive == IOCP_RECEIVE_FINISHED || slot->layer == IOCP_LAYER_ENDED ||
        (slot->flags & (IOCP_SLOT_PRESSED | IOCP_SLOT_UNSENT_NOTICE | IOCP_SLOT_DOUBTED)))
        service_news(worker, slot);
    switch (slot->state) {
    case IOCP_SLOT_OPEN:
        if (__builtin_expect(slot->moves, 0) && iocp_moving_goes_on(worker, slot)) {
            service_moving(worker, slot);
            return;
        }
        iocp_worker_service_receive(worker, slot);
        if ((slot->flags & IOCP_SLOT_PAUSED) || slot->watch == IOCP_WATCH_SUBMITTED)
            service_watch(worker, slot);
        service_send(worker, slot);
        if (slot->finish == IOCP_FINISH_WANTED)
            service_finish(worker, slot);
        return;
    case IOCP_SLOT_FLUSHING:
        iocp_worker_service_receive(worker, slot); /* a peer that writes before it reads must not be held up */
        service_send(worker, slot);
        if (slot->receive == IOCP_RECEIVE_FINISHED && slot->queue.head == IOCP_NODE_NONE) {
            slot->state = IOCP_SLOT_DRAINING; /* closing sends our FIN, and nothing unread can turn it into RST */
            service_draining(worker, slot);
        } else if (service_finish(worker, slot)) {
            slot->state = IOCP_SLOT_LINGERING;
            iocp_worker_arm_linger(worker, slot);
        }
        return;
    case IOCP_SLOT_LINGERING:
        iocp_worker_service_receive(worker, slot);
        if (slot->receive == IOCP_RECEIVE_FINISHED) {
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
    case IOCP_SLOT_LEAVING:
    case IOCP_SLOT_AWAY:
    case IOCP_SLOT_FREE:
        return;
    }
}
