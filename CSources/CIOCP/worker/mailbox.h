/* Posts from any thread to one worker: a bounded queue with many producers and one consumer.
 *
 * The ring and its sequence numbers follow Dmitry Vyukov's bounded MPMC queue. Opening clears and closing sets a bit in
 * the tail, so a post is either taken between the two and delivered, or refused: there is no third outcome (guarantee
 * G5). */
#ifndef IOCP_WORKER_MAILBOX_H
#define IOCP_WORKER_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../base/limits.h"
#include "../include/iocp_port.h"

/* Nobody receives it: releases what it refers to. */
static inline void iocp_letter_drop(const iocp_letter *letter)
{
    if (letter->reference != NULL && letter->release != NULL)
        letter->release(letter->reference);
}

typedef struct iocp_mailbox_cell {
    _Atomic uint64_t sequence;
    iocp_letter letter;
} iocp_mailbox_cell;

typedef struct iocp_mailbox {
    iocp_mailbox_cell *cells;
    uint64_t mask;
    _Alignas(IOCP_CACHE_LINE_BYTES) _Atomic uint64_t tail; /* producers' */
    _Alignas(IOCP_CACHE_LINE_BYTES) uint64_t head;         /* the consumer's */
    _Alignas(IOCP_CACHE_LINE_BYTES) _Atomic bool asleep;   /* the consumer is about to sleep, or does */
    _Atomic bool interrupted;                              /* the consumer's wait is to end, letters or not */
    _Atomic uint64_t woken_ns;                             /* when the consumer was woken, not taken yet; or 0 */
    _Atomic uint64_t refused_count;                        /* puts that found it full */
} iocp_mailbox;

/* Memory for `entries` letters. Nothing is taken before iocp_mailbox_open. */
int iocp_mailbox_reserve(iocp_mailbox *mailbox, uint32_t entries);
void iocp_mailbox_release(iocp_mailbox *mailbox);

/* 0, -EAGAIN when full, -ENXIO before it was opened, -ESHUTDOWN once closed. Thread: any. */
int iocp_mailbox_put(iocp_mailbox *mailbox, const iocp_letter *letter);

/* After a put: whether this thread has to wake the consumer. At most one of many producers is told so. Thread: any. */
bool iocp_mailbox_wake_due(iocp_mailbox *mailbox);

/* Ends the consumer's wait, this one or the next. Never refused, and many before that wait are one. Returns whether
 * this thread has to wake it. Thread: any. */
bool iocp_mailbox_interrupt(iocp_mailbox *mailbox);

/* Notes when the consumer is woken. Thread: the one that was told to wake it. */
static inline void iocp_mailbox_note_wake(iocp_mailbox *mailbox, uint64_t now_ns)
{
    atomic_store_explicit(&mailbox->woken_ns, now_ns, memory_order_relaxed);
}

/* How many puts found it full. */
static inline uint64_t iocp_mailbox_refused(const iocp_mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->refused_count, memory_order_relaxed);
}

/* Thread: the consumer, for all below. */

/* When it was woken since the last take, by CLOCK_MONOTONIC; 0: it was not. A wake that is noted meanwhile is seen later. */
static inline uint64_t iocp_mailbox_take_wake(iocp_mailbox *mailbox)
{
    const uint64_t woken_ns = atomic_load_explicit(&mailbox->woken_ns, memory_order_relaxed);
    if (woken_ns != 0)
        atomic_store_explicit(&mailbox->woken_ns, 0, memory_order_relaxed);
    return woken_ns;
}

/* Whether it was interrupted since the last take. What the interrupting thread wrote before is visible after a take. */
bool iocp_mailbox_is_interrupted(const iocp_mailbox *mailbox);
bool iocp_mailbox_take_interrupt(iocp_mailbox *mailbox);

/* From here on letters are taken. Once; a mailbox that was closed stays closed. */
void iocp_mailbox_open(iocp_mailbox *mailbox);

bool iocp_mailbox_take(iocp_mailbox *mailbox, iocp_letter *letter);
bool iocp_mailbox_has_letter(const iocp_mailbox *mailbox);

/* The letter that the next take takes, or NULL. */
const iocp_letter *iocp_mailbox_first(const iocp_mailbox *mailbox);

/* Announces sleep; false when a letter is waiting or it was interrupted, and sleep must not begin. */
bool iocp_mailbox_sleep(iocp_mailbox *mailbox);
void iocp_mailbox_awake(iocp_mailbox *mailbox);

/* Refuses every later put. What was taken before is still to be taken out. */
void iocp_mailbox_close(iocp_mailbox *mailbox);

/* Where the mailbox ends now: behind every letter whose put has returned. */
uint64_t iocp_mailbox_tail(const iocp_mailbox *mailbox);

/* Whether every letter before that end was taken out. */
bool iocp_mailbox_was_read_to(const iocp_mailbox *mailbox, uint64_t tail);

/* Closed, and every letter taken out. */
bool iocp_mailbox_finished(const iocp_mailbox *mailbox);

/* Closes it, and releases the references of all letters that are left. Waits for a put that is under way. */
void iocp_mailbox_discard(iocp_mailbox *mailbox);

#endif
