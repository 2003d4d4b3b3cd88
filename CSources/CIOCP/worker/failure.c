/* The end of a worker whose driver failed: every connection is closed with the driver's error, and nothing else goes
 * on.
 *
 * Completions were lost, so which operations are outstanding is not known any more. A new driver on the same memory is
 * no way out: what the old one still has may be written to a receive buffer, or read from a send chunk, until the
 * kernel has let go of the last of it, and nobody tells when that is (guarantee G9). */
#include <errno.h>

#include "failure.h"

#include "life.h"
#include "outbox.h"
#include "sent.h"
#include "travel.h"

/* The driver is gone, so no event will end them. */
static void forget_operations(iocp_slot *slot)
{
    slot->receive = IOCP_RECEIVE_NONE;
    slot->watch = IOCP_WATCH_NONE;
    slot->send = IOCP_SEND_NONE;
    slot->finish = IOCP_FINISH_NONE;
    if (iocp_slot_is_connecting(slot))
        slot->connect = IOCP_CONNECT_FAILED;
}

void iocp_worker_end_connection(iocp_worker *worker, iocp_slot *slot, int32_t result)
{
    if (slot->close_reason == 0) {
        slot->close_reason = IOCP_CLOSE_FAILED;
        slot->close_result = (int16_t)result;
    }
    if (slot->flags & IOCP_SLOT_SEND_COUNTED)
        iocp_worker_recount_silent(worker, slot, 0);
    iocp_worker_drop_queue(worker, slot);
    forget_operations(slot);
    iocp_slot_clear(slot, IOCP_SLOT_DIRTY);
    iocp_worker_slot_release(worker, slot);
}

static void forget_lists(iocp_worker *worker)
{
    worker->event_next = worker->event_count = 0;
    worker->traffic.head = worker->traffic.tail;
    worker->closing.head = worker->closing.tail;
    worker->starved_remain = false;
    for (int class = 0; class < IOCP_BUFFER_CLASS_COUNT; class++)
        worker->starved[class] = worker->passed_over[class] = iocp_slot_fifo_empty();
}

static void end_accepts(iocp_worker *worker)
{
    for (uint32_t i = 0; i < IOCP_LISTENERS_MAX; i++) {
        if (worker->accepting.states[i].backing_off)
            iocp_deadlines_disarm(&worker->deadlines, iocp_worker_first_listener_deadline(worker) + i);
        worker->accepting.states[i] = (iocp_accept_state){0};
    }
    worker->accepting.armed_count = 0;
    worker->accepting.held = iocp_slot_fifo_empty();
    iocp_worker_show_door(worker, 0);
    iocp_worker_abandon_arrived(worker);
    iocp_home_forgets(worker);
    iocp_listener_set_leave(worker->setup.listeners, worker->setup.index);
}

void iocp_worker_end_departures(iocp_worker *worker)
{
    for (uint32_t left = worker->leaving.count; left > 0; left--) {
        iocp_slot *slot = iocp_slot_fifo_pop(&worker->leaving, &worker->table);
        if (!iocp_moving_was_answered(worker, slot)) {
            iocp_slot_fifo_push(&worker->leaving, &worker->table, slot);
            continue;
        }
        iocp_moving_comes_back(worker, slot);
        iocp_worker_end_connection(worker, slot, worker->failure);
    }
}

void iocp_worker_break(iocp_worker *worker, int32_t result)
{
    worker->failure = result;
    worker->stop = IOCP_STOP_CLOSING;
    worker->operations->close(worker->driver);
    worker->driver = NULL;
    forget_lists(worker);
    end_accepts(worker);
    iocp_worker_cancel_timers(worker);
    while (worker->resting.count > 0)
        iocp_moving_call_off(worker, &worker->table.slots[worker->resting.head]);
    iocp_worker_end_departures(worker);
    for (uint32_t i = 0; i < worker->table.untouched; i++)
        if (worker->table.slots[i].state != IOCP_SLOT_FREE && worker->table.slots[i].state != IOCP_SLOT_LEAVING)
            iocp_worker_end_connection(worker, &worker->table.slots[i], result);
    IOCP_STATS_SET(worker->stats, unsent_bytes, worker->unsent_bytes);
    iocp_mailbox_close(&worker->mailbox);
}
