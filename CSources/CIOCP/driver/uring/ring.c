/* The ring itself: opening it, entering the kernel, and the next free entry. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../base/check.h"
#include "../../system/topology.h"
#include "uring.h"

/* --- for ThreadSanitizer --------------------------------------------------------------------------------------- */

/* The kernel may give the pages of a closed ring to the next one, of another thread. liburing maps them by system calls of
 * its own, which ThreadSanitizer does not see, so it is told that the close came before. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IOCP_TOLD_OF_RINGS
#endif
#endif

#ifdef IOCP_TOLD_OF_RINGS
void __tsan_acquire(void *address);
void __tsan_release(void *address);
static char ring_pages;
#define PAGES_COME() __tsan_acquire(&ring_pages)
#define PAGES_GO() __tsan_release(&ring_pages)
#else
#define PAGES_COME() ((void)0)
#define PAGES_GO() ((void)0)
#endif

/* --- opening ------------------------------------------------------------------------------------------------ */

/* Newest first. NO_SQARRAY saves a load per entry, but only a liburing that knows it leaves the array alone, so it is
 * tried only where the header has it. The last is the floor: Linux 6.1. */
static const uint32_t ring_flags[] = {
#ifdef IORING_SETUP_NO_SQARRAY
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
        IORING_SETUP_NO_SQARRAY,
#endif
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
};

static bool has_no_array(const struct io_uring *ring)
{
#ifdef IORING_SETUP_NO_SQARRAY
    return ring->flags & IORING_SETUP_NO_SQARRAY;
#else
    (void)ring;
    return false;
#endif
}

int iocp_uring_ring_open(struct io_uring *ring, uint32_t sq_entries, uint32_t cq_entries, uint32_t more_flags)
{
    int result = -EINVAL;
    for (size_t i = 0; i < sizeof ring_flags / sizeof *ring_flags && result == -EINVAL; i++) {
        struct io_uring_params params = {.flags = ring_flags[i] | IORING_SETUP_CQSIZE | more_flags,
                                          .cq_entries = cq_entries};
        if (sq_entries > cq_entries)
            sq_entries = cq_entries;
        result = io_uring_queue_init_params(sq_entries, ring, &params);
    }
    if (result < 0)
        return result;
    PAGES_COME();
    /* Since 5.1 a submission goes through an index array. Set once to the identity, it can be forgotten: publishing
     * the tail is then all that a submission takes, whatever liburing does in its own. */
    if (!has_no_array(ring))
        for (uint32_t i = 0; i < *ring->sq.kring_entries; i++)
            ring->sq.array[i] = i;
    return 0;
}

void iocp_uring_ring_close(struct io_uring *ring)
{
    PAGES_GO();
    io_uring_queue_exit(ring);
}

int iocp_uring_buffer_ring_open(struct io_uring *ring, iocp_uring_buffer_ring *buffers, uint16_t group,
                                uint32_t entry_count, uint32_t flags, uint32_t node)
{
    *buffers = (iocp_uring_buffer_ring){.entry_count = entry_count};
    int result = iocp_arena_open(&buffers->arena, entry_count * sizeof(struct io_uring_buf), node);
    if (result < 0)
        return result;
    buffers->ring = (struct io_uring_buf_ring *)buffers->arena.start;
    io_uring_buf_ring_init(buffers->ring);
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)buffers->ring, .ring_entries = entry_count, .bgid = group};
    /* Named `pad` in liburing 2.3 and `flags` since: the same 16 bits after bgid. */
    *(uint16_t *)((uint8_t *)&registration + offsetof(struct io_uring_buf_reg, bgid) + sizeof registration.bgid) =
        (uint16_t)flags;
    result = io_uring_register_buf_ring(ring, &registration, 0);
    if (result != 0)
        iocp_arena_close(&buffers->arena);
    return result;
}

int iocp_uring_busy_poll(const struct io_uring *ring, uint32_t timeout_us)
{
    const struct { /* struct io_uring_napi; liburing 2.3 lacks it */
        uint32_t timeout_us;
        uint8_t prefer;
        uint8_t reserved[11];
    } napi = {.timeout_us = timeout_us, .prefer = true};
    return syscall(__NR_io_uring_register, ring->ring_fd, IOCP_URING_REGISTER_NAPI, &napi, 1) < 0 ? -errno : 0;
}

bool iocp_uring_wait_for_memory(uint64_t until_ns)
{
    const struct timespec pause = {.tv_nsec = IOCP_URING_MEMORY_AGAIN_NS};
    (void)nanosleep(&pause, NULL);
    return iocp_clock_ns() < until_ns;
}

/* --- entering ----------------------------------------------------------------------------------------------- */

struct enter_argument { /* struct io_uring_getevents_arg; its padding became min_wait_usec in 6.12 */
    uint64_t sigmask;
    uint32_t sigmask_bytes;
    uint32_t min_wait_us;
    uint64_t timespec;
};

