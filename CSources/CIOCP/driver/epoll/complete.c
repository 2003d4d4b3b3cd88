/* Waiting for readiness, and the events it turns into. */
#include <errno.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "epoll.h"

/* A buffer with less room than this is given up: what is left would cut messages into crumbs. */
enum { LEAST_ROOM_BYTES = 2048 };

typedef struct output {
    iocp_event *events;
    uint32_t capacity;
    uint32_t count;
} output;

/* --- readiness ---------------------------------------------------------------------------------------------- */

static void socket_ready(iocp_epoll *epoll, uint32_t handle, uint32_t events)
{
    iocp_epoll_socket *socket = &epoll->sockets[handle];
    if (socket->flags & IOCP_EPOLL_CONNECTING) {
        if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
            return;
        int error = 0;
        socklen_t length = sizeof error;
        if (getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
            error = errno;
        socket->flags &= (uint16_t)~IOCP_EPOLL_CONNECTING;
        iocp_epoll_end(epoll, socket->send_token, -error);
    }
    if (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP))
        socket->flags |= IOCP_EPOLL_FINISHING;
    if (events & EPOLLPRI)
        socket->flags |= IOCP_EPOLL_URGENT;
    if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) {
        socket->flags |= IOCP_EPOLL_READABLE;
        if (socket->flags & IOCP_EPOLL_RECEIVING)
            iocp_epoll_list_readable(epoll, handle);
    }
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) && (socket->flags & IOCP_EPOLL_SENDING))
        iocp_epoll_send_rest(epoll, socket);
    if (events & EPOLLERR) {
        socket->flags |= IOCP_EPOLL_BROKEN;
        if (socket->flags & IOCP_EPOLL_WATCHING)
            iocp_epoll_tell_failure(epoll, socket);
    }
}

static void wake_ready(iocp_epoll *epoll)
{
    uint64_t count;
    (void)!read(epoll->config.wake_fd, &count, sizeof count);
}

/* --- accepting ---------------------------------------------------------------------------------------------- */

static void accept_ready(iocp_epoll *epoll, uint32_t index, output *out)
{
    iocp_epoll_listener *listener = &epoll->listeners[index];
    while (listener->armed && out->count < out->capacity) {
        const int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0 && errno == EAGAIN)
            return;
        const int result = fd < 0 ? -errno : iocp_epoll_adopt(epoll, fd);
        const bool goes_on = result >= 0 && listener->many;
        if (!goes_on)
            iocp_epoll_listen_for(epoll, index, false);
        out->events[out->count++] =
            (iocp_event){.token = listener->token, .result = result, .flags = goes_on ? IOCP_EVENT_MORE : 0};
    }
}

/* --- receiving ---------------------------------------------------------------------------------------------- */

/* The end of a receive without bytes. */
static iocp_event ended(iocp_epoll_socket *socket, int32_t result)
{
    socket->flags &= (uint16_t)~IOCP_EPOLL_RECEIVING;
    return (iocp_event){.token = socket->receive_token, .result = result};
}

/* Reads once into the buffer that is being filled. Returns whether it made an event. */
static bool receive_once(iocp_epoll *epoll, uint32_t handle, iocp_event *event)
{
    iocp_epoll_socket *socket = &epoll->sockets[handle];
    iocp_epoll_list *buffers = &epoll->buffers;
    if (buffers->head == buffers->tail) {
        *event = ended(socket, -ENOBUFS);
        return true;
    }
    const uint16_t buffer = (uint16_t)buffers->entries[buffers->head & buffers->mask];
    const uint32_t offset = epoll->filled_bytes;
    const uint32_t size = epoll->config.buffers->classes[IOCP_BUFFER_LARGE].buffer_bytes;
    const ssize_t count =
        recv(socket->fd, iocp_receive_buffers_start(epoll->config.buffers, buffer) + offset, size - offset,
             MSG_DONTWAIT); /* a socket that was adopted may block */
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        if (errno == EAGAIN)
            socket->flags &= (uint16_t)~(IOCP_EPOLL_READABLE | IOCP_EPOLL_URGENT);
        else
            iocp_epoll_list_readable(epoll, handle);
        return false;
    }
    if (count <= 0) {
        /* A send that failed just before took the reset's error away (socket(7), SO_ERROR), and leaves an end. */
        const int32_t end = socket->flags & IOCP_EPOLL_BROKEN ? -ECONNRESET : 0;
        *event = ended(socket, count < 0 ? -errno : end);
        return true;
    }
    *event = (iocp_event){.token = socket->receive_token,
                          .result = (int32_t)count,
                          .offset = offset,
                          .buffer = buffer,
                          .flags = IOCP_EVENT_MORE | IOCP_EVENT_BUFFER};
    epoll->filled_bytes += (uint32_t)count;
    if (size - epoll->filled_bytes < LEAST_ROOM_BYTES) {
        event->flags |= IOCP_EVENT_BUFFER_DONE;
        buffers->head++;
        epoll->filled_bytes = 0;
    }
    /* epoll(7): a short read of a stream means it was read to its end, until the next edge. Not so at an urgent mark: a
     * read never passes it, and no edge tells of what is behind it (tcp(7), SO_OOBINLINE off). */
    if ((size_t)count < size - offset && !(socket->flags & (IOCP_EPOLL_FINISHING | IOCP_EPOLL_URGENT)))
        socket->flags &= (uint16_t)~IOCP_EPOLL_READABLE;
    else
        iocp_epoll_list_readable(epoll, handle);
    return true;
}

