/* Opening the ring, and entering the kernel. */
#define _GNU_SOURCE
#include "ring.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "baseline.h"

/* Since 6.13 one entry runs max(20, wanted) pieces of task work, so a busy turn wants more than it had. The minimum
 * wait bounds a wrong guess; with fewer messages per turn, it would cost more than it brings. */
enum { BUSY_SENDS = 16, GROWTH_LEAST = 8, MIN_WAIT_US = 20 };

struct enter_argument { /* struct io_uring_getevents_arg; its padding became min_wait_usec in 6.12 */
    uint64_t sigmask;
    uint32_t sigmask_bytes;
    uint32_t min_wait_us;
    uint64_t timespec;
};

void ring_open(ring *self, uint32_t file_count)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
        .cq_entries = RING_COMPLETIONS,
    };
    int result = io_uring_queue_init_params(RING_ENTRIES, &self->uring, &params);
    if (result < 0)
        baseline_fail("io_uring_setup", -result);
    result = io_uring_register_files_sparse(&self->uring, file_count);
    if (result < 0)
        baseline_fail("io_uring_register_files", -result);
    /* Saves the lookup of the ring's own descriptor on every entry; merely slower without. */
    (void)io_uring_register_ring_fd(&self->uring);
    self->enter_flags = IORING_ENTER_EXT_ARG;
    if (self->uring.enter_ring_fd != self->uring.ring_fd)
        self->enter_flags |= IORING_ENTER_REGISTERED_RING;
    self->has_min_wait = params.features & RING_FEAT_MIN_TIMEOUT;
    self->submission = 1;
}

/* Returns how many entries the kernel took. */
static uint32_t enter(ring *self, uint32_t submit, uint32_t want, uint32_t min_wait_us, uint32_t flags)
{
    struct enter_argument argument = {.min_wait_us = min_wait_us};
    long result = syscall(__NR_io_uring_enter, self->uring.enter_ring_fd, submit, want, self->enter_flags | flags,
                          &argument, sizeof argument);
    if (result >= 0)
        return (uint32_t)result;
    switch (errno) {
    case EINTR:
    case ETIME:
    case EBUSY: /* completions that did not fit are still to be fetched */
        return 0;
    case EAGAIN: { /* no memory for requests: they come back as others end */
        const struct timespec pause = {.tv_nsec = 1000000};
        nanosleep(&pause, NULL);
        return 0;
    }
    default: /* EBADR among them: a completion was lost */
        baseline_fail("io_uring_enter", errno);
    }
}

/* The index array lets every submission use the same few entries instead of wandering through all of them. */
static void publish(ring *self)
{
    struct io_uring_sq *queue = &self->uring.sq;
    const uint32_t mask = *queue->kring_mask;
    const uint32_t tail = *queue->ktail;
    for (uint32_t index = 0; index < self->prepared; index++)
        queue->array[(tail + index) & mask] = index;
    io_uring_smp_store_release(queue->ktail, tail + self->prepared);
}

static uint32_t untaken(const ring *self)
{
    return *self->uring.sq.ktail - io_uring_smp_load_acquire(self->uring.sq.khead);
}

static void begin_submission(ring *self)
{
    self->submission++;
    self->prepared = 0;
    self->gather_count = 0;
}

void ring_submit(ring *self)
{
    publish(self);
    uint32_t left = self->prepared;
    for (; left > 0; left = untaken(self))
        (void)enter(self, left, 0, 0, 0);
    begin_submission(self);
}

void ring_turn(ring *self, bool sleeps)
{
    publish(self);
    uint32_t want = sleeps ? 1 : 0;
    uint32_t min_wait_us = 0;
    if (sleeps && self->has_min_wait && self->prepared >= BUSY_SENDS &&
        IO_URING_READ_ONCE(*self->uring.sq.kflags) & IORING_SQ_TASKRUN) {
        want = self->prepared + self->prepared / 2 + GROWTH_LEAST;
        min_wait_us = MIN_WAIT_US;
    }
    (void)enter(self, self->prepared, want, min_wait_us, IORING_ENTER_GETEVENTS);
    /* A submission cut short did not wait, so the rest of it may. */
    for (uint32_t left; (left = untaken(self)) > 0;)
        (void)enter(self, left, 0, 0, IORING_ENTER_GETEVENTS);
    begin_submission(self);
}

bool ring_refill(ring *self)
{
    if (!(IO_URING_READ_ONCE(*self->uring.sq.kflags) & IORING_SQ_CQ_OVERFLOW))
        return false;
    (void)enter(self, 0, 0, 0, IORING_ENTER_GETEVENTS);
    return io_uring_cq_ready(&self->uring) > 0;
}
