/* What the driver submits, read as the kernel reads it, and held against the rules of the seam (driver/driver.h). */
#include "../../../CSources/CIOCP/base/token.h"
#include "played_ring.h"

ring_socket *ring_socket_at(played_ring *ring, uint32_t handle)
{
    FUZZ_REQUIRE(handle < ring->uring.config.handle_count && ring->sockets[handle].open,
                 "an operation on a closed socket");
    return &ring->sockets[handle];
}

void ring_name_socket(played_ring *ring, ring_socket *socket, uint64_t token)
{
    const iocp_token name = iocp_token_connection(token, ring->uring.config.worker);
    if (socket->connection == 0) {
        socket->connection = name;
        ring->observer.named(ring->observer.context, name, socket->stream);
    }
    FUZZ_REQUIRE(socket->connection == name, "an operation on another connection's socket");
}

void ring_begin(ring_operation *operation, uint64_t token)
{
    FUZZ_REQUIRE(!operation->submitted, "two of one operation on one socket");
    *operation = (ring_operation){.token = token, .submitted = true};
}

/* The operation an entry is for: a silent send has a name of its own. */
static uint64_t token_of(const played_ring *ring, const struct io_uring_sqe *entry)
{
    if (!(entry->flags & IOSQE_CQE_SKIP_SUCCESS))
        return entry->user_data;
    FUZZ_REQUIRE(entry->user_data == iocp_token_make(IOCP_OPERATION_DRIVER, IOCP_URING_OWN_SILENT,
                                                  iocp_token_generation(entry->user_data)),
                 "a silent send under another name");
    FUZZ_REQUIRE((entry->msg_flags & (MSG_DONTWAIT | MSG_WAITALL)) == (MSG_DONTWAIT | MSG_WAITALL),
                 "a silent send that may wait, or end short without a word");
    return ring->uring.silents.sends[iocp_token_generation(entry->user_data) % IOCP_URING_SILENT_MAX].token;
}

static ring_socket *begin_on(played_ring *ring, const struct io_uring_sqe *entry, iocp_operation kind)
{
    const uint64_t token = token_of(ring, entry);
    FUZZ_REQUIRE(entry->flags & IOSQE_FIXED_FILE, "a direct descriptor is taken for an fd");
    FUZZ_REQUIRE(iocp_token_operation(token) == kind, "an entry under another operation's name");
    ring_socket *socket = ring_socket_at(ring, (uint32_t)entry->fd);
    ring_name_socket(ring, socket, token);
    FUZZ_REQUIRE(!socket->close.submitted, "an operation beside a close");
    return socket;
}

static void take_receive(played_ring *ring, const struct io_uring_sqe *entry)
{
    ring_socket *socket = begin_on(ring, entry, IOCP_OPERATION_RECEIVE);
    FUZZ_REQUIRE(entry->flags & IOSQE_BUFFER_SELECT && entry->ioprio & IORING_RECV_MULTISHOT, "a receive of one shot");
    FUZZ_REQUIRE(!socket->finished && socket->connected, "a receive behind the peer's FIN");
    ring_begin(&socket->receive, entry->user_data);
    socket->group = entry->buf_group;
}

/* The header is read now: the driver may use its memory again after the submission. */
static void take_send(played_ring *ring, const struct io_uring_sqe *entry)
{
    ring_socket *socket = begin_on(ring, entry, IOCP_OPERATION_SEND);
    FUZZ_REQUIRE(!socket->shut && !socket->shutdown.submitted && socket->connected, "a send behind FIN");
    FUZZ_REQUIRE(entry->msg_flags & MSG_NOSIGNAL, "a send may raise SIGPIPE");
    ring_begin(&socket->send, entry->user_data);
    socket->send_waits = !(entry->msg_flags & MSG_DONTWAIT);
    if (entry->opcode == IORING_OP_SEND) {
        socket->range_count = 1;
        socket->ranges[0] = (struct iovec){.iov_base = (void *)(uintptr_t)entry->addr, .iov_len = entry->len};
    } else {
        const struct msghdr *message = (const struct msghdr *)(uintptr_t)entry->addr;
        FUZZ_REQUIRE(message->msg_iovlen <= RING_RANGES_MAX, "too many ranges");
        socket->range_count = (uint32_t)message->msg_iovlen;
        memcpy(socket->ranges, message->msg_iov, message->msg_iovlen * sizeof *message->msg_iov);
    }
    socket->send_bytes = 0;
    for (uint32_t i = 0; i < socket->range_count; i++) {
        FUZZ_REQUIRE(socket->ranges[i].iov_len > 0, "an empty range");
        socket->send_bytes += socket->ranges[i].iov_len;
    }
    FUZZ_REQUIRE(socket->send_bytes > 0 && socket->send_bytes <= IOCP_SEND_BYTES_MAX, "a send of nothing, or too much");
    if (entry->flags & IOSQE_CQE_SKIP_SUCCESS)
        ring_complete_silent_send(ring, socket);
}

