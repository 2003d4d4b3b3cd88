/* One driver event: which slot, which change of state, which completion. */
#include "events.h"

#include <errno.h>

#include "capture.h"
#include "life.h"
#include "opening.h"
#include "outbox.h"
#include "pressure.h"
#include "sent.h"
#include "squeeze.h"
#include "stalled.h"
#include "windows.h"

/* A whole buffer was filled at once: this connection moves much, and large buffers save it receives. */
static void consider_large_buffers(iocp_worker *worker, iocp_slot *slot, const iocp_event *event)
{
    const iocp_buffer_range *small = &worker->buffers.classes[IOCP_BUFFER_SMALL];
    if (!worker->operations->whole_buffers || slot->buffers != IOCP_BUFFERS_SMALL ||
        (uint32_t)event->result < small->buffer_bytes)
        return;
    slot->buffers = IOCP_BUFFERS_LARGE_NEXT;
    iocp_worker_touch(worker, slot);
}

/* The mean of about the last 16 receives. */
static void note_receive_bytes(iocp_worker *worker, uint32_t count_bytes)
{
    worker->receive_mean_bytes += (int32_t)(count_bytes - (uint32_t)worker->receive_mean_bytes) / 16;
}

static void received_bytes(iocp_worker *worker, iocp_slot *slot, const iocp_event *event)
{
    slot->received_bytes += (uint32_t)event->result;
    slot->received_ns = worker->now_ns;
    iocp_slot_clear(slot, IOCP_SLOT_RETRIED);
    note_receive_bytes(worker, (uint32_t)event->result);
    IOCP_STATS_ADD(worker->stats, received_bytes, (uint32_t)event->result);
    IOCP_STATS_ADD(worker->stats, received_operations, 1);
    if (slot->state != IOCP_SLOT_OPEN)
        return; /* closing: what still arrives is dropped */
    consider_large_buffers(worker, slot, event);
    if (__builtin_expect(worker->balancer.due_ns != UINT64_MAX, 0))
        iocp_balancer_sample(&worker->balancer, iocp_slot_index(&worker->table, slot));
    if (slot->layer != IOCP_LAYER_NONE) {
        iocp_worker_layer_received(worker, slot, event);
        return;
    }
    iocp_worker_announce(worker, slot);
    if (iocp_worker_captures(worker))
        iocp_worker_write_received(worker, slot,
                                   iocp_receive_buffers_start(&worker->buffers, event->buffer) + event->offset,
                                   (uint32_t)event->result);
    iocp_worker_emit_received(worker, slot, event);
}

static void peer_finished(iocp_worker *worker, iocp_slot *slot)
{
    slot->receive = IOCP_RECEIVE_FINISHED;
    /* Without half-close the service begins to close, at the next flush: bytes of this very batch are still to be
     * handed out, and their replies must find the connection open. */
    if (slot->state != IOCP_SLOT_OPEN || !iocp_worker_layer_finished(worker, slot) || !worker->setup.config->half_close)
        return;
    iocp_worker_announce(worker, slot);
    iocp_worker_emit_of(worker, slot, IOCP_COMPLETION_PEER_FINISHED);
}

static void starve(iocp_worker *worker, iocp_slot *slot)
{
    IOCP_STATS_ADD(worker->stats, starved_receives, 1);
    slot->receive = IOCP_RECEIVE_STARVED;
    iocp_slot_fifo_push(iocp_worker_starved(worker, slot), &worker->table, slot);
}

static void handle_receive(iocp_worker *worker, iocp_slot *slot, const iocp_event *event)
{
    if (!(event->flags & IOCP_EVENT_MORE)) {
        slot->receive = IOCP_RECEIVE_NONE;
        iocp_worker_touch(worker, slot);
    }
    if (event->result > 0) {
        received_bytes(worker, slot, event);
        return;
    }
    switch (-event->result) {
    case 0:
        peer_finished(worker, slot);
        return;
    case ENOBUFS: /* no buffer was free: not a disconnect */
        if (iocp_slot_receives(slot))
            starve(worker, slot);
        return;
    case ECANCELED: /* by our cancel; the service re-arms it where it is still wanted */
    case EAGAIN:
    case EINTR:
        return;
    default:
        iocp_worker_fail(worker, slot, event->result);
        return;
    }
}

/* Whether a send that failed may be tried again. */
static bool may_send_again(int32_t result)
{
    switch (-result) {
    case EAGAIN: /* nothing fitted */
    case EINTR:
    case ECANCELED:
    case ENOBUFS: /* the kernel was short of memory for the moment */
    case ENOMEM:
        return true;
    default:
        return false;
    }
}

