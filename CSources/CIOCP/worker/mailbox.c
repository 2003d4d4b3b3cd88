/* Posts from any thread to one worker, each delivered once. */
#include "mailbox.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#define CLOSED (UINT64_C(1) << 63)
#define UNOPENED (UINT64_C(1) << 62)

/* The sequence of a free cell for this position. It is counted without the cell's own index, so it begins at 0 in all of them:
 * calloc's pages are so already, and none is touched before a letter lies there. With 16,384 entries that is 768 KiB a worker. */
static uint64_t free_for(const iocp_mailbox *mailbox, uint64_t position)
{
    return position & ~mailbox->mask;
}

int iocp_mailbox_reserve(iocp_mailbox *mailbox, uint32_t entries)
{
    mailbox->cells = calloc(entries, sizeof *mailbox->cells);
    if (mailbox->cells == NULL)
        return -ENOMEM;
    mailbox->mask = entries - 1;
    atomic_init(&mailbox->tail, UNOPENED);
    mailbox->head = 0;
    atomic_init(&mailbox->asleep, false);
    atomic_init(&mailbox->interrupted, false);
    return 0;
}

void iocp_mailbox_release(iocp_mailbox *mailbox)
{
    free(mailbox->cells);
    mailbox->cells = NULL;
}

void iocp_mailbox_open(iocp_mailbox *mailbox)
{
    atomic_fetch_and_explicit(&mailbox->tail, ~UNOPENED, memory_order_release);
}

static int refusal(uint64_t tail)
{
    if (tail & CLOSED)
        return -ESHUTDOWN;
    return -ENXIO;
}

int iocp_mailbox_put(iocp_mailbox *mailbox, const iocp_letter *letter)
{
    uint64_t tail = atomic_load_explicit(&mailbox->tail, memory_order_relaxed);
    for (;;) {
        if (tail & (CLOSED | UNOPENED))
            return refusal(tail);
        iocp_mailbox_cell *cell = &mailbox->cells[tail & mailbox->mask];
        const uint64_t sequence = atomic_load_explicit(&cell->sequence, memory_order_acquire);
        const int64_t ahead = (int64_t)(sequence - free_for(mailbox, tail));
        if (ahead == 0) {
            if (!atomic_compare_exchange_weak_explicit(&mailbox->tail, &tail, tail + 1, memory_order_relaxed,
                                                       memory_order_relaxed))
                continue;
            cell->letter = *letter;
            atomic_store_explicit(&cell->sequence, free_for(mailbox, tail) + 1, memory_order_release);
            return 0;
        }
        if (ahead < 0) {
            atomic_fetch_add_explicit(&mailbox->refused_count, 1, memory_order_relaxed);
            return -EAGAIN;
        }
        tail = atomic_load_explicit(&mailbox->tail, memory_order_relaxed);
    }
}

bool iocp_mailbox_wake_due(iocp_mailbox *mailbox)
{
    /* Pairs with the fence in iocp_mailbox_sleep: either the consumer sees the letter, or we see it asleep. */
    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(&mailbox->asleep, memory_order_relaxed))
        return false;
    return atomic_exchange_explicit(&mailbox->asleep, false, memory_order_acq_rel);
}

bool iocp_mailbox_interrupt(iocp_mailbox *mailbox)
{
    /* An exchange, not a store: of several interrupts that are one, whoever takes it sees what came before each. A plain
     * store would hide the release of the one before it. */
    (void)atomic_exchange_explicit(&mailbox->interrupted, true, memory_order_release);
    return iocp_mailbox_wake_due(mailbox);
}

bool iocp_mailbox_is_interrupted(const iocp_mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->interrupted, memory_order_relaxed);
}

bool iocp_mailbox_take_interrupt(iocp_mailbox *mailbox)
{
    return iocp_mailbox_is_interrupted(mailbox) &&
           atomic_exchange_explicit(&mailbox->interrupted, false, memory_order_acquire);
}

bool iocp_mailbox_has_letter(const iocp_mailbox *mailbox)
{
    const iocp_mailbox_cell *cell = &mailbox->cells[mailbox->head & mailbox->mask];
    return atomic_load_explicit(&cell->sequence, memory_order_acquire) == free_for(mailbox, mailbox->head) + 1;
}

const iocp_letter *iocp_mailbox_first(const iocp_mailbox *mailbox)
{
    return iocp_mailbox_has_letter(mailbox) ? &mailbox->cells[mailbox->head & mailbox->mask].letter : NULL;
}

bool iocp_mailbox_take(iocp_mailbox *mailbox, iocp_letter *letter)
{
    if (!iocp_mailbox_has_letter(mailbox))
        return false;
    iocp_mailbox_cell *cell = &mailbox->cells[mailbox->head & mailbox->mask];
    *letter = cell->letter;
    atomic_store_explicit(&cell->sequence, free_for(mailbox, mailbox->head) + mailbox->mask + 1, memory_order_release);
    mailbox->head++;
    return true;
}

bool iocp_mailbox_sleep(iocp_mailbox *mailbox)
{
    atomic_store_explicit(&mailbox->asleep, true, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    if (!iocp_mailbox_has_letter(mailbox) && !iocp_mailbox_is_interrupted(mailbox))
        return true;
    iocp_mailbox_awake(mailbox);
    return false;
}

void iocp_mailbox_awake(iocp_mailbox *mailbox)
{
    atomic_store_explicit(&mailbox->asleep, false, memory_order_relaxed);
}

void iocp_mailbox_close(iocp_mailbox *mailbox)
{
    atomic_fetch_or_explicit(&mailbox->tail, CLOSED, memory_order_relaxed);
}

uint64_t iocp_mailbox_tail(const iocp_mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->tail, memory_order_relaxed) & ~CLOSED;
}

bool iocp_mailbox_was_read_to(const iocp_mailbox *mailbox, uint64_t tail)
{
    return mailbox->head >= tail;
}

bool iocp_mailbox_finished(const iocp_mailbox *mailbox)
{
    const uint64_t tail = atomic_load_explicit(&mailbox->tail, memory_order_relaxed);
    return (tail & CLOSED) != 0 && (tail & ~CLOSED) == mailbox->head;
}

void iocp_mailbox_discard(iocp_mailbox *mailbox)
{
    iocp_letter letter;
    iocp_mailbox_close(mailbox);
    while (!iocp_mailbox_finished(mailbox)) {
        if (!iocp_mailbox_take(mailbox, &letter))
            sched_yield(); /* its place is taken, and it is being written */
        else
            iocp_letter_drop(&letter);
    }
}
