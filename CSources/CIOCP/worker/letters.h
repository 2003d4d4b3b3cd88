/* What comes out of a worker's mailbox. */
#ifndef IOCP_WORKER_LETTERS_H
#define IOCP_WORKER_LETTERS_H

#include "worker.h"

/* Takes letters out, for at most half of a batch: some become completions, and some the worker carries out itself. */
void iocp_worker_take_letters(iocp_worker *worker);

/* Whether a letter may be opened now, and opens one. */
bool iocp_worker_may_open(const iocp_worker *worker, const iocp_letter *letter);
void iocp_worker_open_letter(iocp_worker *worker, const iocp_letter *letter);

#endif