/* Shows the kernel every entry prepared so far; returns how many it has not taken yet. */
static uint32_t publish_submissions(struct io_uring *ring)
{
    io_uring_smp_store_release(ring->sq.ktail, ring->sq.sqe_tail);
    ring->sq.sqe_head = ring->sq.sqe_tail;
    return ring->sq.sqe_tail - io_uring_smp_load_acquire(ring->sq.khead);
}

void iocp_uring_publish_buffers(iocp_uring *uring)
{
    for (int class = 0; class < IOCP_BUFFER_CLASS_COUNT; class++) {
        iocp_uring_buffer_ring *buffers = &uring->buffer_rings[class];
        if (buffers->unpublished_count > 0)
            io_uring_buf_ring_advance(buffers->ring, (int)buffers->unpublished_count);
        buffers->unpublished_count = 0;
    }
}

static int enter(iocp_uring *uring, uint32_t want, uint64_t timeout_ns, uint32_t min_wait_us, uint32_t flags)
{
    struct io_uring *ring = &uring->ring;
    iocp_uring_publish_buffers(uring);
    const uint32_t submit_count = publish_submissions(ring);
    struct __kernel_timespec timeout = {.tv_sec = (int64_t)(timeout_ns / 1000000000),
                                        .tv_nsec = (int64_t)(timeout_ns % 1000000000)};
    struct enter_argument argument = {
        .min_wait_us = min_wait_us,
        .timespec = want > 0 && timeout_ns != UINT64_MAX ? (uint64_t)(uintptr_t)&timeout : 0};
    flags |= uring->enter_flags;

    __atomic_store_n(uring->config.enters, *uring->config.enters + 1, __ATOMIC_RELAXED);
    const long result =
        syscall(__NR_io_uring_enter, ring->enter_ring_fd, submit_count, want, flags, &argument, sizeof argument);
    /* Prepared headers were read by the submission; what it did not take yet it reads at the next one. */
    if (ring->sq.sqe_tail == io_uring_smp_load_acquire(ring->sq.khead)) {
        uring->inline_count = 0;
        uring->gather_count = 0;
        uring->gather_range_count = 0;
    }
    if (result >= 0)
        return (int)result;
    switch (errno) {
    case ETIME:  /* the timeout */
    case EINTR:  /* a signal */
    case EBUSY:  /* the completion queue overflowed: reap, then enter again */
    case EAGAIN: /* the kernel is short of memory for requests: the entries stay queued */
        return -errno;
    case EEXIST: /* SINGLE_ISSUER */
        IOCP_CHECK(false, "a worker was used from another thread than its own");
        break;
    case EBADR: /* a completion was lost: the kernel had no memory for an overflow */
    default:
        break;
    }
    uring->failure = -errno;
    return uring->failure;
}

int iocp_uring_enter(iocp_uring *uring, uint32_t want, uint64_t timeout_ns, uint32_t min_wait_us)
{
    return enter(uring, want, timeout_ns, min_wait_us, IORING_ENTER_GETEVENTS);
}

int iocp_uring_submit(iocp_uring *uring)
{
    return enter(uring, 0, 0, 0, 0);
}

/* --- entries ------------------------------------------------------------------------------------------------ */

/* A kernel without memory for requests takes nothing (EAGAIN) until some of those it has end, and they end by being
 * reaped into the completion queue. When that brings nothing for a second, the ring has failed. */
static void make_room(iocp_uring *uring)
{
    enum { TRIES_MAX = 1000 };
    static const struct timespec pause = {.tv_nsec = 1000000};
    (void)iocp_uring_submit(uring);
    for (int tries = 0; io_uring_sq_space_left(&uring->ring) == 0 && uring->failure == 0; tries++) {
        if (tries == TRIES_MAX) {
            uring->failure = -ENOMEM;
            return;
        }
        nanosleep(&pause, NULL);
        (void)iocp_uring_enter(uring, 0, 0, 0);
    }
}

struct io_uring_sqe *iocp_uring_entry(iocp_uring *uring)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&uring->ring);
    if (__builtin_expect(entry == NULL, 0)) {
        make_room(uring);
        entry = io_uring_get_sqe(&uring->ring);
    }
    if (__builtin_expect(entry == NULL, 0))
        entry = &uring->unsubmitted;
    memset(entry, 0, sizeof *entry);
    return entry;
}

void iocp_uring_arm_wake(iocp_uring *uring)
{
    struct io_uring_sqe *entry = iocp_uring_entry(uring);
    io_uring_prep_read(entry, uring->config.wake_fd, &uring->wake_value, sizeof uring->wake_value, 0);
    entry->user_data = iocp_uring_own_token(IOCP_URING_OWN_WAKE);
}
