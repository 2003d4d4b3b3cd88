/* Letters to a worker from any thread, another worker's included. */
#ifndef IOCP_WORKER_POSTING_H
#define IOCP_WORKER_POSTING_H

#include "worker.h"

/* Puts a letter into a worker's mailbox, and wakes the worker if it sleeps. Returns as iocp_mailbox_put. Thread: any. */
int iocp_worker_post(iocp_worker *worker, const iocp_letter *letter);

/* Wakes a worker whose mailbox says that this is due. Thread: any. */
void iocp_worker_wake_noted(iocp_worker *worker);

#endif
