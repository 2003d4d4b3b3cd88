/* Mailboxes behind an opaque type, and producers on threads of their own. */
#ifndef CIOCP_INTERNALS_MAILBOXES_H
#define CIOCP_INTERNALS_MAILBOXES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct internals_mailbox internals_mailbox;

/* Not open yet. NULL without memory. */
internals_mailbox *internals_mailbox_reserve(uint32_t entries);
void internals_mailbox_open(internals_mailbox *mailbox);
/* Both. */
internals_mailbox *internals_mailbox_create(uint32_t entries);
void internals_mailbox_destroy(internals_mailbox *mailbox);
int internals_mailbox_put(internals_mailbox *mailbox, uint64_t connection, uint64_t value);
bool internals_mailbox_wake_due(internals_mailbox *mailbox);
bool internals_mailbox_take(internals_mailbox *mailbox, uint64_t *connection, uint64_t *value);
bool internals_mailbox_sleep(internals_mailbox *mailbox);
void internals_mailbox_awake(internals_mailbox *mailbox);
void internals_mailbox_close(internals_mailbox *mailbox);
bool internals_mailbox_finished(const internals_mailbox *mailbox);

/* What a crowd of producers does, and what the one consumer, the calling thread, saw of it. */
typedef struct internals_crowd {
    uint32_t mailbox_entries;
    uint32_t producer_count;
    uint32_t posts_each;
    uint64_t close_after; /* the consumer closes once it took this many; UINT64_MAX: never */
    uint32_t nap_every;   /* the consumer yields its CPU after this many letters, so that producers find it full; 0: never */

    uint64_t accepted;           /* puts that answered 0 */
    uint64_t refused_full;       /* puts that answered -EAGAIN; each is tried again */
    uint64_t refused_closed;     /* puts that answered -ESHUTDOWN */
    uint64_t accepted_too_late;  /* puts that answered 0 to a producer that had seen -ESHUTDOWN */
    uint64_t other_answers;
    uint64_t taken;
    uint64_t out_of_order;       /* letters that were not the next of their producer: lost, doubled or swapped */
    uint64_t sleeps;             /* calls of sleep, whatever they answered */
    uint64_t wakes;              /* wake_due answered true */
    uint64_t lost_wakes;         /* the consumer slept for seconds beside a letter */
} internals_crowd;

/* Runs the crowd to its end. Returns 0 or -errno when it could not be started. */
int internals_crowd_run(internals_crowd *crowd);

/* One sleep, then `thread_count` producers at once, each with a put and a question whether to wake. Returns how many
 * were told to, over `round_count` rounds the least and the most. 0 or -errno. */
int internals_wakes_per_sleep(uint32_t thread_count, uint32_t round_count, uint32_t *least, uint32_t *most);

#endif
