/* When a connection's deadline is due. A slot has one entry in the wheel, armed for the first of all that it waits for.
 *
 * A message does not move its connection's deadline; it only leaves a time or a count behind. When the deadline is due,
 * it is looked at (expiry.c) and armed anew. So a message pays nothing, and each deadline costs one look per timeout.
 */
#include "windows.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* A slot has one deadline: the first of all that it waits for. */
void iocp_worker_arm(iocp_worker *worker, const iocp_slot *slot, uint64_t due_ns)
{
    if (slot->send == IOCP_SEND_DELAYED)
        due_ns = least(due_ns, worker->now_ns + IOCP_SEND_RETRY_MS * UINT64_C(1000000));
    if (due_ns == UINT64_MAX)
        return;
    iocp_deadlines_arm(&worker->deadlines, iocp_slot_index(&worker->table, slot), due_ns);
}

uint64_t iocp_worker_layer_due_ns(const iocp_worker *worker, const iocp_slot *slot)
{
    if (slot->layer != IOCP_LAYER_BEGINNING)
        return UINT64_MAX;
    const uint64_t timeout_ns = iocp_slot_terms_of(&worker->table, slot)->layer.begin_timeout_ns;
    return timeout_ns > 0 ? slot->opened_ns + timeout_ns : UINT64_MAX;
}

/* When the first of an open connection's deadlines is due; UINT64_MAX where none is configured. */
uint64_t iocp_worker_due_ns(const iocp_worker *worker, const iocp_slot *slot)
{
    const iocp_timeouts *timeouts = iocp_worker_timeouts(worker, slot);
    uint64_t due = iocp_worker_layer_due_ns(worker, slot);
    if (timeouts->idle_ns > 0)
        due = least(due, most(slot->received_ns, slot->sent_ns) + timeouts->idle_ns);
    /* A connection whose receive the port or the application holds back is not to blame for silence. */
    if (timeouts->receive_ns > 0 && slot->receive != IOCP_RECEIVE_FINISHED)
        due = least(due, slot->received_mark_ns + timeouts->receive_ns);
    if (timeouts->send_ns > 0 && slot->queue.unsent_bytes > 0)
        due = least(due, slot->sent_mark_ns + timeouts->send_ns);
    return due;
}

void iocp_worker_arm_connect(iocp_worker *worker, iocp_slot *slot, uint64_t timeout_ns)
{
    /* From the clock, not from the wait before: a handler may have run for long. */
    iocp_worker_arm(worker, slot, iocp_worker_clock_ns(worker) + timeout_ns);
}

void iocp_worker_arm_deadline(iocp_worker *worker, iocp_slot *slot)
{
    slot->sent_ns = worker->now_ns;
    slot->received_mark_ns = worker->now_ns;
    slot->sent_mark_ns = worker->now_ns;
    iocp_worker_arm(worker, slot, iocp_worker_due_ns(worker, slot));
}

void iocp_worker_begin_windows(iocp_worker *worker, iocp_slot *slot)
{
    iocp_slot_clear(slot, IOCP_SLOT_SEND_MARKED | IOCP_SLOT_IDLE_MARKED);
    iocp_worker_begin_receive_window(worker, slot);
    iocp_worker_arm_deadline(worker, slot);
}

void iocp_worker_delay_send(iocp_worker *worker, iocp_slot *slot)
{
    slot->send = IOCP_SEND_DELAYED;
    iocp_worker_arm(worker, slot, UINT64_MAX);
}

void iocp_worker_begin_send_window(iocp_worker *worker, iocp_slot *slot)
{
    if (iocp_worker_timeouts(worker, slot)->send_ns == 0)
        return;
    iocp_slot_clear(slot, IOCP_SLOT_SEND_MARKED);
    slot->sent_mark_ns = worker->now_ns;
    iocp_worker_arm(worker, slot, iocp_worker_due_ns(worker, slot));
}

/* The first look comes early, so that the window which begins with it does not double the time that a peer gets. Most
 * connections are closed before it, and nothing is asked for them. */
static uint64_t first_look_ns(const iocp_worker *worker)
{
    return worker->setup.config->linger_timeout_ns / 8;
}

uint64_t iocp_worker_linger_due_ns(const iocp_worker *worker, const iocp_slot *slot)
{
    const bool marked = slot->flags & IOCP_SLOT_SEND_MARKED;
    return slot->sent_mark_ns + (marked ? worker->setup.config->linger_timeout_ns : first_look_ns(worker));
}

void iocp_worker_arm_linger(iocp_worker *worker, iocp_slot *slot)
{
    iocp_slot_clear(slot, IOCP_SLOT_SEND_MARKED | IOCP_SLOT_DOUBTED);
    slot->sent_mark_ns = worker->now_ns;
    iocp_worker_arm(worker, slot, iocp_worker_linger_due_ns(worker, slot));
}

void iocp_worker_begin_receive_window(iocp_worker *worker, iocp_slot *slot)
{
    slot->received_mark_bytes = slot->received_bytes;
    slot->received_mark_ns = worker->now_ns;
}
