/* What completes: the input decides which operation, and how. */
#include <errno.h>
#include <poll.h>

#include "../../../CSources/CIOCP/base/token.h"
#include "played_ring.h"

static bool queue_full(const played_ring *ring)
{
    return ring->entries_cq[1] - ring->entries_cq[0] == RING_CQ_ENTRIES;
}

/* Nor is there room behind the queue. */
static bool all_full(const played_ring *ring)
{
    return ring->overflow_tail - ring->overflow_head == RING_OVERFLOW_MAX;
}

static void complete(played_ring *ring, uint64_t user_data, int32_t result, uint32_t flags)
{
    const struct io_uring_cqe entry = {.user_data = user_data, .res = result, .flags = flags};
    if (queue_full(ring) || ring->withheld_turns > 0 || ring->overflow_head != ring->overflow_tail) {
        ring->overflow[ring->overflow_tail++ % RING_OVERFLOW_MAX] = entry;
        ring->entries_sq[2] |= IORING_SQ_CQ_OVERFLOW;
    } else {
        ring->cqes[ring->entries_cq[1]++ & (RING_CQ_ENTRIES - 1)] = entry;
    }
}

void ring_flush_overflow(played_ring *ring)
{
    ring->withheld_turns -= ring->withheld_turns > 0;
    if (ring->clear)
        ring->withheld_turns = 0;
    while (ring->withheld_turns == 0 && ring->overflow_head != ring->overflow_tail && !queue_full(ring))
        ring->cqes[ring->entries_cq[1]++ & (RING_CQ_ENTRIES - 1)] =
            ring->overflow[ring->overflow_head++ % RING_OVERFLOW_MAX];
    if (ring->overflow_head == ring->overflow_tail)
        ring->entries_sq[2] &= ~IORING_SQ_CQ_OVERFLOW;
}

/* --- commands ----------------------------------------------------------------------------------------------- */

void ring_take_command(played_ring *ring, int fd, uint32_t place)
{
    for (uint32_t i = 0; i < IOCP_URING_COMMANDS_MAX; i++) {
        iocp_uring_command *command = &ring->uring.commands[i];
        if (command->state != IOCP_URING_COMMAND_FREE)
            continue;
        *command = (iocp_uring_command){.state = IOCP_URING_COMMAND_TAKEN, .fd = fd, .place = (int32_t)place};
        ring->commands_due[i] = true;
        ring->uring.handles_held += fd >= 0;
        return;
    }
    FUZZ_REQUIRE(fd < 0, "no command is free for a socket that was placed");
}

static void answer_command(played_ring *ring, uint32_t index)
{
    ring->commands_due[index] = false;
    complete(ring, iocp_token_make(IOCP_OPERATION_DRIVER, IOCP_URING_OWN_COMMAND, index),
             ring->uring.commands[index].fd >= 0 ? 1 : -ENOTCONN, 0);
}

static void end(played_ring *ring, ring_operation *operation, int32_t result)
{
    operation->submitted = false;
    complete(ring, operation->token, result, 0);
}

/* One that the worker treats by name, or any. */
static int32_t any_error(fuzz_input *input)
{
    static const uint8_t named[] = {ECANCELED, EAGAIN, EINTR, ENOBUFS, ENOMEM, ECONNRESET, EPIPE, ETIMEDOUT};
    const uint8_t choice = fuzz_byte(input);
    return -(choice < 128 ? named[choice % sizeof named] : 1 + choice - 128);
}

void ring_open_socket(played_ring *ring, uint32_t handle, bool connected)
{
    ring->sockets[handle] = (ring_socket){.open = true, .connected = connected, .stream = ++ring->stream_count};
}

uint32_t ring_free_handle(const played_ring *ring)
{
    uint32_t handle = 0;
    while (handle < ring->uring.config.handle_count && ring->sockets[handle].open)
        handle++;
    return handle;
}

static void complete_accept(played_ring *ring)
{
    const uint32_t handle = ring_free_handle(ring);
    const uint8_t choice = fuzz_byte(ring->input);
    if (ring->clear ? ring->accept.cancelled : ring->accept.cancelled && choice < 128) {
        end(ring, &ring->accept, -ECANCELED);
    } else if (ring->clear) {
        return;
    } else if (handle == ring->uring.config.handle_count || choice > 240) {
        end(ring, &ring->accept, handle == ring->uring.config.handle_count ? -ENFILE : any_error(ring->input));
    } else {
        ring_open_socket(ring, handle, true);
        const bool more = ring->accepts_many && choice % 4 > 0;
        ring->accept.submitted = more;
        complete(ring, ring->accept.token, (int32_t)handle, more ? IORING_CQE_F_MORE : 0);
    }
}

static struct io_uring_buf *first_buffer(played_ring *ring, uint16_t group)
{
    const iocp_uring_buffer_ring *buffers = &ring->uring.buffer_rings[group];
    if (ring->buffer_head[group] == buffers->ring->tail)
        return NULL;
    return &buffers->ring->bufs[ring->buffer_head[group] & (buffers->entry_count - 1)];
}

