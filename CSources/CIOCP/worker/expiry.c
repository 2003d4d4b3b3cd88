/* A deadline is due: whether its connection goes on, is looked at again, or ends. */
#include "expiry.h"

#include <errno.h>

#include "life.h"
#include "opening.h"
#include "windows.h"

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void time_out(iocp_worker *worker, iocp_slot *slot, iocp_close_reason reason)
{
    IOCP_STATS_ADD(worker->stats, timeouts, 1);
    /* Aborted: a peer that does not read would not take a FIN either. */
    iocp_worker_begin_close(worker, slot, reason, 0, true);
}

/* --- progress ----------------------------------------------------------------------------------------------- */

/* What one look at a connection found. Progress is the peer's: what it acknowledged. Room in the socket says less: a
 * full one of some megabytes has none to report until the peer has read a third of it. */
typedef struct look {
    bool answered;
    uint32_t unacknowledged_bytes;
    uint32_t acknowledged_bytes; /* modulo 2^32: compared, never added up */
} look;

static look look_at(iocp_worker *worker, const iocp_slot *slot)
{
    const int unacknowledged = worker->operations->unacknowledged(worker->driver, slot->handle);
    if (unacknowledged == -EBUSY || unacknowledged == -EAGAIN)
        return (look){.answered = false};
    /* Where the kernel cannot be asked, what the socket took has to do. */
    const uint32_t rest_bytes = unacknowledged > 0 ? (uint32_t)unacknowledged : 0;
    /* The kernel counts FIN as a byte once it left. Here it counts from the start: otherwise it would hide the first
     * byte that the peer acknowledges. */
    const uint32_t finish_bytes = rest_bytes > 0 && slot->finish == IOCP_FINISH_SUBMITTED ? 1 : 0;
    return (look){.answered = true,
                  .unacknowledged_bytes = rest_bytes,
                  .acknowledged_bytes =
                      (uint32_t)slot->sent_bytes - iocp_slot_uncertain_bytes(slot) - rest_bytes - finish_bytes};
}

/* No answer is no reason to end anybody. */
static void look_again(iocp_worker *worker, const iocp_slot *slot)
{
    iocp_worker_arm(worker, slot, worker->now_ns + IOCP_ASK_AGAIN_MS * UINT64_C(1000000));
}

/* The send in flight may have taken as many bytes as the peer acknowledged, and its event is still to come: that looks
 * like no progress. So nobody is judged while one is in flight: it is cancelled, and its end looks again. FIN counts as
 * a byte, too. So a peer is not judged before the shutdown ended: the worker looks again later. */
static bool is_doubtful(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->finish == IOCP_FINISH_SUBMITTED) {
        look_again(worker, slot);
        return true;
    }
    if (!iocp_slot_is_sending(slot))
        return false;
    iocp_slot_set(slot, IOCP_SLOT_DOUBTED);
    iocp_worker_cancel_send(worker, slot);
    return true;
}

/* Whether the mark differs from what was found, or was not known; it is what was found from here on. */
static bool mark_sent(iocp_slot *slot, const look *found)
{
    const bool moved = !(slot->flags & IOCP_SLOT_SEND_MARKED) || slot->sent_mark_bytes != found->acknowledged_bytes;
    iocp_slot_set(slot, IOCP_SLOT_SEND_MARKED);
    slot->sent_mark_bytes = found->acknowledged_bytes;
    return moved;
}

/* Whether the peer still reads what it was sent. A connection that was never found reading is idle once everything is
 * acknowledged, whenever that was. */
static bool mark_idle(iocp_slot *slot, const look *found)
{
    const bool reads = slot->flags & IOCP_SLOT_IDLE_MARKED ? slot->idle_mark_bytes != found->acknowledged_bytes
                                                           : found->unacknowledged_bytes > 0;
    slot->idle_mark_bytes = found->acknowledged_bytes;
    if (found->unacknowledged_bytes > 0)
        iocp_slot_set(slot, IOCP_SLOT_IDLE_MARKED);
    else
        iocp_slot_clear(slot, IOCP_SLOT_IDLE_MARKED);
    return reads;
}

/* --- when one comes ----------------------------------------------------------------------------------------- */

static bool idle_is_due(const iocp_worker *worker, const iocp_slot *slot)
{
    const uint64_t timeout_ns = iocp_worker_timeouts(worker, slot)->idle_ns;
    return timeout_ns > 0 && worker->now_ns >= most(slot->received_ns, slot->sent_ns) + timeout_ns;
}

static bool send_is_due(const iocp_worker *worker, const iocp_slot *slot)
{
    const uint64_t timeout_ns = iocp_worker_timeouts(worker, slot)->send_ns;
    return timeout_ns > 0 && slot->queue.unsent_bytes > 0 && worker->now_ns >= slot->sent_mark_ns + timeout_ns;
}

