/* Questions to the kernel that are answered within the submission. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "../../base/check.h"
#include "../../system/socket_address.h"
#include "uring.h"

#ifndef SO_PEERNAME
#define SO_PEERNAME 28
#endif

/* The entry stays queued, and asks for nothing. */
static int give_up(struct io_uring_sqe *entry, int result)
{
    io_uring_prep_nop(entry);
    entry->user_data = iocp_uring_own_token(IOCP_URING_OWN_IGNORED);
    return result;
}

int iocp_uring_command(iocp_uring *uring, struct io_uring_sqe *entry)
{
    struct io_uring *ring = &uring->ring;
    const uint64_t token = iocp_uring_own_token(IOCP_URING_OWN_COMMAND);
    entry->user_data = token;
    if (io_uring_cq_ready(ring) + io_uring_sq_ready(ring) >= *ring->cq.kring_entries)
        return give_up(entry, -EBUSY);
    const uint32_t seen = io_uring_smp_load_acquire(ring->cq.ktail);
    (void)iocp_uring_submit(uring);
    /* The command is the last entry, so whatever the kernel left, this is among it. */
    if (io_uring_sq_ready(ring) > 0)
        return give_up(entry, -EAGAIN);

    const uint32_t mask = *ring->cq.kring_mask;
    for (uint32_t at = seen; at != io_uring_smp_load_acquire(ring->cq.ktail); at++) {
        struct io_uring_cqe *answer = &ring->cq.cqes[at & mask];
        if (answer->user_data != token)
            continue;
        answer->user_data = iocp_uring_own_token(IOCP_URING_OWN_IGNORED);
        return answer->res;
    }
    IOCP_CHECK(false, "a ring command was not answered within its submission");
    return -EIO;
}

int iocp_uring_place(iocp_uring *uring, int fd)
{
    int32_t place = fd; /* replaced by the index that was chosen */
    struct io_uring_sqe *entry = iocp_uring_entry(uring);
    io_uring_prep_files_update(entry, &place, 1, (int)IORING_FILE_INDEX_ALLOC);
    const int result = iocp_uring_command(uring, entry);
    close(fd);
    if (result < 0)
        return result;
    return result == 1 ? place : -ENFILE;
}

/* The first length_bytes of a socket's peer address, as a ring command: a direct descriptor has no fd to ask. The
 * layout is spelled out because liburing 2.3 has no names for it. */
static int peer_name(iocp_uring *uring, uint32_t handle, struct sockaddr_storage *storage, uint32_t length_bytes)
{
    struct io_uring_sqe *entry = iocp_uring_entry(uring);
    entry->opcode = IORING_OP_URING_CMD;
    entry->flags = IOSQE_FIXED_FILE;
    entry->fd = (int32_t)handle;
    entry->cmd_op = IOCP_URING_SOCKET_OP_GETSOCKOPT;
    entry->addr = SOL_SOCKET | (uint64_t)SO_PEERNAME << 32; /* level, optname */
    entry->file_index = length_bytes;                        /* optlen */
    entry->addr3 = (uint64_t)(uintptr_t)storage;             /* optval */
    return iocp_uring_command(uring, entry);
}

int iocp_uring_peer(iocp_driver *driver, uint32_t handle, iocp_address *address)
{
    if (!iocp_capabilities_get()->socket_commands)
        return -EOPNOTSUPP;
    iocp_uring *uring = iocp_uring_of(driver);
    struct sockaddr_storage storage;
    memset(&storage, 0, sizeof storage);
    /* SO_PEERNAME refuses a length beyond the address' own, so the shorter kind tells which kind it is. */
    int result = peer_name(uring, handle, &storage, sizeof(struct sockaddr_in));
    if (result >= 0 && storage.ss_family == AF_INET6)
        result = peer_name(uring, handle, &storage, sizeof(struct sockaddr_in6));
    return result < 0 ? result : iocp_sockaddr_read(&storage, address);
}
