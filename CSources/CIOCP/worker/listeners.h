/* Accepting: one worker's view of the port's listeners. */
#ifndef IOCP_WORKER_LISTENERS_H
#define IOCP_WORKER_LISTENERS_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/limits.h"
#include "../connection/slot.h"
#include "handing.h"
#include "listener_backlogs.h"
#include "listener_set.h"

typedef struct iocp_accept_state {
    bool armed;
    bool many;        /* armed as multishot */
    bool cancelled;
    bool backing_off; /* a deadline re-arms it */
    bool full;        /* told already that every slot is taken */
} iocp_accept_state;

typedef struct iocp_worker_listeners {
    iocp_accept_state states[IOCP_LISTENERS_MAX];
    uint32_t armed_count;
    uint32_t one_count;      /* of those, accepts of one connection */
    uint64_t reserved_count; /* slots that armed accepts may fill before the next flush */
    uint64_t credit;         /* for accepts, where their rate is limited */
    uint64_t refilled_ns;
    uint32_t socket_count;   /* listening sockets of this worker, as of the latest look at their backlogs */
    uint64_t look_due_ns;    /* when they are looked at again */
    iocp_drops drops[IOCP_LISTENERS_MAX];
    iocp_slot_fifo held;     /* accepted clients whose addresses could not be asked yet; the oldest first */
    iocp_links arrived; /* clients that other workers handed over, and that have no slot yet */
    uint32_t promised;       /* slots kept for such clients: see iocp_door */
} iocp_worker_listeners;

struct iocp_worker;

/* Prepares a worker that opens, and gives it its share of the accepts that the port's first second has. */
void iocp_worker_open_accepting(struct iocp_worker *worker);

/* Arms what may accept, cancels what may not. Called at each flush. */
void iocp_worker_service_listeners(struct iocp_worker *worker);

/* Whether a slot is free for a connect: not one that a client just being accepted needs. */
bool iocp_worker_spares_slot(const struct iocp_worker *worker);

/* One accept event. */
void iocp_worker_accepted(struct iocp_worker *worker, uint64_t token, int32_t result, bool more);

/* The back-off of a listener ended. */
void iocp_worker_accept_again(struct iocp_worker *worker, uint32_t listener);

#endif
