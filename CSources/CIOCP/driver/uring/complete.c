/* What comes back from the kernel: completion entries become events. */
#include <errno.h>
#include <poll.h>

#include "uring.h"

static void take_receive(iocp_uring *uring, const struct io_uring_cqe *entry, iocp_event *event)
{
    if (!(entry->flags & IORING_CQE_F_BUFFER))
        return;
    const uint16_t buffer = (uint16_t)(entry->flags >> IORING_CQE_BUFFER_SHIFT);
    event->buffer = buffer;
    event->offset = uring->consumed_bytes[buffer];
    if (entry->res > 0) {
        event->flags |= IOCP_EVENT_BUFFER;
        uring->consumed_bytes[buffer] += (uint32_t)entry->res;
    }
    if (!uring->incremental || !(entry->flags & IOCP_URING_CQE_F_BUF_MORE))
        event->flags |= IOCP_EVENT_BUFFER_DONE;
}

/* A poll tells that there is an error, and not which: a reset, but for a network that is gone. FIN, too, ends it. */
static int32_t watched_result(int32_t result)
{
    if (result < 0)
        return result == -ECANCELED ? result : 0;
    return result & POLLERR ? -ECONNRESET : 0;
}

/* Returns whether the entry is an event for the worker. */
static bool take_entry(iocp_uring *uring, const struct io_uring_cqe *entry, iocp_event *event)
{
    *event = (iocp_event){.token = entry->user_data, .result = entry->res};
    if (entry->flags & IORING_CQE_F_MORE)
        event->flags = IOCP_EVENT_MORE;
    switch (iocp_token_operation(entry->user_data)) {
    case IOCP_OPERATION_RECEIVE:
        take_receive(uring, entry, event);
        return true;
    case IOCP_OPERATION_ACCEPT:
        if (entry->res >= 0 && !uring->direct)
            event->result = iocp_uring_sockets_hold(uring, entry->res);
        else if (entry->res >= 0)
            uring->handles_held++;
        return true;
    case IOCP_OPERATION_CLOSE:
        uring->handles_held--;
        /* A socket that never had a slot is closed under a token of nothing but its kind. */
        if (iocp_token_with(entry->user_data, IOCP_OPERATION_NONE) == 0)
            event->token = 0;
        return true;
    case IOCP_OPERATION_WATCH:
        event->result = watched_result(entry->res);
        return true;
    case IOCP_OPERATION_CONNECT:
    case IOCP_OPERATION_SEND:
    case IOCP_OPERATION_SHUTDOWN:
        return true;
    case IOCP_OPERATION_DRIVER:
        if (iocp_token_slot(entry->user_data) == IOCP_URING_OWN_WAKE)
            iocp_uring_arm_wake(uring);
        else if (iocp_token_slot(entry->user_data) == IOCP_URING_OWN_COMMAND)
            iocp_uring_command_answered_late(uring, entry);
        return false;
    case IOCP_OPERATION_NONE:
    case IOCP_OPERATION_CANCEL:
        return false;
    }
    return false;
}

static uint32_t reap(iocp_uring *uring, iocp_event *events, uint32_t capacity)
{
    struct io_uring_cq *queue = &uring->ring.cq;
    const uint32_t mask = *queue->kring_mask;
    const uint32_t tail = io_uring_smp_load_acquire(queue->ktail);
    uint32_t head = *queue->khead;
    uint32_t count = 0;
    for (; head != tail && count < capacity; head++)
        count += take_entry(uring, &queue->cqes[head & mask], &events[count]);
    io_uring_smp_store_release(queue->khead, head);
    return count;
}

int iocp_uring_wait(iocp_driver *driver, iocp_event *events, uint32_t capacity, uint64_t timeout_ns)
{
    iocp_uring *uring = iocp_uring_of(driver);
    struct io_uring *ring = &uring->ring;
    const uint32_t kernel_flags = IO_URING_READ_ONCE(*ring->sq.kflags);
    if (kernel_flags & IORING_SQ_CQ_OVERFLOW)
        __atomic_store_n(uring->config.queue_overflows, *uring->config.queue_overflows + 1, __ATOMIC_RELAXED);

    const bool ready = io_uring_cq_ready(ring) > 0 || uring->silents.owed;
    const uint32_t send_count = uring->inline_count + uring->silents.tail - uring->silents.head;
    const bool submits = ring->sq.sqe_tail != io_uring_smp_load_acquire(ring->sq.khead);
    const bool pending = kernel_flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
    iocp_uring_note_wait(uring, pending || ready);
    int result = 0;
    if (submits || pending || (!ready && timeout_ns > 0)) {
        iocp_uring_threshold threshold = {.want = 0};
        if (!ready && timeout_ns > 0)
            threshold = iocp_uring_gather_threshold(uring, kernel_flags & IORING_SQ_TASKRUN, send_count);
        result = iocp_uring_enter(uring, threshold.want, timeout_ns, threshold.min_wait_us);
    } else {
        iocp_uring_publish_buffers(uring);
    }
    if (uring->failure < 0)
        return uring->failure;

    iocp_uring_settle_silents(uring);
    uint32_t count = iocp_uring_take_silents(uring, events, capacity);
    count += reap(uring, events + count, capacity - count);
    uring->silents.owed = iocp_uring_has_silents(uring);
    return count == 0 && result == -EINTR ? -EINTR : (int)count;
}
