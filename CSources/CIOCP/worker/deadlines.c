/* Deadlines of connections: one entry of the wheel per slot, armed for whichever comes first.
 *
 * A message does not move its connection's deadline; it only leaves a time or a count behind. The deadline looks at
 * them when it comes, and moves itself. So a message pays nothing, and a deadline is looked at about once per
 * timeout. */
#include <errno.h>

#include "worker.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void arm(iocp_worker *worker, const iocp_slot *slot, uint64_t due_ns)
{
    iocp_deadlines_arm(&worker->deadlines, iocp_slot_index(&worker->table, slot), due_ns);
}

/* When the first of an open connection's deadlines is due; UINT64_MAX where none is configured. */
static uint64_t due_ns(const iocp_worker *worker, const iocp_slot *slot)
{
    const iocp_port_config *config = worker->setup.config;
    uint64_t due = UINT64_MAX;
    if (config->idle_timeout_ns > 0)
        due = least(due, most(slot->received_ns, slot->sent_ns) + config->idle_timeout_ns);
    /* A connection whose receive the port or the application holds back is not to blame for silence. */
    if (config->receive_timeout_ns > 0 && !(slot->flags & IOCP_SLOT_PEER_FINISHED))
        due = least(due, slot->received_mark_ns + config->receive_timeout_ns);
    if (config->send_timeout_ns > 0 && slot->queue.unsent_bytes > 0)
        due = least(due, slot->sent_mark_ns + config->send_timeout_ns);
    return due;
}

void iocp_worker_arm_connect(iocp_worker *worker, iocp_slot *slot, uint64_t timeout_ns)
{
    /* From the clock, not from the wait before: a handler may have run for long. */
    arm(worker, slot, iocp_worker_clock_ns(worker) + timeout_ns);
}

void iocp_worker_arm_deadline(iocp_worker *worker, iocp_slot *slot)
{
    slot->sent_ns = worker->now_ns;
    slot->received_mark_ns = worker->now_ns;
    slot->sent_mark_ns = worker->now_ns;
    const uint64_t due = due_ns(worker, slot);
    if (due != UINT64_MAX)
        arm(worker, slot, due);
}

void iocp_worker_begin_send_window(iocp_worker *worker, iocp_slot *slot)
{
    if (worker->setup.config->send_timeout_ns == 0)
        return;
    slot->sent_mark_bytes = slot->sent_bytes;
    slot->sent_mark_ns = worker->now_ns;
    arm(worker, slot, due_ns(worker, slot));
}

void iocp_worker_arm_linger(iocp_worker *worker, iocp_slot *slot)
{
    slot->sent_mark_bytes = slot->sent_bytes;
    arm(worker, slot, worker->now_ns + worker->setup.config->linger_timeout_ns);
}

void iocp_worker_begin_receive_window(iocp_worker *worker, iocp_slot *slot)
{
    slot->received_mark_bytes = slot->received_bytes;
    slot->received_mark_ns = worker->now_ns;
}

static void time_out(iocp_worker *worker, iocp_slot *slot, iocp_close_reason reason)
{
    IOCP_STATS_ADD(worker->stats, timeouts, 1);
    /* Aborted: a peer that does not read would not take a FIN either. */
    iocp_worker_begin_close(worker, slot, reason, 0, true);
}

static void open_deadline(iocp_worker *worker, iocp_slot *slot)
{
    const iocp_port_config *config = worker->setup.config;
    const uint64_t now_ns = worker->now_ns;
    if (config->idle_timeout_ns > 0 &&
        now_ns >= most(slot->received_ns, slot->sent_ns) + config->idle_timeout_ns) {
        time_out(worker, slot, IOCP_CLOSE_IDLE_TIMEOUT);
        return;
    }
    if (config->receive_timeout_ns > 0 && now_ns >= slot->received_mark_ns + config->receive_timeout_ns) {
        const bool held_back = slot->flags & (IOCP_SLOT_PAUSED | IOCP_SLOT_PRESSED | IOCP_SLOT_STARVED);
        if (!held_back && !(slot->flags & IOCP_SLOT_PEER_FINISHED) &&
            slot->received_bytes - slot->received_mark_bytes < config->receive_progress_bytes) {
            time_out(worker, slot, IOCP_CLOSE_RECEIVE_TIMEOUT);
            return;
        }
        iocp_worker_begin_receive_window(worker, slot);
    }
    if (config->send_timeout_ns > 0 && slot->queue.unsent_bytes > 0 &&
        now_ns >= slot->sent_mark_ns + config->send_timeout_ns) {
        if (slot->sent_bytes == slot->sent_mark_bytes) {
            time_out(worker, slot, IOCP_CLOSE_SEND_TIMEOUT);
            return;
        }
        slot->sent_mark_bytes = slot->sent_bytes;
        slot->sent_mark_ns = now_ns;
    }
    const uint64_t due = due_ns(worker, slot);
    if (due != UINT64_MAX)
        arm(worker, slot, due);
}

/* Whether the answer lies in what the latest wait brought. A handler that ran for long must not turn a connect that was
 * answered in time into one that was not. */
static bool is_answered(const iocp_worker *worker, const iocp_slot *slot)
{
    const uint64_t token = iocp_slot_token(&worker->table, slot, IOCP_OPERATION_CONNECT);
    for (uint32_t i = worker->event_next; i < worker->event_count; i++)
        if (worker->events[i].token == token)
            return true;
    return false;
}

void iocp_worker_deadline(iocp_worker *worker, iocp_slot *slot)
{
    switch (slot->state) {
    case IOCP_SLOT_OPEN:
        open_deadline(worker, slot);
        return;
    case IOCP_SLOT_FLUSHING:
        if (slot->sent_bytes != slot->sent_mark_bytes) {
            iocp_worker_arm_linger(worker, slot); /* slow, but the peer still reads */
            return;
        }
        time_out(worker, slot, IOCP_CLOSE_SEND_TIMEOUT);
        return;
    case IOCP_SLOT_LINGERING:
        /* FIN and everything before it was handed over; the peer just never finishes its side. */
        slot->state = IOCP_SLOT_DRAINING;
        iocp_worker_touch(worker, slot);
        return;
    case IOCP_SLOT_CONNECTING:
        if (is_answered(worker, slot))
            return;
        IOCP_STATS_ADD(worker->stats, timeouts, 1);
        iocp_worker_begin_close(worker, slot, IOCP_CLOSE_FAILED, -ETIMEDOUT, true);
        return;
    case IOCP_SLOT_FREE:
    case IOCP_SLOT_DRAINING:
    case IOCP_SLOT_CLOSING:
        return;
    }
}
