/* Ending: FIN, cancelling an operation, closing a socket. */
#include <sys/socket.h>

#include "uring.h"

void iocp_uring_shutdown(iocp_driver *driver, uint64_t token, uint32_t handle)
{
    struct io_uring_sqe *entry = iocp_uring_handle_entry(iocp_uring_of(driver), IORING_OP_SHUTDOWN, token, handle);
    entry->len = SHUT_WR;
}

void iocp_uring_cancel(iocp_driver *driver, uint64_t token, uint32_t handle)
{
    (void)handle; /* the ring finds an operation by its token */
    struct io_uring_sqe *entry = iocp_uring_entry(iocp_uring_of(driver));
    entry->opcode = IORING_OP_ASYNC_CANCEL;
    entry->fd = -1;
    entry->addr = token;
    /* Found, gone or already running: the target's own completion tells the rest. */
    entry->user_data = iocp_uring_own_token(IOCP_URING_OWN_IGNORED);
}

void iocp_uring_close_handle(iocp_driver *driver, uint64_t token, uint32_t handle, bool abort)
{
    static const struct sockaddr unconnected = {.sa_family = AF_UNSPEC};
    iocp_uring *uring = iocp_uring_of(driver);
    if (!uring->direct) {
        iocp_uring_sockets_end(uring, token, handle, abort);
        return;
    }
    if (abort) {
        /* connect(2): an AF_UNSPEC address dissolves the association, which on TCP sends RST. The two must reach
         * the kernel in one submission, or the link between them would be lost. */
        if (io_uring_sq_space_left(&uring->ring) < 2)
            (void)iocp_uring_submit(uring);
        struct io_uring_sqe *entry =
            iocp_uring_handle_entry(uring, IORING_OP_CONNECT, iocp_uring_own_token(IOCP_URING_OWN_IGNORED), handle);
        entry->addr = (uint64_t)(uintptr_t)&unconnected;
        entry->off = sizeof unconnected;
        entry->flags |= IOSQE_IO_HARDLINK;
    }
    struct io_uring_sqe *entry = iocp_uring_entry(uring);
    entry->opcode = IORING_OP_CLOSE;
    entry->file_index = handle + 1;
    entry->user_data = iocp_token_with(token, IOCP_OPERATION_CLOSE);
}
