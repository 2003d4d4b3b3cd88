/* Brings ended work back to its worker: a stack that any thread puts on, and that its owner takes as a whole. */
#include "inbox.h"

#include <stddef.h>

/* Nobody takes anything any more. No work lies at its address. */
static iocp_offload closed;

bool iocp_offload_inbox_put(iocp_offload_inbox *inbox, iocp_offload *work)
{
    iocp_offload *newest = atomic_load_explicit(&inbox->ended, memory_order_relaxed);
    do {
        if (newest == &closed)
            return false;
        work->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&inbox->ended, &newest, work, memory_order_release,
                                                    memory_order_relaxed));
    /* The owner takes all that is there, so whoever finds it empty wakes it for those that follow. The work may be taken, and
     * gone, by now. */
    if (newest == NULL)
        inbox->wake(inbox->wake_context);
    return true;
}

void iocp_offload_inbox_keep(iocp_offload_inbox *inbox, iocp_offload *work)
{
    work->next = NULL;
    if (inbox->taken == NULL)
        inbox->taken = work;
    else
        inbox->taken_last->next = work;
    inbox->taken_last = work;
}

/* The stack has the newest first, and is taken in the order in which it grew. */
static void keep_all(iocp_offload_inbox *inbox, iocp_offload *newest)
{
    iocp_offload *oldest = NULL;
    while (newest != NULL) {
        iocp_offload *before = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = before;
    }
    while (oldest != NULL) {
        iocp_offload *next = oldest->next;
        iocp_offload_inbox_keep(inbox, oldest);
        oldest = next;
    }
}

iocp_offload *iocp_offload_inbox_take(iocp_offload_inbox *inbox)
{
    if (inbox->taken == NULL) {
        if (atomic_load_explicit(&inbox->ended, memory_order_relaxed) == NULL)
            return NULL;
        keep_all(inbox, atomic_exchange_explicit(&inbox->ended, NULL, memory_order_acquire));
    }
    iocp_offload *work = inbox->taken;
    inbox->taken = work->next;
    return work;
}

bool iocp_offload_inbox_has(const iocp_offload_inbox *inbox)
{
    return inbox->taken != NULL || atomic_load_explicit(&inbox->ended, memory_order_relaxed) != NULL;
}

void iocp_offload_inbox_close(iocp_offload_inbox *inbox)
{
    keep_all(inbox, atomic_exchange_explicit(&inbox->ended, &closed, memory_order_acq_rel));
}
