/* Silent sends: one whose success the kernel does not report (IOSQE_CQE_SKIP_SUCCESS, io_uring_enter(2)), so that a
 * reply costs neither a completion entry nor, where no work waits, an entry into the kernel that brings nothing else.
 *
 * MSG_DONTWAIT makes a send end within its submission; MSG_WAITALL makes a short one a failed one, which is reported
 * with the bytes it took. So once the kernel has taken every submission, and every completion it made can be seen, a silent
 * send without one has taken all its bytes. */
#include "uring.h"

_Static_assert((IOCP_URING_SILENT_MAX & (IOCP_URING_SILENT_MAX - 1)) == 0, "positions wrap");

static iocp_uring_silent *silent_at(iocp_uring_silents *silents, uint32_t position)
{
    return &silents->sends[position & (IOCP_URING_SILENT_MAX - 1)];
}

bool iocp_uring_silence(iocp_uring *uring, struct io_uring_sqe *entry, uint64_t token, uint32_t count_bytes)
{
    iocp_uring_silents *silents = &uring->silents;
    if (!silents->work || silents->tail - silents->head == IOCP_URING_SILENT_MAX)
        return false;
    *silent_at(silents, silents->tail) = (iocp_uring_silent){.token = token, .count_bytes = count_bytes};
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    entry->msg_flags |= MSG_WAITALL;
    entry->user_data = iocp_token_make(IOCP_OPERATION_DRIVER, IOCP_URING_OWN_SILENT, silents->tail);
    silents->tail++;
    return true;
}

static bool is_silent(uint64_t token)
{
    return iocp_token_operation(token) == IOCP_OPERATION_DRIVER && iocp_token_slot(token) == IOCP_URING_OWN_SILENT;
}

/* From here on they are sends like others. */
static void name_failures(iocp_uring *uring)
{
    struct io_uring_cq *queue = &uring->ring.cq;
    const uint32_t mask = *queue->kring_mask;
    const uint32_t tail = io_uring_smp_load_acquire(queue->ktail);
    for (uint32_t at = *queue->khead; at != tail; at++) {
        struct io_uring_cqe *entry = &queue->cqes[at & mask];
        if (!is_silent(entry->user_data))
            continue;
        iocp_uring_silent *silent = silent_at(&uring->silents, iocp_token_generation(entry->user_data));
        entry->user_data = silent->token;
        silent->token = 0;
    }
}

void iocp_uring_settle_silents(iocp_uring *uring)
{
    struct io_uring *ring = &uring->ring;
    if (!iocp_uring_has_silents(uring))
        return;
    const bool all_taken = ring->sq.sqe_tail == io_uring_smp_load_acquire(ring->sq.khead);
    const bool all_seen = !(IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_CQ_OVERFLOW);
    name_failures(uring);
    if (all_taken && all_seen)
        uring->silents.settled = uring->silents.tail;
}

uint32_t iocp_uring_take_silents(iocp_uring *uring, iocp_event *events, uint32_t capacity)
{
    iocp_uring_silents *silents = &uring->silents;
    uint32_t count = 0;
    for (; silents->head != silents->settled && count < capacity; silents->head++) {
        const iocp_uring_silent *silent = silent_at(silents, silents->head);
        if (silent->token != 0)
            events[count++] = (iocp_event){.token = silent->token, .result = (int32_t)silent->count_bytes};
    }
    if (silents->head == silents->tail)
        silents->head = silents->settled = silents->tail = 0; /* the first ones are in the cache */
    return count;
}