/* Receives armed since the last wait come first: those that found no buffer in it would stand behind whoever took them,
 * turn after turn. */
static void put_armed_first(iocp_epoll *epoll)
{
    iocp_epoll_list *list = &epoll->readable;
    if (list->tail == epoll->armed_from)
        return;
    for (uint32_t left = epoll->armed_from - list->head; left > 0; left--)
        list->entries[list->tail++ & list->mask] = list->entries[list->head++ & list->mask];
}

/* One read for each listed socket, so that none holds up the others; one that has more goes to the end of the list. */
static void receive_listed(iocp_epoll *epoll, output *out)
{
    iocp_epoll_list *list = &epoll->readable;
    for (uint32_t left = list->tail - list->head; left > 0 && out->count < out->capacity; left--) {
        const uint32_t handle = list->entries[list->head++ & list->mask];
        iocp_epoll_socket *socket = &epoll->sockets[handle];
        socket->flags &= (uint16_t)~IOCP_EPOLL_LISTED;
        if ((socket->flags & IOCP_EPOLL_RECEIVING) && receive_once(epoll, handle, &out->events[out->count]))
            out->count++;
    }
}

static void hand_over_pending(iocp_epoll *epoll, output *out)
{
    iocp_epoll_events *pending = &epoll->pending;
    while (pending->head != pending->tail && out->count < out->capacity)
        out->events[out->count++] = pending->entries[pending->head++ & pending->mask];
}

/* --- the wait ----------------------------------------------------------------------------------------------- */

/* Rounded up: a deadline may be late, never early. */
static int milliseconds(uint64_t timeout_ns)
{
    if (timeout_ns == UINT64_MAX)
        return -1;
    const uint64_t whole = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    return whole > INT32_MAX ? INT32_MAX : (int)whole;
}

/* A deadline is met to the nanosecond where the kernel can do that, and otherwise to the next millisecond. */
static int wait_for_readiness(iocp_epoll *epoll, uint64_t timeout_ns)
{
    if (timeout_ns == 0 || timeout_ns == UINT64_MAX || !epoll->waits_for_nanoseconds)
        return epoll_wait(epoll->fd, epoll->ready, IOCP_EPOLL_READY_MAX, milliseconds(timeout_ns));
    const struct timespec timeout = {(time_t)(timeout_ns / 1000000000), (long)(timeout_ns % 1000000000)};
    return epoll_pwait2(epoll->fd, epoll->ready, IOCP_EPOLL_READY_MAX, &timeout, NULL);
}

int iocp_epoll_wait(iocp_driver *driver, iocp_event *events, uint32_t capacity, uint64_t timeout_ns)
{
    iocp_epoll *epoll = iocp_epoll_of(driver);
    output out = {.events = events, .capacity = capacity};
    const bool due = epoll->pending.tail - epoll->pending.head > epoll->silent_count ||
                     epoll->readable.head != epoll->readable.tail;
    put_armed_first(epoll);
    epoll->silent_count = 0; /* those that this wait leaves keep the next one from sleeping */
    __atomic_store_n(epoll->config.enters, *epoll->config.enters + 1, __ATOMIC_RELAXED);
    const int count = wait_for_readiness(epoll, due ? 0 : timeout_ns);
    const bool interrupted = count < 0 && errno == EINTR;
    if (count < 0 && !interrupted)
        return -errno;

    /* What ended before comes first, so that a stream's events keep their order. */
    hand_over_pending(epoll, &out);
    for (int i = 0; i < count; i++) {
        const uint32_t index = (uint32_t)epoll->ready[i].data.u64;
        switch (epoll->ready[i].data.u64 >> 32) {
        case IOCP_EPOLL_ABOUT_SOCKET:
            socket_ready(epoll, index, epoll->ready[i].events);
            break;
        case IOCP_EPOLL_ABOUT_LISTENER:
            accept_ready(epoll, index, &out);
            break;
        case IOCP_EPOLL_ABOUT_WAKE:
            wake_ready(epoll);
            break;
        }
    }
    receive_listed(epoll, &out);
    epoll->armed_from = epoll->readable.tail;
    hand_over_pending(epoll, &out);
    return out.count == 0 && interrupted ? -EINTR : (int)out.count;
}