/* The first buffer of the group is filled on, or spent whole. */
static uint32_t spend(played_ring *ring, uint16_t group, uint32_t count_bytes, bool whole)
{
    const struct io_uring_buf *buffer = first_buffer(ring, group);
    const uint32_t flags = IORING_CQE_F_BUFFER | (uint32_t)buffer->bid << IORING_CQE_BUFFER_SHIFT;
    ring->filled_bytes[group] += count_bytes;
    if (!whole && ring->uring.incremental && ring->filled_bytes[group] < buffer->len)
        return flags | IOCP_URING_CQE_F_BUF_MORE;
    ring->filled_bytes[group] = 0;
    ring->buffer_head[group]++;
    return flags;
}

static void deliver(played_ring *ring, ring_socket *socket)
{
    const struct io_uring_buf *buffer = first_buffer(ring, socket->group);
    const uint32_t room = buffer->len - ring->filled_bytes[socket->group];
    const uint8_t how = fuzz_byte(ring->input);
    uint32_t count = 1 + fuzz_below(ring->input, how & 1 ? room : 64);
    count = how & 2 ? room : count < room ? count : room;
    uint8_t *start = (uint8_t *)(uintptr_t)buffer->addr + ring->filled_bytes[socket->group];
    for (uint32_t i = 0; i < count; i++)
        start[i] = ring_stream_byte(socket->stream, socket->delivered_bytes++);
    const uint32_t flags = spend(ring, socket->group, count, (how & 12) == 12);
    socket->receive.submitted = how >= 32;
    complete(ring, socket->receive.token, (int32_t)count, flags | (how >= 32 ? IORING_CQE_F_MORE : 0));
}

static void complete_receive(played_ring *ring, ring_socket *socket)
{
    const uint8_t choice = ring->clear ? 0 : fuzz_byte(ring->input);
    const bool has_buffer = first_buffer(ring, socket->group) != NULL;
    if (socket->receive.cancelled && (ring->clear || choice % 2 == 0)) {
        end(ring, &socket->receive, -ECANCELED);
    } else if (ring->clear || choice < 16) {
        const bool gives_back = choice % 4 == 3 && has_buffer; /* a buffer was picked, and nothing came */
        socket->finished = true;
        socket->receive.submitted = false;
        complete(ring, socket->receive.token, 0, gives_back ? spend(ring, socket->group, 0, true) : 0);
    } else if (choice < 32) {
        const int32_t error = any_error(ring->input);
        if (error != -ECANCELED && error != -EAGAIN && error != -EINTR && error != -ENOBUFS)
            ring->observer.broke(ring->observer.context, socket->connection);
        end(ring, &socket->receive, error);
    } else if (has_buffer) {
        deliver(ring, socket);
    } else {
        end(ring, &socket->receive, -ENOBUFS);
    }
}

static void take_bytes(played_ring *ring, const ring_socket *socket, uint64_t count_bytes)
{
    for (uint32_t i = 0; count_bytes > 0; i++) {
        const uint64_t step = socket->ranges[i].iov_len < count_bytes ? socket->ranges[i].iov_len : count_bytes;
        ring->observer.taken(ring->observer.context, socket->connection, socket->ranges[i].iov_base, (uint32_t)step);
        count_bytes -= step;
    }
}

static int32_t failed_send(played_ring *ring, const ring_socket *socket)
{
    const int32_t error = any_error(ring->input);
    if (error != -ECANCELED && error != -EAGAIN && error != -EINTR && error != -ENOBUFS && error != -ENOMEM)
        ring->observer.broke(ring->observer.context, socket->connection);
    return error;
}

static int32_t taken_send(played_ring *ring, const ring_socket *socket, bool whole)
{
    uint64_t count = socket->send_bytes;
    if (!whole)
        count = 1 + fuzz_below(ring->input, (uint32_t)count);
    take_bytes(ring, socket, count);
    return (int32_t)count;
}

static void complete_send(played_ring *ring, ring_socket *socket)
{
    const uint8_t choice = ring->clear ? 0 : fuzz_byte(ring->input);
    if (socket->send.cancelled && choice % 2 == 0)
        end(ring, &socket->send, -ECANCELED);
    else if (choice >= 224)
        end(ring, &socket->send, failed_send(ring, socket));
    else
        end(ring, &socket->send, taken_send(ring, socket, choice < 128));
}

void ring_complete_silent_send(played_ring *ring, ring_socket *socket)
{
    const uint8_t choice = ring->clear || all_full(ring) ? 0 : fuzz_byte(ring->input);
    const int32_t result = choice >= 224 ? failed_send(ring, socket) : taken_send(ring, socket, choice < 128);
    socket->send.submitted = false;
    if (result != (int32_t)socket->send_bytes)
        complete(ring, socket->send.token, result, 0);
}

static void complete_connect(played_ring *ring, ring_socket *socket)
{
    const uint8_t choice = fuzz_byte(ring->input);
    int32_t result = choice < 128 && !ring->clear ? 0 : -ECONNREFUSED;
    if (socket->connect.cancelled && choice % 2 == 0)
        result = -ECANCELED;
    socket->connected = result == 0;
    end(ring, &socket->connect, result);
}

