/* What is owed to the application: completions, in order, those of a full batch at the next wait. */
#include "outbox.h"

#include <errno.h>

void iocp_worker_emit(iocp_worker *worker, iocp_completion completion)
{
    iocp_spill *spill = &worker->spill;
    if (worker->out_count < worker->out_capacity && spill->head == spill->tail) {
        worker->out[worker->out_count++] = completion;
        return;
    }
    IOCP_CHECK(spill->tail - spill->head <= spill->mask, "more completions are due than a worker can owe");
    spill->records[spill->tail++ & spill->mask] = completion;
}

void iocp_worker_hand_out_spilled(iocp_worker *worker)
{
    iocp_spill *spill = &worker->spill;
    while (spill->head != spill->tail && worker->out_count < worker->out_capacity)
        worker->out[worker->out_count++] = spill->records[spill->head++ & spill->mask];
}

/* --- of one connection --------------------------------------------------------------------------------------- */

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
    iocp_slot_set(slot, IOCP_SLOT_ANNOUNCED);
    iocp_completion opened = completion_of(worker, slot, IOCP_COMPLETION_OPENED);
    opened.detail = slot->listener;
    iocp_worker_emit(worker, opened);
}

void iocp_worker_emit_received(iocp_worker *worker, iocp_slot *slot, const iocp_event *event)
{
    iocp_receive_buffers_lease(&worker->buffers, event->buffer);
    iocp_worker_emit(worker, (iocp_completion){
                                 .kind = IOCP_COMPLETION_RECEIVED,
                                 .connection = iocp_slot_connection(&worker->table, slot),
                                 .key = slot->key,
                                 .bytes = iocp_receive_buffers_start(&worker->buffers, event->buffer) + event->offset,
                                 .result = event->result,
                                 .detail = event->buffer,
                             });
}

void iocp_worker_emit_opened(iocp_worker *worker, iocp_slot *slot, uint16_t buffer, const iocp_layer_opened *opened)
{
    if (!opened->owned)
        iocp_receive_buffers_lease(&worker->buffers, buffer);
    iocp_completion received = completion_of(worker, slot, IOCP_COMPLETION_RECEIVED);
    received.bytes = opened->bytes;
    received.result = (int32_t)opened->count_bytes;
    received.detail = opened->owned ? (uint16_t)IOCP_LEASE_NONE : buffer;
    iocp_worker_emit(worker, received);
}

void iocp_worker_emit_of(iocp_worker *worker, const iocp_slot *slot, iocp_completion_kind kind)
{
    iocp_worker_emit(worker, completion_of(worker, slot, kind));
}

void iocp_worker_emit_move(iocp_worker *worker, const iocp_slot *slot, iocp_completion_kind kind, uint32_t other,
                           const void *state)
{
    iocp_completion move = completion_of(worker, slot, kind);
    move.detail = (uint16_t)other;
    move.bytes = state;
    iocp_worker_emit(worker, move);
}

void iocp_worker_emit_last(iocp_worker *worker, const iocp_slot *slot)
{
    iocp_completion last = completion_of(worker, slot, IOCP_COMPLETION_CLOSED);
    last.result = slot->close_result;
    last.detail = slot->close_reason;
    const bool never_opened = iocp_slot_never_opened(slot);
    if (never_opened) {
        last.kind = IOCP_COMPLETION_CONNECT_FAILED;
        if (last.result == 0)
            last.result = -ECANCELED; /* given up here, before the peer answered */
    }
    if (never_opened || (slot->flags & IOCP_SLOT_ANNOUNCED))
        iocp_worker_emit(worker, last);
}

static void emit_sent(iocp_worker *worker, const iocp_slot *slot, uint64_t key, int32_t result)
{
    iocp_completion sent = completion_of(worker, slot, IOCP_COMPLETION_SENT);
    sent.key = key;
    sent.result = result;
    iocp_worker_emit(worker, sent);
}

void iocp_worker_take_marks(iocp_worker *worker, iocp_slot *slot, int32_t result)
{
    uint64_t key;
    while (iocp_send_queue_take_mark(&worker->pool, &slot->queue, &key))
        emit_sent(worker, slot, key, result);
}

void iocp_worker_end_notice(iocp_worker *worker, iocp_slot *slot, int32_t result)
{
    if (!(slot->flags & IOCP_SLOT_UNSENT_NOTICE))
        return;
    iocp_slot_clear(slot, IOCP_SLOT_UNSENT_NOTICE);
    iocp_completion fell = completion_of(worker, slot, IOCP_COMPLETION_UNSENT_FELL);
    fell.key = iocp_slot_terms_of(&worker->table, slot)->notice_key;
    fell.result = result;
    iocp_worker_emit(worker, fell);
}

void iocp_worker_drop_queue(iocp_worker *worker, iocp_slot *slot)
{
    const int32_t result = slot->close_result < 0 ? slot->close_result : -ECANCELED;
    worker->unsent_bytes -= slot->queue.unsent_bytes;
    while (slot->queue.head != IOCP_NODE_NONE) {
        uint64_t key;
        if (iocp_send_queue_drop(&worker->pool, &slot->queue, &key))
            emit_sent(worker, slot, key, result);
    }
    iocp_worker_end_notice(worker, slot, result);
}
