/* Sockets of a ring that are descriptors of the process, on kernels that keep closed direct descriptors.
 *
 * Until Linux 6.12 a file that leaves a ring's table is released in turn: once every request has ended that began before,
 * on whatever file of the table. A connection that is idle has such a request for hours. Meanwhile the peers of all that
 * closed after it got no FIN, and their sockets stayed in memory. So these kernels get ordinary descriptors, which close
 * at once. A handle is a place in this table, which bounds them as the ring's table bounds direct descriptors. */
#include <errno.h>
#include <unistd.h>

#include "uring.h"

int iocp_uring_sockets_open(iocp_uring *uring)
{
    iocp_uring_sockets *sockets = &uring->sockets;
    const uint32_t count = uring->config.handle_count;
    const int result = iocp_arena_open(&sockets->arena, count * sizeof *sockets->entries, 0);
    if (result < 0)
        return result;
    sockets->entries = (iocp_uring_socket *)sockets->arena.start;
    sockets->count = count;
    sockets->free_head = UINT32_MAX;
    return 0;
}

void iocp_uring_sockets_close(iocp_uring *uring)
{
    iocp_uring_sockets *sockets = &uring->sockets;
    for (uint32_t i = 0; i < sockets->untouched; i++)
        if (sockets->entries[i].fd >= 0)
            close(sockets->entries[i].fd);
    iocp_arena_close(&sockets->arena);
    *sockets = (iocp_uring_sockets){0};
}

int iocp_uring_sockets_hold(iocp_uring *uring, int fd)
{
    iocp_uring_sockets *sockets = &uring->sockets;
    uint32_t handle = sockets->free_head;
    if (handle != UINT32_MAX) {
        sockets->free_head = sockets->entries[handle].next;
    } else if (sockets->untouched < sockets->count) {
        handle = sockets->untouched++;
    } else {
        close(fd);
        return -ENFILE;
    }
    sockets->entries[handle] = (iocp_uring_socket){.fd = fd};
    uring->handles_held++;
    return (int)handle;
}

/* Closed at once, and told of with the next wait. */
void iocp_uring_sockets_end(iocp_uring *uring, uint64_t token, uint32_t handle, bool abort)
{
    static const struct sockaddr unconnected = {.sa_family = AF_UNSPEC};
    iocp_uring_sockets *sockets = &uring->sockets;
    iocp_uring_socket *socket = &sockets->entries[handle];
    if (abort) /* as in iocp_uring_close_handle */
        (void)connect(socket->fd, &unconnected, sizeof unconnected);
    close(socket->fd);
    *socket = (iocp_uring_socket){.fd = -1, .next = sockets->free_head};
    sockets->free_head = handle;
    struct io_uring_sqe *entry = iocp_uring_entry(uring);
    io_uring_prep_nop(entry);
    entry->user_data = iocp_token_with(token, IOCP_OPERATION_CLOSE);
}
