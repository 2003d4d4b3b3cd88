/* Intents. A send, a shutdown or a close is done at once and ends at the next wait; receives, accepts, connects and
 * sends that found no room wait for readiness. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../system/socket_address.h"
#include "../../system/socket_option.h"
#include "epoll.h"

/* --- opening ------------------------------------------------------------------------------------------------ */

void iocp_epoll_listen_for(iocp_epoll *epoll, uint32_t index, bool armed)
{
    iocp_epoll_listener *listener = &epoll->listeners[index];
    /* Level-triggered, and switched off while no accept is wanted: clients wait in the backlog without a spin. */
    struct epoll_event interest = {.events = armed ? EPOLLIN : 0,
                                   .data.u64 = iocp_epoll_about(IOCP_EPOLL_ABOUT_LISTENER, index)};
    listener->armed = armed;
    int result = epoll_ctl(epoll->fd, EPOLL_CTL_MOD, listener->fd, &interest);
    if (result < 0 && errno == ENOENT)
        result = epoll_ctl(epoll->fd, EPOLL_CTL_ADD, listener->fd, &interest);
    if (result < 0 && armed) {
        listener->armed = false;
        iocp_epoll_end(epoll, listener->token, -errno);
    }
}

void iocp_epoll_accept(iocp_driver *driver, uint64_t token, int listener, bool many)
{
    iocp_epoll *epoll = iocp_epoll_of(driver);
    const uint32_t index = iocp_token_slot(token);
    epoll->listeners[index] = (iocp_epoll_listener){.fd = listener, .many = many, .token = token};
    iocp_epoll_listen_for(epoll, index, true);
}

int iocp_epoll_connect(iocp_driver *driver, uint64_t token, const iocp_endpoint *endpoint, const iocp_endpoint *source,
                       uint32_t *handle)
{
    iocp_epoll *epoll = iocp_epoll_of(driver);
    const int fd = iocp_socket_open(endpoint, source);
    if (fd < 0)
        return fd;
    struct sockaddr_storage to;
    const socklen_t to_length = iocp_sockaddr_write(endpoint, &to);
    /* Before it is registered: an unconnected socket reports a hang-up. */
    const int result = connect(fd, (struct sockaddr *)&to, to_length) < 0 ? -errno : 0;
    const int adopted = iocp_epoll_adopt(epoll, fd);
    if (adopted < 0)
        return adopted;
    *handle = (uint32_t)adopted;
    iocp_epoll_socket *socket = &epoll->sockets[*handle];
    socket->send_token = token;
    if (result == -EINPROGRESS)
        socket->flags |= IOCP_EPOLL_CONNECTING;
    else
        iocp_epoll_end(epoll, token, result);
    return 0;
}

int iocp_epoll_adopt_connected(iocp_driver *driver, uint64_t token, int fd, uint32_t *handle)
{
    iocp_epoll *epoll = iocp_epoll_of(driver);
    const int copy = iocp_socket_copy_connected(fd);
    if (copy < 0)
        return copy;
    const int adopted = iocp_epoll_adopt(epoll, copy);
    if (adopted < 0)
        return adopted;
    *handle = (uint32_t)adopted;
    epoll->sockets[*handle].flags |= IOCP_EPOLL_SHARED;
    iocp_epoll_end(epoll, token, 0);
    return 0;
}

/* --- bytes -------------------------------------------------------------------------------------------------- */

void iocp_epoll_receive(iocp_driver *driver, uint64_t token, uint32_t handle, iocp_buffer_class class)
{
    (void)class; /* buffers are consumed piece by piece here: there is one class */
    iocp_epoll *epoll = iocp_epoll_of(driver);
    iocp_epoll_socket *socket = &epoll->sockets[handle];
    socket->receive_token = token;
    socket->flags |= IOCP_EPOLL_RECEIVING;
    if (socket->flags & (IOCP_EPOLL_READABLE | IOCP_EPOLL_FINISHING))
        iocp_epoll_list_readable(epoll, handle);
}

void iocp_epoll_tell_failure(iocp_epoll *epoll, iocp_epoll_socket *socket)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 || error == 0)
        error = ECONNRESET;
    socket->flags &= (uint16_t)~IOCP_EPOLL_WATCHING;
    iocp_epoll_end(epoll, socket->watch_token, -error);
}

void iocp_epoll_watch(iocp_driver *driver, uint64_t token, uint32_t handle)
{
    iocp_epoll *epoll = iocp_epoll_of(driver);
    iocp_epoll_socket *socket = &epoll->sockets[handle];
    socket->watch_token = token;
    socket->flags |= IOCP_EPOLL_WATCHING;
    if (socket->flags & IOCP_EPOLL_BROKEN)
        iocp_epoll_tell_failure(epoll, socket);
}

