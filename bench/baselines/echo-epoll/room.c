/* Fan-out on epoll: what one wait brought is collected, and each subscriber gets it with one gathering send. */
#define _GNU_SOURCE
#include "server.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "baseline.h"
#include "fan_out.h"

/* Where a turn is received: when less than RECEIVE_BYTES are left, the turn is sent first. */
enum { TURN_BYTES = 1024 * 1024, RECEIVE_BYTES = 64 * 1024 };

typedef struct subscriber {
    fan_out_reader reader;
    fan_out_queue queue;
    uint32_t place; /* in `members` */
    bool gone;      /* failed while the turn was sent; closed when its own event comes */
} subscriber;

typedef struct room {
    server *server;
    subscriber *subscribers; /* by descriptor */
    int *members;            /* descriptors, without gaps */
    uint32_t count;
    size_t used_bytes;
    fan_out_turn turn;
    char bytes[TURN_BYTES];
} room;

/* Returns how many bytes the socket took (0 when it is full), or -1 when the peer is gone. */
static ssize_t send_ranges(int fd, struct iovec *ranges, uint32_t count)
{
    struct msghdr message = {.msg_iov = ranges, .msg_iovlen = count};
    for (;;) {
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent >= 0)
            return sent;
        if (errno == EINTR)
            continue;
        return errno == EAGAIN ? 0 : -1;
    }
}

/* The peer is gone or there is no memory for the rest of a frame: the event that follows closes it. */
static void give_up(subscriber *self, int fd)
{
    self->gone = true;
    shutdown(fd, SHUT_RDWR);
}

static size_t total_bytes(const struct iovec *ranges, uint32_t count)
{
    size_t total = 0;
    for (uint32_t index = 0; index < count; index++)
        total += ranges[index].iov_len;
    return total;
}

static void send_to(room *self, int fd, struct iovec *ranges, uint32_t count, size_t bytes)
{
    subscriber *to = &self->subscribers[fd];
    if (to->gone || count == 0)
        return;
    bool was_blocked = to->queue.count > 0;
    ssize_t sent = was_blocked ? 0 : send_ranges(fd, ranges, count);
    if (sent == (ssize_t)bytes)
        return;
    if (sent < 0 || !fan_out_owe(&self->turn, &to->queue, (uint32_t)fd, (size_t)sent)) {
        give_up(to, fd);
        return;
    }
    if (!was_blocked && to->queue.count > 0)
        server_wait_for(self->server, fd, EPOLLIN | EPOLLOUT);
}

static void send_turn(room *self)
{
    fan_out_turn *turn = &self->turn;
    if (turn->count > 0) {
        static struct iovec others[FAN_OUT_RUNS_MAX];
        const size_t bytes = total_bytes(turn->runs, turn->count);
        for (uint32_t index = 0; index < self->count; index++) {
            int fd = self->members[index];
            if (fan_out_is_sender(turn, &self->subscribers[fd].reader)) {
                uint32_t count = fan_out_ranges(turn, (uint32_t)fd, others);
                send_to(self, fd, others, count, total_bytes(others, count));
            } else {
                send_to(self, fd, turn->runs, turn->count, bytes);
            }
        }
    }
    fan_out_turn_begin(turn);
    self->used_bytes = 0;
}

static void leave(room *self, int fd)
{
    subscriber *from = &self->subscribers[fd];
    int last = self->members[--self->count];
    self->members[from->place] = last;
    self->subscribers[last].place = from->place;
    fan_out_forget(&from->reader, &from->queue);
    server_close(self->server, fd);
}

static void send_owed(room *self, int fd)
{
    subscriber *to = &self->subscribers[fd];
    struct iovec ranges[FAN_OUT_QUEUE_FRAMES];
    ssize_t sent = send_ranges(fd, ranges, fan_out_owed_ranges(&to->queue, ranges));
    if (sent < 0) {
        give_up(to, fd);
        return;
    }
    fan_out_sent(&to->queue, self->turn.frame_bytes, (size_t)sent);
    if (to->queue.count == 0)
        server_wait_for(self->server, fd, EPOLLIN);
}

/* Returns false when the connection has ended. */
static bool receive(room *self, int fd)
{
    if (fan_out_is_full(&self->turn) || TURN_BYTES - self->used_bytes < RECEIVE_BYTES)
        send_turn(self);
    char *bytes = self->bytes + self->used_bytes;
    ssize_t count = recv(fd, bytes, RECEIVE_BYTES, 0);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    if (count == 0)
        return false;
    self->used_bytes += (size_t)count;
    return fan_out_receive(&self->turn, &self->subscribers[fd].reader, (uint32_t)fd, bytes, (size_t)count);
}

static void joined(server *server, int fd)
{
    room *self = server->room;
    self->subscribers[fd] = (subscriber){.place = self->count};
    self->members[self->count++] = fd;
}

static void ready(server *server, int fd, uint32_t events)
{
    room *self = server->room;
    if (events & EPOLLOUT && self->subscribers[fd].queue.count > 0)
        send_owed(self, fd);
    if (events & ~(uint32_t)EPOLLOUT && !receive(self, fd)) {
        /* What it sent in this turn is still to go out, under a descriptor that is about to be free. */
        send_turn(self);
        leave(self, fd);
    }
}

static void turn_ended(server *server)
{
    send_turn(server->room);
}

void server_open_room(server *server, size_t frame_bytes)
{
    /* Queued frames come and go: the allocator is to keep their memory rather than map it anew. */
    mallopt(M_MMAP_THRESHOLD, 64 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
    room *self = calloc(1, sizeof *self);
    if (self == NULL || (self->members = calloc(server->descriptors, sizeof *self->members)) == NULL ||
        (self->subscribers = calloc(server->descriptors, sizeof *self->subscribers)) == NULL)
        baseline_fail("subscriber table", ENOMEM);
    self->server = server;
    self->turn.frame_bytes = frame_bytes;
    fan_out_turn_begin(&self->turn);
    server->room = self;
    server->joined = joined;
    server->ready = ready;
    server->turn_ended = turn_ended;
}