static void complete_shutdown(played_ring *ring, ring_socket *socket)
{
    const int32_t result = ring->clear || fuzz_byte(ring->input) < 224 ? 0 : -ENOTCONN;
    socket->shut = result == 0;
    if (result < 0)
        ring->observer.broke(ring->observer.context, socket->connection);
    end(ring, &socket->shutdown, result);
}

static void complete_close(played_ring *ring, ring_socket *socket)
{
    if (socket->connection != 0) {
        ring->ended[ring->ended_count++ % RING_ENDED_MAX] = socket->connection;
        ring->observer.ended(ring->observer.context, socket->connection, socket->reset_due);
    }
    end(ring, &socket->close, ring->clear || fuzz_byte(ring->input) < 240 ? 0 : -EINTR);
    socket->open = false;
}

/* What nobody waits for: a cancel's own end, the wake-up, a late end of a life that is over, names that are no
 * operation's. */
static void complete_noise(played_ring *ring)
{
    static const iocp_operation kinds[] = {IOCP_OPERATION_RECEIVE, IOCP_OPERATION_SEND, IOCP_OPERATION_SHUTDOWN,
                                           IOCP_OPERATION_CONNECT};
    static const uint8_t nobody[] = {0, 1, 7, 11, 12, 13, 14, 15};
    fuzz_input *input = ring->input;
    const uint32_t flags = fuzz_byte(input) & ~(uint32_t)IORING_CQE_F_BUFFER;
    switch (fuzz_below(input, 6)) {
    case 4:
        ring->withheld_turns = 1 + fuzz_below(input, 8);
        return;
    case 5: {
        const uint32_t index = fuzz_below(input, IOCP_URING_COMMANDS_MAX);
        if (ring->commands_due[index])
            answer_command(ring, index);
        return;
    }
    case 0:
        complete(ring, iocp_uring_own_token(IOCP_URING_OWN_IGNORED), any_error(input), 0);
        return;
    case 1:
        if (!ring->wake_armed)
            return;
        ring->wake_armed = false;
        complete(ring, iocp_uring_own_token(IOCP_URING_OWN_WAKE), 8, 0);
        return;
    case 2: {
        const uint32_t known = ring->ended_count < RING_ENDED_MAX ? ring->ended_count : RING_ENDED_MAX;
        if (known > 0)
            complete(ring, iocp_token_with(ring->ended[fuzz_below(input, known)], kinds[fuzz_below(input, 4)]),
                     (int32_t)fuzz_word(input, 4), flags);
        return;
    }
    default:
        complete(ring, iocp_token_with(fuzz_word(input, 8), (iocp_operation)nobody[fuzz_below(input, sizeof nobody)]),
                 (int32_t)fuzz_word(input, 4), flags);
        return;
    }
}

/* An error, the peer's FIN, a poll that failed; or nothing yet. */
static void complete_watch(played_ring *ring, ring_socket *socket)
{
    const uint8_t choice = ring->clear || socket->watch.cancelled ? UINT8_MAX : fuzz_byte(ring->input);
    if (socket->watch.cancelled)
        end(ring, &socket->watch, -ECANCELED);
    if (choice < 32)
        ring->observer.broke(ring->observer.context, socket->connection);
    if (choice < 64)
        end(ring, &socket->watch, choice < 32 ? POLLERR | POLLHUP : POLLRDHUP);
    else if (choice < 72)
        end(ring, &socket->watch, any_error(ring->input));
}

static void complete_on(played_ring *ring, ring_socket *socket, uint32_t choice)
{
    if (socket->watch.submitted && !queue_full(ring))
        complete_watch(ring, socket);
    if (queue_full(ring))
        return;
    if (socket->close.submitted)
        complete_close(ring, socket);
    else if (socket->connect.submitted)
        complete_connect(ring, socket);
    else if (socket->receive.submitted && (choice & 1 || !(socket->send.submitted || socket->shutdown.submitted)))
        complete_receive(ring, socket);
    else if (socket->send.submitted)
        complete_send(ring, socket);
    else if (socket->shutdown.submitted)
        complete_shutdown(ring, socket);
}

void ring_complete_everything(played_ring *ring)
{
    if (ring->accept.submitted)
        complete_accept(ring);
    for (uint32_t i = 0; i < IOCP_URING_COMMANDS_MAX && !all_full(ring); i++)
        if (ring->commands_due[i])
            answer_command(ring, i);
    for (uint32_t i = 0; i < 2 * RING_HANDLES_MAX && !all_full(ring); i++)
        complete_on(ring, &ring->sockets[i / 2], i);
}

void ring_complete_some(played_ring *ring)
{
    for (uint32_t left = fuzz_below(ring->input, 16); left > 0 && ring->input->left > 0 && !all_full(ring); left--) {
        const uint8_t choice = fuzz_byte(ring->input);
        ring_socket *socket = &ring->sockets[choice / 2 % RING_HANDLES_MAX];
        if (choice >= 240)
            complete_noise(ring);
        else if (choice >= 216 && ring->accept.submitted)
            complete_accept(ring);
        else
            complete_on(ring, socket, choice);
    }
}