/* Idle and send deadlines. False: the connection ends, or is looked at again later. */
static bool reads_on(iocp_worker *worker, iocp_slot *slot)
{
    const bool idle_due = idle_is_due(worker, slot);
    const bool send_due = send_is_due(worker, slot);
    if (!idle_due && !send_due)
        return true;
    const look found = look_at(worker, slot);
    if (!found.answered) {
        look_again(worker, slot);
        return false;
    }
    if (idle_due && !mark_idle(slot, &found)) {
        if (is_doubtful(worker, slot))
            return false;
        time_out(worker, slot, IOCP_CLOSE_IDLE_TIMEOUT);
        return false;
    }
    if (idle_due)
        slot->sent_ns = worker->now_ns;
    if (send_due && !mark_sent(slot, &found)) {
        if (is_doubtful(worker, slot))
            return false;
        time_out(worker, slot, IOCP_CLOSE_SEND_TIMEOUT);
        return false;
    }
    if (send_due)
        slot->sent_mark_ns = worker->now_ns;
    return true;
}

static void open_deadline(iocp_worker *worker, iocp_slot *slot)
{
    const iocp_timeouts *timeouts = iocp_worker_timeouts(worker, slot);
    if (worker->now_ns >= iocp_worker_layer_due_ns(worker, slot)) {
        IOCP_STATS_ADD(worker->stats, timeouts, 1);
        iocp_worker_layer_fail(worker, slot, IOCP_LAYER_TIMED_OUT, false);
        return;
    }
    if (!reads_on(worker, slot))
        return;
    if (timeouts->receive_ns > 0 && worker->now_ns >= slot->received_mark_ns + timeouts->receive_ns) {
        const bool held_back = iocp_slot_is_held_back(slot) || slot->receive == IOCP_RECEIVE_STARVED;
        if (!held_back && slot->receive != IOCP_RECEIVE_FINISHED &&
            slot->received_bytes - slot->received_mark_bytes < timeouts->receive_progress_bytes) {
            time_out(worker, slot, IOCP_CLOSE_RECEIVE_TIMEOUT);
            return;
        }
        iocp_worker_begin_receive_window(worker, slot);
    }
    iocp_worker_arm(worker, slot, iocp_worker_due_ns(worker, slot));
}

/* A peer that takes what is unsent, or in the socket, is waited for; one that takes nothing for as long as the
 * connection lingers is not. After FIN the kernel would go on by itself, but not for a peer that still sends: it
 * answers such bytes with RST, and the last reply is lost. */
static void linger_deadline(iocp_worker *worker, iocp_slot *slot)
{
    if (worker->now_ns < iocp_worker_linger_due_ns(worker, slot)) {
        iocp_worker_arm(worker, slot, iocp_worker_linger_due_ns(worker, slot)); /* it came for a delayed send */
        return;
    }
    const look found = look_at(worker, slot);
    if (!found.answered) {
        look_again(worker, slot);
        return;
    }
    const bool first = !(slot->flags & IOCP_SLOT_SEND_MARKED);
    const bool moved = mark_sent(slot, &found);
    const bool takes = found.unacknowledged_bytes > 0 || slot->state == IOCP_SLOT_FLUSHING;
    if (first ? takes : moved) {
        slot->sent_mark_ns = worker->now_ns;
        iocp_worker_arm(worker, slot, iocp_worker_linger_due_ns(worker, slot));
    } else if (first && worker->now_ns < iocp_worker_linger_due_ns(worker, slot)) {
        iocp_worker_arm(worker, slot, iocp_worker_linger_due_ns(worker, slot));
    } else if (is_doubtful(worker, slot)) {
        return;
    } else if (slot->state == IOCP_SLOT_FLUSHING) {
        time_out(worker, slot, IOCP_CLOSE_SEND_TIMEOUT);
    } else {
        if (found.unacknowledged_bytes > 0) {
            IOCP_STATS_ADD(worker->stats, timeouts, 1);
            slot->close_reason = IOCP_CLOSE_SEND_TIMEOUT;
        }
        /* FIN and everything before it was handed over; the peer just never finishes its side. */
        slot->state = IOCP_SLOT_DRAINING;
        iocp_worker_touch(worker, slot);
    }
}

void iocp_worker_deadline(iocp_worker *worker, iocp_slot *slot)
{
    /* A slot whose socket is being closed is not listed any more: its release would find it in a list. */
    if (slot->send == IOCP_SEND_DELAYED && slot->state != IOCP_SLOT_CLOSING) {
        slot->send = IOCP_SEND_NONE;
        iocp_worker_touch(worker, slot);
    }
    switch (slot->state) {
    case IOCP_SLOT_OPEN:
        open_deadline(worker, slot);
        return;
    case IOCP_SLOT_FLUSHING:
    case IOCP_SLOT_LINGERING:
        linger_deadline(worker, slot);
        return;
    case IOCP_SLOT_CONNECTING:
        IOCP_STATS_ADD(worker->stats, timeouts, 1);
        iocp_worker_begin_close(worker, slot, IOCP_CLOSE_FAILED, -ETIMEDOUT, true);
        return;
    case IOCP_SLOT_FREE:
    case IOCP_SLOT_HELD:
    case IOCP_SLOT_LEAVING:
    case IOCP_SLOT_AWAY:
    case IOCP_SLOT_DRAINING:
    case IOCP_SLOT_CLOSING:
        return;
    }
}
