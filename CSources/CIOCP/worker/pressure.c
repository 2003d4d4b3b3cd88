/* What a connection's unsent bytes cause: receives that are held back, WRITABLE, and word of few unsent bytes. */
#include "pressure.h"

#include "outbox.h"
#include "windows.h"

/* At the low mark a connection that was held back receives again, and its handler may go on sending. */
static void relieve_pressed(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->state != IOCP_SLOT_OPEN || slot->queue.unsent_bytes > iocp_worker_marks(worker, slot)->low_bytes)
        return;
    if (iocp_slot_is_held_back(slot))
        iocp_worker_begin_receive_window(worker, slot);
    iocp_slot_clear(slot, IOCP_SLOT_PRESSED);
    /* What a layer writes before it is open may press, too, and is no news to an application that has no connection yet. */
    if (slot->flags & IOCP_SLOT_ANNOUNCED)
        iocp_worker_emit_of(worker, slot, IOCP_COMPLETION_WRITABLE);
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
