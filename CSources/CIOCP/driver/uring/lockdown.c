/* Restrictions, io_uring_register(2): a process whose handlers were taken over cannot use the ring to open files or run
 * what the driver never asks for. They must be registered while the ring is disabled: registered after enabling, they
 * would leave it open without a word. So the refusal is tried before the ring is used. */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uring.h"

static int register_call(const struct io_uring *ring, unsigned operation, const void *argument, unsigned count)
{
    return syscall(__NR_io_uring_register, ring->ring_fd, operation, argument, count) < 0 ? -errno : 0;
}

static struct io_uring_restriction allow(uint8_t operation)
{
    return (struct io_uring_restriction){.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = operation};
}

static int restrict_ring(const struct io_uring *ring)
{
    /* An operation that the kernel does not know may not be named. */
    const uint8_t install = iocp_capabilities_get()->fd_install ? IOCP_URING_OP_FIXED_FD_INSTALL : IORING_OP_NOP;
    const struct io_uring_restriction restrictions[] = {
        allow(IORING_OP_ACCEPT),       allow(IORING_OP_CONNECT),  allow(IORING_OP_RECV),
        allow(IORING_OP_SEND),         allow(IORING_OP_SENDMSG),  allow(IORING_OP_SHUTDOWN),
        allow(IORING_OP_ASYNC_CANCEL), allow(IORING_OP_CLOSE),    allow(IORING_OP_READ),
        allow(IORING_OP_FILES_UPDATE), allow(IORING_OP_URING_CMD), allow(IORING_OP_NOP),
        allow(IORING_OP_POLL_ADD),     allow(install),
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
         .sqe_flags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT | IOSQE_IO_HARDLINK | IOSQE_CQE_SKIP_SUCCESS},
    };
    return register_call(ring, IORING_REGISTER_RESTRICTIONS, restrictions, sizeof restrictions / sizeof *restrictions);
}

/* 0 when opening a file through the ring is refused. */
static int forbidden_is_refused(iocp_uring *uring)
{
    struct io_uring_sqe *entry = iocp_uring_entry(uring);
    io_uring_prep_openat(entry, -1, "/", 0, 0);
    const int result = iocp_uring_command_run(uring, entry);
    if (result >= 0)
        close(result);
    return result == -EACCES ? 0 : -EPERM;
}

int iocp_uring_lock_down(iocp_uring *uring, iocp_failure *failure)
{
    const char *detail = "registering restrictions";
    int result = restrict_ring(&uring->ring);
    if (result == 0) {
        detail = "enabling the ring";
        result = register_call(&uring->ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    }
    if (result == 0) {
        detail = "a forbidden operation was allowed";
        result = forbidden_is_refused(uring);
    }
    if (result < 0)
        *failure = (iocp_failure){.code = result, .stage = IOCP_STAGE_RING_LOCKDOWN, .detail = detail};
    return result;
}