void iocp_epoll_send(iocp_driver *driver, uint64_t token, uint32_t handle, const iocp_range *ranges, uint32_t count,
                     iocp_send_mode mode)
{
    iocp_epoll *epoll = iocp_epoll_of(driver);
    iocp_epoll_socket *socket = &epoll->sockets[handle];
    ssize_t sent;
    do {
        if (count == 1) {
            sent = send(socket->fd, ranges[0].start, ranges[0].count_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        } else {
            const struct msghdr message = {.msg_iov = (struct iovec *)ranges, .msg_iovlen = count};
            sent = sendmsg(socket->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        iocp_epoll_end(epoll, token, (int32_t)sent);
        epoll->silent_count += mode == IOCP_SEND_SILENT && (size_t)sent == iocp_ranges_bytes(ranges, count);
    } else if (errno != EAGAIN || mode != IOCP_SEND_WAIT) {
        iocp_epoll_end(epoll, token, -errno);
    } else {
        /* The first range is enough to wait with: what it leaves is offered again, with the rest, as a short send. */
        socket->send_token = token;
        socket->rest = ranges[0];
        socket->flags |= IOCP_EPOLL_SENDING;
    }
}

void iocp_epoll_send_rest(iocp_epoll *epoll, iocp_epoll_socket *socket)
{
    ssize_t sent;
    do /* the edge is spent: no other would bring an interrupted send back */
        sent = send(socket->fd, socket->rest.start, socket->rest.count_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno == EAGAIN)
        return;
    socket->flags &= (uint16_t)~IOCP_EPOLL_SENDING;
    iocp_epoll_end(epoll, socket->send_token, sent < 0 ? -errno : (int32_t)sent);
}

void iocp_epoll_provide(iocp_driver *driver, uint16_t buffer)
{
    iocp_epoll_list *buffers = &iocp_epoll_of(driver)->buffers;
    buffers->entries[buffers->tail++ & buffers->mask] = buffer;
}

/* --- ending ------------------------------------------------------------------------------------------------- */

void iocp_epoll_shutdown(iocp_driver *driver, uint64_t token, uint32_t handle)
{
    iocp_epoll *epoll = iocp_epoll_of(driver);
    iocp_epoll_end(epoll, token, shutdown(epoll->sockets[handle].fd, SHUT_WR) < 0 ? -errno : 0);
}

static void cancel_accept(iocp_epoll *epoll, uint64_t token)
{
    const uint32_t index = iocp_token_slot(token);
    if (!epoll->listeners[index].armed)
        return; /* ended already: its event is on its way */
    iocp_epoll_listen_for(epoll, index, false);
    iocp_epoll_end(epoll, token, -ECANCELED);
}

void iocp_epoll_cancel(iocp_driver *driver, uint64_t token, uint32_t handle)
{
    iocp_epoll *epoll = iocp_epoll_of(driver);
    const iocp_operation operation = iocp_token_operation(token);
    if (operation == IOCP_OPERATION_ACCEPT) {
        cancel_accept(epoll, token);
        return;
    }
    iocp_epoll_socket *socket = &epoll->sockets[handle];
    uint16_t flag = 0;
    if (operation == IOCP_OPERATION_RECEIVE && socket->receive_token == token)
        flag = IOCP_EPOLL_RECEIVING;
    else if (operation == IOCP_OPERATION_SEND && socket->send_token == token)
        flag = IOCP_EPOLL_SENDING;
    else if (operation == IOCP_OPERATION_WATCH && socket->watch_token == token)
        flag = IOCP_EPOLL_WATCHING;
    else if (operation == IOCP_OPERATION_CONNECT && socket->send_token == token)
        flag = IOCP_EPOLL_CONNECTING;
    if (!(socket->flags & flag))
        return;
    socket->flags &= (uint16_t)~flag;
    iocp_epoll_end(epoll, token, -ECANCELED);
}

void iocp_epoll_close_handle(iocp_driver *driver, uint64_t token, uint32_t handle, bool abort)
{
    iocp_epoll *epoll = iocp_epoll_of(driver);
    if (abort) {
        /* socket(7), SO_LINGER: with a time of zero, close sends RST. */
        const struct linger option = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(epoll->sockets[handle].fd, SOL_SOCKET, SO_LINGER, &option, sizeof option);
    }
    iocp_epoll_forget(epoll, handle);
    iocp_epoll_end(epoll, token, 0);
}

int iocp_epoll_peer(iocp_driver *driver, uint32_t handle, iocp_address *address)
{
    return iocp_socket_peer_name(iocp_epoll_of(driver)->sockets[handle].fd, address);
}

int iocp_epoll_get_option(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, void *value,
                          uint32_t *count_bytes)
{
    return iocp_socket_get_option(iocp_epoll_of(driver)->sockets[handle].fd, option, value, count_bytes);
}

int iocp_epoll_set_option(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, const void *value,
                          uint32_t count_bytes)
{
    return iocp_socket_set_option(iocp_epoll_of(driver)->sockets[handle].fd, option, value, count_bytes);
}

int iocp_epoll_local(iocp_driver *driver, uint32_t handle, iocp_address *address)
{
    return iocp_socket_name(iocp_epoll_of(driver)->sockets[handle].fd, address);
}

int iocp_epoll_unacknowledged(iocp_driver *driver, uint32_t handle)
{
    return iocp_socket_unacknowledged(iocp_epoll_of(driver)->sockets[handle].fd);
}
