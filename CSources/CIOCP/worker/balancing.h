/* Which of its connections a busy worker gives to one that is less busy (the configuration's balances_load).
 *
 * Ten times a second each worker says how busy it was. One that had little time left in two looks at once, while another has
 * much, asks some of its connections to move there: those that had most of its latest receives, as far as the other one stays
 * behind it with them. So a single heavy connection stays where it is, and two workers never give each other the same one. */
#ifndef IOCP_WORKER_BALANCING_H
#define IOCP_WORKER_BALANCING_H

#include <stdbool.h>
#include <stdint.h>

#include "../connection/slot.h"

struct iocp_worker;

enum {
    IOCP_BALANCE_SAMPLES = 256,  /* receives that are remembered between two looks, evenly spread over those that came */
    IOCP_BALANCE_MOVES_MAX = 16, /* of one look: 160 a second */
    IOCP_BALANCE_BUSY_MAX = 1000, /* in parts of a thousand of a CPU */
};

typedef struct iocp_balancer {
    uint64_t due_ns;       /* of the next look; UINT64_MAX: never */
    uint64_t looked_ns;
    uint64_t cpu_ns;       /* that the thread had taken by then */
    uint32_t strained;     /* looks in a row that found it too busy */
    uint32_t random;
    uint32_t seen_count;   /* receives since the latest look */
    uint32_t sample_count;
    uint32_t samples[IOCP_BALANCE_SAMPLES]; /* their slots */
} iocp_balancer;

/* Begins, where the port balances. */
void iocp_worker_begin_balancing(struct iocp_worker *worker);

/* A look, if one is due. */
void iocp_worker_balance(struct iocp_worker *worker);

/* A receive is seen: a reservoir of all since the latest look. */
void iocp_balancer_sample(iocp_balancer *balancer, uint32_t slot);

/* Of so many samples, sorted in place, the slots to move from a worker that is `own` busy to one that is `other`: into
 * picked[0, IOCP_BALANCE_MOVES_MAX). Returns how many. */
uint32_t iocp_balance_pick(uint32_t *samples, uint32_t sample_count, uint32_t own, uint32_t other, uint32_t *picked);

#endif
