/* What decode knows of every connection: what was queued and taken, sent and received, opened and closed. A kernel that
 * sees too much, and a completion that does not fit, trap. */
#ifndef FUZZ_LIVES_H
#define FUZZ_LIVES_H

#include "../../../CSources/CIOCP/include/CIOCP.h"
#include "played_ring.h"

enum { LEASES_MAX = 64, MARKS_MAX = 32 };

/* Of one connection, from its first name to its last completion. */
typedef struct life {
    iocp_token token;
    uint32_t stream;   /* what its peer sends */
    bool opened, connecting, over;
    bool may_lose;     /* aborted, or its transport broke */
    bool closed_below; /* its socket is closed */
    uint64_t received_bytes;
    uint64_t queued_bytes;
    uint64_t taken_bytes;
    uint64_t marks[MARKS_MAX]; /* for each SENT that is owed: what was queued before it */
    uint32_t mark_head, mark_tail;
} life;

typedef struct lease {
    const uint8_t *bytes;
    uint64_t position;
    uint32_t stream;
    uint32_t count_bytes;
    uint16_t id;
} lease;

typedef struct lives {
    life by_slot[RING_HANDLES_MAX];
    lease leases[LEASES_MAX];
    uint32_t lease_count;
    bool stops;         /* a stop was asked for */
    bool said_stopping; /* and STOPPING came */
} lives;

/* The life of a token; begins one where the token's slot is free. */
life *lives_of(lives *lives, iocp_token token);

/* What a connection sends, known from its name: it may send before its socket is heard of. */
uint32_t lives_sent_stream(const life *life);

void lives_see(lives *lives, const iocp_completion *completion);

/* A kept lease still shows what it showed. Removes it, and returns its id. */
uint16_t lives_take_lease(lives *lives, uint32_t index);

/* All are over, and nothing is kept. */
void lives_check_end(const lives *lives);

ring_observer lives_observer(lives *lives);

#endif
