/* What a connection's unsent bytes cause: receives that are held back, WRITABLE, and word of few unsent bytes. */
#include <errno.h>

#include "worker.h"

static iocp_completion completion_of(const iocp_worker *worker, const iocp_slot *slot, iocp_completion_kind kind)
{
    return (iocp_completion){.kind = kind,
                             .connection = iocp_slot_connection(&worker->table, slot),
                             .key = slot->key};
}

/* --- relief ------------------------------------------------------------------------------------------------- */

void iocp_worker_end_notice(iocp_worker *worker, iocp_slot *slot, int32_t result)
{
    if (!(slot->flags & IOCP_SLOT_UNSENT_NOTICE))
        return;
    slot->flags &= ~(uint32_t)IOCP_SLOT_UNSENT_NOTICE;
    iocp_completion fell = completion_of(worker, slot, IOCP_COMPLETION_UNSENT_FELL);
    fell.key = iocp_slot_terms_of(&worker->table, slot)->notice_key;
    fell.result = result;
    iocp_worker_emit(worker, fell);
}

/* At the low mark a connection that was held back receives again, and its handler may go on sending. */
static void relieve_pressed(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->state != IOCP_SLOT_OPEN || slot->queue.unsent_bytes > iocp_worker_marks(worker, slot)->low_bytes)
        return;
    if (iocp_slot_is_held_back(slot))
        iocp_worker_begin_receive_window(worker, slot);
    slot->flags &= ~(uint32_t)IOCP_SLOT_PRESSED;
    iocp_worker_emit(worker, completion_of(worker, slot, IOCP_COMPLETION_WRITABLE));
    iocp_worker_touch(worker, slot);
}

static void relieve_notice(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->state != IOCP_SLOT_DRAINING &&
        slot->queue.unsent_bytes < iocp_slot_terms_of(&worker->table, slot)->below_bytes)
        iocp_worker_end_notice(worker, slot, 0);
}

void iocp_worker_relieve(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->flags & IOCP_SLOT_PRESSED)
        relieve_pressed(worker, slot);
    if (slot->flags & IOCP_SLOT_UNSENT_NOTICE)
        relieve_notice(worker, slot);
}

/* A sender that was refused with few unsent bytes is writable once some were sent, and not before. Otherwise it would be
 * refused again and again. */
void iocp_worker_relieve_asked(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->flags & IOCP_SLOT_UNSENT_NOTICE)
        relieve_notice(worker, slot);
    if ((slot->flags & (IOCP_SLOT_PRESSED | IOCP_SLOT_OWN_MARKS)) != (IOCP_SLOT_PRESSED | IOCP_SLOT_OWN_MARKS))
        return;
    iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    if (terms->marks_changed)
        relieve_pressed(worker, slot);
    terms->marks_changed = false;
}

/* --- what the application asks for -------------------------------------------------------------------------- */

int iocp_notify_unsent(iocp_worker *worker, iocp_token connection, uint32_t below_bytes, uint64_t key)
{
    iocp_slot *slot;
    const int result = iocp_worker_find_open(worker, connection, &slot);
    if (result < 0)
        return result;
    if (below_bytes == 0)
        return -EINVAL;
    if (slot->flags & IOCP_SLOT_UNSENT_NOTICE)
        return -EALREADY;
    iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    terms->below_bytes = below_bytes;
    terms->notice_key = key;
    slot->flags |= IOCP_SLOT_UNSENT_NOTICE;
    iocp_worker_touch(worker, slot); /* if so few are unsent already, the next flush says it: one at most is owed */
    return 0;
}

int iocp_connection_set_marks(iocp_worker *worker, iocp_token connection, const iocp_send_marks *marks)
{
    iocp_slot *slot;
    const int result = iocp_worker_find_open(worker, connection, &slot);
    if (result < 0)
        return result;
    if (marks->low_bytes >= marks->high_bytes || marks->high_bytes > marks->cap_bytes ||
        marks->cap_bytes > worker->marks.cap_bytes)
        return -EINVAL;
    iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    terms->marks = *marks;
    terms->marks_changed = true;
    slot->flags |= IOCP_SLOT_OWN_MARKS;
    if (slot->queue.unsent_bytes >= marks->high_bytes)
        slot->flags |= IOCP_SLOT_PRESSED;
    iocp_worker_touch(worker, slot);
    return 0;
}

int iocp_connection_hold_back(iocp_worker *worker, iocp_token connection, bool holds_back)
{
    iocp_slot *slot;
    const int result = iocp_worker_find_open(worker, connection, &slot);
    if (result < 0)
        return result;
    if (iocp_slot_is_held_back(slot))
        iocp_worker_begin_receive_window(worker, slot);
    if (holds_back)
        slot->flags &= ~(uint32_t)IOCP_SLOT_UNHELD;
    else
        slot->flags |= IOCP_SLOT_UNHELD;
    iocp_worker_touch(worker, slot);
    return 0;
}

bool iocp_connection_holds_back(iocp_worker *worker, iocp_token connection)
{
    IOCP_CHECK(!iocp_worker_is_foreign(worker), "a connection was asked for its hold on another thread than its worker's");
    iocp_slot *slot;
    return iocp_worker_find_open(worker, connection, &slot) == 0 && !(slot->flags & IOCP_SLOT_UNHELD);
}
