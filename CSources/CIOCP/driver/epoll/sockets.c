/* The table of sockets, and the events that are due. */
#include <errno.h>
#include <unistd.h>

#include "../../base/check.h"
#include "epoll.h"

int iocp_epoll_adopt(iocp_epoll *epoll, int fd)
{
    const int result = iocp_epoll_add(epoll, fd);
    if (result < 0)
        close(fd);
    return result;
}

int iocp_epoll_add(iocp_epoll *epoll, int fd)
{
    uint32_t handle = epoll->free_head;
    if (handle != UINT32_MAX)
        epoll->free_head = epoll->sockets[handle].next;
    else if (epoll->untouched < epoll->config.handle_count)
        handle = epoll->untouched++;
    else
        return -ENFILE;
    iocp_epoll_socket *socket = &epoll->sockets[handle];
    /* A former owner may still stand in the list of sockets to read: one place there is enough. */
    *socket = (iocp_epoll_socket){.fd = fd, .flags = socket->flags & IOCP_EPOLL_LISTED};
    epoll->handles_held++;
    struct epoll_event interest = {.events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                   .data.u64 = iocp_epoll_about(IOCP_EPOLL_ABOUT_SOCKET, handle)};
    if (epoll_ctl(epoll->fd, EPOLL_CTL_ADD, fd, &interest) < 0) {
        const int result = -errno;
        iocp_epoll_release(epoll, handle);
        return result;
    }
    return (int)handle;
}

void iocp_epoll_release(iocp_epoll *epoll, uint32_t handle)
{
    iocp_epoll_socket *socket = &epoll->sockets[handle];
    socket->fd = IOCP_EPOLL_NONE;
    socket->flags &= IOCP_EPOLL_LISTED;
    socket->next = epoll->free_head;
    epoll->free_head = handle;
    epoll->handles_held--;
}

void iocp_epoll_forget(iocp_epoll *epoll, uint32_t handle)
{
    iocp_epoll_socket *socket = &epoll->sockets[handle];
    if (socket->flags & IOCP_EPOLL_SHARED)
        (void)epoll_ctl(epoll->fd, EPOLL_CTL_DEL, socket->fd, NULL);
    close(socket->fd); /* also takes it out of the epoll set where nobody has another descriptor of it */
    iocp_epoll_release(epoll, handle);
}

void iocp_epoll_end(iocp_epoll *epoll, uint64_t token, int32_t result)
{
    iocp_epoll_events *pending = &epoll->pending;
    IOCP_CHECK(pending->tail - pending->head <= pending->mask, "more operations ended than a worker can submit");
    pending->entries[pending->tail++ & pending->mask] = (iocp_event){.token = token, .result = result};
}

void iocp_epoll_list_readable(iocp_epoll *epoll, uint32_t handle)
{
    iocp_epoll_socket *socket = &epoll->sockets[handle];
    if (socket->flags & IOCP_EPOLL_LISTED)
        return;
    socket->flags |= IOCP_EPOLL_LISTED;
    epoll->readable.entries[epoll->readable.tail++ & epoll->readable.mask] = handle;
}
