/* Clients come in, as long as the table has a slot for them: a client accepted into a full one is lost. */
#define _GNU_SOURCE
#include <errno.h>
#include <time.h>

#include "baseline.h"
#include "server.h"

/* A multishot accept brings in everyone who waits, so with less room than this clients are accepted by ones. */
enum { BURST_MAX = 8192, SINGLES_MAX = 32 };

/* Entries that acceptor_settle may need. */
enum { ENTRIES_MAX = SINGLES_MAX + 1 };

static void arm(server *self, uint16_t flags)
{
    struct io_uring_sqe *entry = ring_entry(&self->ring);
    entry->opcode = IORING_OP_ACCEPT;
    entry->fd = self->acceptor.listener;
    entry->ioprio = flags;
    /* No SOCK_CLOEXEC: a direct descriptor is never inherited, and the flag is EINVAL with it. */
    entry->file_index = IORING_FILE_INDEX_ALLOC;
    entry->user_data = server_token(KIND_ACCEPT, 0);
}

/* Without memory the client stays in the backlog, and accepting at once would fail at once. */
static void pause_accepting(server *self)
{
    static struct __kernel_timespec pause = {.tv_nsec = BASELINE_ACCEPT_PAUSE_MS * 1000000};
    if (self->acceptor.paused || ring_room(&self->ring) == 0)
        return;
    self->acceptor.paused = true;
    struct io_uring_sqe *entry = ring_entry(&self->ring);
    entry->opcode = IORING_OP_TIMEOUT;
    entry->fd = -1;
    entry->addr = (uint64_t)(uintptr_t)&pause;
    entry->len = 1;
    entry->user_data = server_token(KIND_ACCEPT_PAUSE, 0);
}

void acceptor_accepted(server *self, const struct io_uring_cqe *completion)
{
    acceptor *acceptor = &self->acceptor;
    if (!(completion->flags & IORING_CQE_F_MORE)) {
        if (acceptor->many)
            acceptor->many = acceptor->cancels = false;
        else
            acceptor->singles--;
    }
    if (completion->res >= 0) {
        connection_open(self, (uint32_t)completion->res);
        return;
    }
    switch (-completion->res) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        pause_accepting(self);
        return;
    case EBADF:
    case EFAULT:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
        baseline_fail("accept", -completion->res);
    default:
        /* Cancelled, or the network errors that Linux reports for a connection that died in the backlog. */
        return;
    }
}

void acceptor_resume(server *self)
{
    self->acceptor.paused = false;
}

void acceptor_settle(server *self)
{
    acceptor *acceptor = &self->acceptor;
    const uint32_t room = self->capacity - self->count;
    if (acceptor->paused || ring_room(&self->ring) < ENTRIES_MAX)
        return;
    if (acceptor->many) {
        if (room < BURST_MAX && !acceptor->cancels) {
            server_cancel(self, server_token(KIND_ACCEPT, 0));
            acceptor->cancels = true;
        }
        return;
    }
    if (room >= BURST_MAX) {
        if (acceptor->singles > 0)
            return; /* they end as clients come */
        arm(self, IORING_ACCEPT_MULTISHOT);
        acceptor->many = true;
        return;
    }
    while (acceptor->singles < SINGLES_MAX && acceptor->singles < room) {
        arm(self, 0);
        acceptor->singles++;
    }
}
