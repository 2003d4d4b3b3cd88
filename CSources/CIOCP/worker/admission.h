/* Which clients are let in. A client has a slot from its accept on; it is HELD until it is let in, refused, or another
 * worker's. */
#ifndef IOCP_WORKER_ADMISSION_H
#define IOCP_WORKER_ADMISSION_H

#include "worker.h"

/* A client that was accepted just now: at once, where there is nothing to ask; else at the next flush. */
void iocp_worker_admit_new(iocp_worker *worker, iocp_slot *slot);

/* Hands held clients over, or asks for their addresses. Called at the beginning of each flush: a command needs room in the
 * completion queue for what was submitted before it. */
void iocp_worker_admit_held(iocp_worker *worker);

/* A client that another worker handed over: it waits for the next flush. */
void iocp_worker_take_in(iocp_worker *worker, iocp_parcel *parcel);

/* Gives those that wait their slots. In a flush, as above. */
void iocp_worker_settle_arrived(iocp_worker *worker);

#endif
