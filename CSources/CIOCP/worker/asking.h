/* Which connections an administrator means, and what their sockets say. */
#ifndef IOCP_WORKER_ASKING_H
#define IOCP_WORKER_ASKING_H

#include "../include/iocp_admin.h"
#include "worker.h"

/* Whether a connection's socket may be asked: it is open, or its end has begun and its socket is still its own. */
bool iocp_worker_may_ask(const iocp_slot *slot);

/* Whether a socket that answered so is to be asked again after a wait. */
bool iocp_worker_asks_later(int result);

/* Both ends' addresses. Returns 0 or -errno: -EBUSY, -EAGAIN: after a wait perhaps. */
int iocp_worker_ask_addresses(iocp_worker *worker, const iocp_slot *slot, iocp_address *peer, iocp_address *local);

/* What TCP says. Returns 0 or -errno, likewise. */
int iocp_worker_ask_info(iocp_worker *worker, const iocp_slot *slot, iocp_connection_info *info);

/* Returns 1 for a connection that is meant and 0 for another; or -EBUSY, -EAGAIN: it could not be asked now. */
int iocp_worker_is_meant(iocp_worker *worker, const iocp_slot *slot, const iocp_connection_filter *filter);

/* Whether its bounds are kept. */
bool iocp_filter_is_valid(const iocp_connection_filter *filter);

#endif
