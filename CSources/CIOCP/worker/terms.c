/* The application's calls that change the terms of one connection: marks, the hold on its receive, word of few unsent
 * bytes. */
#include <errno.h>

#include "lookup.h"
#include "windows.h"

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
    iocp_slot_set(slot, IOCP_SLOT_UNSENT_NOTICE);
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
    iocp_slot_set(slot, IOCP_SLOT_OWN_MARKS);
    if (slot->queue.unsent_bytes >= marks->high_bytes)
        iocp_slot_set(slot, IOCP_SLOT_PRESSED);
    iocp_worker_touch(worker, slot);
    return 0;
}

int iocp_connection_set_timeouts(iocp_worker *worker, iocp_token connection, const iocp_timeouts *timeouts)
{
    iocp_slot *slot;
    const int result = iocp_worker_find_open(worker, connection, &slot);
    if (result < 0)
        return result;
    if (timeouts->idle_ns > IOCP_TIMEOUT_NS_MAX || timeouts->receive_ns > IOCP_TIMEOUT_NS_MAX ||
        timeouts->send_ns > IOCP_TIMEOUT_NS_MAX || timeouts->receive_progress_bytes == 0)
        return -EINVAL;
    iocp_slot_terms_of(&worker->table, slot)->timeouts = *timeouts;
    iocp_slot_set(slot, IOCP_SLOT_OWN_TIMEOUTS);
    worker->counts_idle |= timeouts->idle_ns > 0;
    iocp_worker_begin_windows(worker, slot);
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
        iocp_slot_clear(slot, IOCP_SLOT_UNHELD);
    else
        iocp_slot_set(slot, IOCP_SLOT_UNHELD);
    iocp_worker_touch(worker, slot);
    return 0;
}

int iocp_connection_stay(iocp_worker *worker, iocp_token connection, bool stays)
{
    iocp_slot *slot;
    const int result = iocp_worker_find_open(worker, connection, &slot);
    if (result < 0)
        return result;
    if (stays)
        iocp_slot_set(slot, IOCP_SLOT_STAYS);
    else
        iocp_slot_clear(slot, IOCP_SLOT_STAYS);
    if (!stays && worker->stop == IOCP_STOP_CLOSING)
        return iocp_close(worker, connection);
    return 0;
}

bool iocp_connection_holds_back(iocp_worker *worker, iocp_token connection)
{
    IOCP_CHECK(!iocp_worker_is_foreign(worker),
               "a connection was asked for its hold on another thread than its worker's");
    iocp_slot *slot;
    return iocp_worker_find_open(worker, connection, &slot) == 0 && !(slot->flags & IOCP_SLOT_UNHELD);
}
