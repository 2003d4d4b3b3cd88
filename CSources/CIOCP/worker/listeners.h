/* Accepting: one worker's view of the port's listeners. */
#ifndef IOCP_WORKER_LISTENERS_H
#define IOCP_WORKER_LISTENERS_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/limits.h"
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
    uint64_t tokens;       /* accepts allowed now, in units of 1/1e9 */
    uint64_t refilled_ns;
} iocp_worker_listeners;

struct iocp_worker;

/* Arms what may accept, cancels what may not. Called at each flush. */
void iocp_worker_service_listeners(struct iocp_worker *worker);

/* One accept event. */
void iocp_worker_accepted(struct iocp_worker *worker, uint64_t token, int32_t result, bool more);

/* The back-off of a listener ended. */
void iocp_worker_accept_again(struct iocp_worker *worker, uint32_t listener);

#endif
