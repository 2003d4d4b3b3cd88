/* Intents become submission entries. Nothing here enters the kernel unless the submission queue is full. */
#include <errno.h>
#include <string.h>

#include "../../system/socket_address.h"
#include "uring.h"

/* --- opening ------------------------------------------------------------------------------------------------ */

void iocp_uring_accept(iocp_driver *driver, uint64_t token, int listener, bool many)
{
    iocp_uring *uring = iocp_uring_of(driver);
    struct io_uring_sqe *entry = iocp_uring_entry(uring);
    /* A direct descriptor is never inherited, and the flag is EINVAL with it. */
    const int flags = uring->direct ? 0 : SOCK_CLOEXEC;
    if (many)
        io_uring_prep_multishot_accept(entry, listener, NULL, NULL, flags);
    else
        io_uring_prep_accept(entry, listener, NULL, NULL, flags);
    /* Spelled out: liburing 2.3's prep_accept_direct adds one to "allocate", which then asks for an fd. */
    entry->file_index = uring->direct ? IORING_FILE_INDEX_ALLOC : 0;
    entry->user_data = token;
}

int iocp_uring_connect(iocp_driver *driver, uint64_t token, const iocp_endpoint *endpoint, const iocp_endpoint *source,
                       uint32_t *handle)
{
    iocp_uring *uring = iocp_uring_of(driver);
    const int fd = iocp_socket_open(endpoint, source);
    if (fd < 0)
        return fd;
    const int result = iocp_uring_place(uring, fd);
    if (result < 0)
        return result;
    *handle = (uint32_t)result;
    struct io_uring_sqe *entry = iocp_uring_handle_entry(uring, IORING_OP_CONNECT, token, *handle);
    entry->addr = (uint64_t)(uintptr_t)&uring->connect_address;
    entry->off = iocp_sockaddr_write(endpoint, &uring->connect_address);
    return 0;
}

int iocp_uring_adopt(iocp_driver *driver, uint64_t token, int fd, uint32_t *handle)
{
    iocp_uring *uring = iocp_uring_of(driver);
    const int copy = iocp_socket_copy_connected(fd);
    if (copy < 0)
        return copy;
    const int result = iocp_uring_place(uring, copy);
    if (result < 0)
        return result;
    *handle = (uint32_t)result;
    struct io_uring_sqe *nothing = iocp_uring_entry(uring);
    io_uring_prep_nop(nothing); /* its completion stands for a connect's */
    nothing->user_data = token;
    return 0;
}

/* --- bytes -------------------------------------------------------------------------------------------------- */

void iocp_uring_receive(iocp_driver *driver, uint64_t token, uint32_t handle, iocp_buffer_class class)
{
    struct io_uring_sqe *entry = iocp_uring_handle_entry(iocp_uring_of(driver), IORING_OP_RECV, token, handle);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->ioprio = IORING_RECV_MULTISHOT;
    entry->buf_group = class;
}

void iocp_uring_watch(iocp_driver *driver, uint64_t token, uint32_t handle)
{
    /* No events: errors and hang-ups are always told. */
    (void)iocp_uring_handle_entry(iocp_uring_of(driver), IORING_OP_POLL_ADD, token, handle);
}

static bool gathers_fit(const iocp_uring *uring, uint32_t count)
{
    return uring->gather_count < IOCP_URING_GATHERS_MAX &&
           uring->gather_range_count + count <= IOCP_URING_GATHER_RANGES;
}

/* Submits where that makes room; the kernel may take nothing. */
static bool has_gather_room(iocp_uring *uring, uint32_t count)
{
    if (gathers_fit(uring, count))
        return true;
    (void)iocp_uring_submit(uring);
    return gathers_fit(uring, count);
}

/* Many ranges: their array and header must stay until submitted, no longer (IORING_FEAT_SUBMIT_STABLE). */
static struct msghdr *gather(iocp_uring *uring, const iocp_range *ranges, uint32_t count)
{
    struct iovec *copies = &uring->gather_ranges[uring->gather_range_count];
    memcpy(copies, ranges, count * sizeof *copies);
    uring->gather_range_count += count;
    struct msghdr *message = &uring->gathers[uring->gather_count++];
    *message = (struct msghdr){.msg_iov = copies, .msg_iovlen = count};
    return message;
}

void iocp_uring_send(iocp_driver *driver, uint64_t token, uint32_t handle, const iocp_range *ranges, uint32_t count,
                     iocp_send_mode mode)
{
    iocp_uring *uring = iocp_uring_of(driver);
    struct io_uring_sqe *entry;
    bool whole = true;
    if (count > 1 && has_gather_room(uring, count)) {
        /* The entry first: finding one may submit, which frees what was gathered before it. */
        entry = iocp_uring_handle_entry(uring, IORING_OP_SENDMSG, token, handle);
        entry->addr = (uint64_t)(uintptr_t)gather(uring, ranges, count);
        entry->len = 1;
    } else { /* without room the first range alone, as a short send */
        entry = iocp_uring_handle_entry(uring, IORING_OP_SEND, token, handle);
        entry->addr = (uint64_t)(uintptr_t)ranges[0].start;
        entry->len = (uint32_t)ranges[0].count_bytes;
        whole = count == 1;
    }
    entry->msg_flags = MSG_NOSIGNAL;
    if (mode == IOCP_SEND_WAIT)
        return;
    /* Makes the request fail instead of waiting for room, so it ends within the submission. */
    entry->msg_flags |= MSG_DONTWAIT;
    if (mode == IOCP_SEND_NOW || !whole ||
        !iocp_uring_silence(uring, entry, token, (uint32_t)iocp_ranges_bytes(ranges, count)))
        uring->inline_count++;
}

void iocp_uring_provide(iocp_driver *driver, uint16_t buffer)
{
    iocp_uring *uring = iocp_uring_of(driver);
    const iocp_receive_buffers *buffers = uring->config.buffers;
    const iocp_buffer_class class = iocp_receive_buffers_class(buffers, buffer);
    iocp_uring_buffer_ring *target = &uring->buffer_rings[class];
    uring->consumed_bytes[buffer] = 0;
    io_uring_buf_ring_add(target->ring, iocp_receive_buffers_start(buffers, buffer),
                          buffers->classes[class].buffer_bytes, buffer, io_uring_buf_ring_mask(target->entry_count),
                          (int)target->unpublished_count);
    target->unpublished_count++;
}