static void handle_send(iocp_worker *worker, iocp_slot *slot, const iocp_event *event)
{
    const uint32_t offered = slot->in_flight_bytes;
    const uint32_t sent = event->result > 0 ? (uint32_t)event->result : 0;
    const bool stalled = slot->flags & IOCP_SLOT_STALLED;
    IOCP_CHECK(sent <= offered, "a driver reported more bytes sent than it was given");
    if (slot->flags & IOCP_SLOT_SEND_COUNTED)
        iocp_worker_recount_silent(worker, slot, sent);
    else
        iocp_worker_count_send(worker, slot, sent);
    slot->send = IOCP_SEND_NONE;
    slot->in_flight_bytes = 0;
    iocp_slot_clear(slot, IOCP_SLOT_SEND_COUNTED);
    if (sent > 0)
        iocp_worker_unstall(worker, slot); /* before its bytes leave the queue; a short send stalls anew, at the end */
    if (event->result < 0 && !may_send_again(event->result)) {
        iocp_worker_fail(worker, slot, event->result);
        iocp_worker_touch(worker, slot); /* one that drains already waits for this very event */
        return;
    }
    for (uint32_t left = sent;;) {
        left = iocp_send_queue_advance(&worker->pool, &slot->queue, left);
        iocp_worker_take_marks(worker, slot, 0);
        if (left == 0)
            break;
    }
    if (slot->flags & (IOCP_SLOT_PRESSED | IOCP_SLOT_UNSENT_NOTICE))
        iocp_worker_relieve(worker, slot);
    if (sent < offered && slot->state != IOCP_SLOT_DRAINING) {
        IOCP_STATS_ADD(worker->stats, short_sends, 1);
        iocp_worker_stall(worker, slot, !stalled);
        /* A socket with room does not wait for any: sent again at once, it would fail again at once. */
        if (event->result == -ENOBUFS || event->result == -ENOMEM)
            iocp_worker_delay_send(worker, slot);
    }
    if (slot->queue.head != IOCP_NODE_NONE || slot->state != IOCP_SLOT_OPEN || slot->finish == IOCP_FINISH_WANTED ||
        (slot->flags & IOCP_SLOT_DOUBTED) || slot->moves)
        iocp_worker_touch(worker, slot);
}

static void handle_watch(iocp_worker *worker, iocp_slot *slot, const iocp_event *event)
{
    const bool starved = slot->receive == IOCP_RECEIVE_STARVED && !(slot->flags & IOCP_SLOT_PAUSED);
    const bool receives = iocp_slot_is_receiving(slot) || starved;
    slot->watch = event->result == 0 ? IOCP_WATCH_SPENT : IOCP_WATCH_NONE;
    /* A receive that was armed again meanwhile, or waits for a buffer, finds the error behind the bytes before it. */
    if (event->result < 0 && event->result != -ECANCELED && !receives)
        iocp_worker_fail(worker, slot, event->result);
    iocp_worker_touch(worker, slot);
}

static void handle_connect(iocp_worker *worker, iocp_slot *slot, const iocp_event *event)
{
    slot->connect = IOCP_CONNECT_FAILED; /* but for what follows */
    iocp_worker_touch(worker, slot);
    if (slot->state != IOCP_SLOT_CONNECTING)
        return; /* given up meanwhile */
    if (event->result < 0) {
        iocp_worker_begin_close(worker, slot, IOCP_CLOSE_FAILED, event->result, true);
        return;
    }
    iocp_deadlines_disarm(&worker->deadlines, iocp_slot_index(&worker->table, slot));
    iocp_worker_opened(worker, slot);
    if (slot->layer != IOCP_LAYER_NONE)
        iocp_worker_layer_connected(worker, slot);
    else
        iocp_worker_connected(worker, slot);
}

static void handle_connection_event(iocp_worker *worker, const iocp_event *event)
{
    iocp_slot *slot = iocp_slot_of_operation(&worker->table, event->token);
    if (slot == NULL)
        return; /* a late event of a life that ended */
    switch (iocp_token_operation(event->token)) {
    case IOCP_OPERATION_RECEIVE:
        handle_receive(worker, slot, event);
        return;
    case IOCP_OPERATION_SEND:
        handle_send(worker, slot, event);
        return;
    case IOCP_OPERATION_CONNECT:
        handle_connect(worker, slot, event);
        return;
    case IOCP_OPERATION_WATCH:
        handle_watch(worker, slot, event);
        return;
    case IOCP_OPERATION_SHUTDOWN:
        worker->shutdown_count--;
        slot->finish = IOCP_FINISH_SENT;
        if (event->result < 0)
            iocp_worker_fail(worker, slot, event->result);
        iocp_worker_touch(worker, slot);
        return;
    case IOCP_OPERATION_CLOSE:
        iocp_worker_slot_release(worker, slot);
        return;
    case IOCP_OPERATION_NONE:
    case IOCP_OPERATION_ACCEPT:
    case IOCP_OPERATION_CANCEL:
    case IOCP_OPERATION_DRIVER:
        break;
    }
    IOCP_CHECK(false, "a driver reported an operation that is no connection's");
}

void iocp_worker_handle(iocp_worker *worker, const iocp_event *event)
{
    switch (iocp_token_operation(event->token)) {
    case IOCP_OPERATION_ACCEPT:
        iocp_worker_accepted(worker, event->token, event->result, event->flags & IOCP_EVENT_MORE);
        break;
    case IOCP_OPERATION_NONE:
        break; /* closing a socket that never got a slot */
    default:
        handle_connection_event(worker, event);
        break;
    }
    /* After the lease, so that the buffer is not free in between. */
    if (event->flags & IOCP_EVENT_BUFFER_DONE)
        iocp_receive_buffers_driver_done(&worker->buffers, event->buffer);
}
