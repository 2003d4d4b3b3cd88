/* Finding the connection that a call names. Every call begins with it, so it is inlined. */
#ifndef IOCP_WORKER_LOOKUP_H
#define IOCP_WORKER_LOOKUP_H

#include <errno.h>

#include "worker.h"

/* A closed worker has no slots, so it finds none; nor does another thread than the owner's. */
static inline iocp_slot *iocp_worker_find_slot(const iocp_worker *worker, iocp_token connection)
{
    return iocp_worker_is_mine(worker) ? iocp_slot_find(&worker->table, connection) : NULL;
}

/* Why a connection cannot be asked: by this thread, it is another worker's, or it is closed or closing. */
static inline int iocp_worker_absent(const iocp_worker *worker, iocp_token connection)
{
    if (iocp_worker_is_foreign(worker))
        return -EPERM;
    const iocp_slot *slot = iocp_worker_find_slot(worker, connection);
    if (slot != NULL && slot->state == IOCP_SLOT_AWAY)
        return -EXDEV;
    return connection != 0 && iocp_token_worker(connection) != worker->setup.index ? -EXDEV : -ENOTCONN;
}

/* Finds an open connection: one that the application was told of, or will be in this very wait. Returns 0, or -errno that
 * says why it cannot be asked. */
static inline int iocp_worker_find_open(const iocp_worker *worker, iocp_token connection, iocp_slot **found)
{
    iocp_slot *slot = iocp_worker_find_slot(worker, connection);
    *found = slot != NULL && slot->state == IOCP_SLOT_OPEN && slot->layer != IOCP_LAYER_BEGINNING ? slot : NULL;
    return *found != NULL ? 0 : iocp_worker_absent(worker, connection);
}

#endif
