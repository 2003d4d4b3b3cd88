/* Puts letters into a worker's mailbox, and wakes it. */
#include "posting.h"

#include <unistd.h>

void iocp_worker_wake(const iocp_worker *worker)
{
    const uint64_t one = 1;
    /* Fails only when the counter is full, and then a wake is pending already. */
    (void)!write(worker->setup.wake_fd, &one, sizeof one);
}

void iocp_worker_wake_noted(iocp_worker *worker)
{
    iocp_mailbox_note_wake(&worker->mailbox, iocp_clock_ns());
    iocp_worker_wake(worker);
}

int iocp_worker_post(iocp_worker *worker, const iocp_letter *letter)
{
    const int result = iocp_mailbox_put(&worker->mailbox, letter);
    if (result == 0 && iocp_mailbox_wake_due(&worker->mailbox))
        iocp_worker_wake_noted(worker);
    return result;
}