static void take_close(played_ring *ring, const struct io_uring_sqe *entry)
{
    ring_socket *socket = ring_socket_at(ring, entry->file_index - 1);
    FUZZ_REQUIRE(iocp_token_operation(entry->user_data) == IOCP_OPERATION_CLOSE, "a close under another name");
    if (iocp_token_with(entry->user_data, IOCP_OPERATION_NONE) != 0)
        ring_name_socket(ring, socket, entry->user_data);
    FUZZ_REQUIRE(!socket->receive.submitted && !socket->send.submitted && !socket->shutdown.submitted &&
                     !socket->connect.submitted && !socket->watch.submitted,
                 "a close beside an outstanding operation sends nothing");
    ring_begin(&socket->close, entry->user_data);
}

/* A cancel's own completion may come before its target's, and says nothing. */
static void take_cancel(played_ring *ring, uint64_t token)
{
    if (ring->accept.submitted && ring->accept.token == token)
        ring->accept.cancelled = true;
    for (uint32_t i = 0; i < RING_HANDLES_MAX; i++) {
        ring_socket *socket = &ring->sockets[i];
        ring_operation *operations[] = {&socket->receive, &socket->send, &socket->connect, &socket->watch};
        for (uint32_t at = 0; at < 4; at++) {
            if (socket->open && operations[at]->submitted && operations[at]->token == token)
                operations[at]->cancelled = true;
        }
    }
}

static void take_entry(played_ring *ring, const struct io_uring_sqe *entry)
{
    switch (entry->opcode) {
    case IORING_OP_ACCEPT:
        FUZZ_REQUIRE(entry->file_index == IORING_FILE_INDEX_ALLOC, "an accept that asks for an fd");
        ring_begin(&ring->accept, entry->user_data);
        ring->accepts_many = entry->ioprio & IORING_ACCEPT_MULTISHOT;
        return;
    case IORING_OP_RECV:
        take_receive(ring, entry);
        return;
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
        take_send(ring, entry);
        return;
    case IORING_OP_POLL_ADD: {
        ring_socket *socket = begin_on(ring, entry, IOCP_OPERATION_WATCH);
        FUZZ_REQUIRE(entry->poll32_events == 0 && entry->len == 0, "a watch for more than errors, or of many shots");
        ring_begin(&socket->watch, entry->user_data);
        return;
    }
    case IORING_OP_SHUTDOWN: {
        ring_socket *socket = begin_on(ring, entry, IOCP_OPERATION_SHUTDOWN);
        FUZZ_REQUIRE(!socket->send.submitted && !socket->shut, "FIN beside a send, or twice");
        ring_begin(&socket->shutdown, entry->user_data);
        return;
    }
    case IORING_OP_CONNECT: /* to nowhere: an abort, one step before its close */
        FUZZ_REQUIRE(entry->flags & IOSQE_IO_HARDLINK && entry->flags & IOSQE_FIXED_FILE,
                     "an abort that is not linked");
        ring_socket_at(ring, (uint32_t)entry->fd)->reset_due = true;
        return;
    case IORING_OP_CLOSE:
        take_close(ring, entry);
        return;
    case IORING_OP_ASYNC_CANCEL:
        take_cancel(ring, entry->addr);
        return;
    case IORING_OP_READ:
        FUZZ_REQUIRE(!ring->wake_armed, "the wake-up is armed twice");
        ring->wake_armed = true;
        return;
    default:
        FUZZ_REQUIRE(false, "an operation that this driver has no use for");
    }
}

void ring_take_submissions(played_ring *ring)
{
    struct io_uring_sq *queue = &ring->uring.ring.sq;
    for (uint32_t at = *queue->khead; at != queue->sqe_tail; at++)
        take_entry(ring, &queue->sqes[at & (RING_SQ_ENTRIES - 1)]);
    *queue->ktail = *queue->khead = queue->sqe_head = queue->sqe_tail;
    ring->uring.inline_count = 0;
    ring->uring.gather_count = 0;
    ring->uring.gather_range_count = 0;
}
