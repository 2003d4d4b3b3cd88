/* Faults: what the running thread asks of its kernel fails as a test wishes.
 *
 * The calls of the C library that the core makes are defined here a second time, in front of the library's, and
 * passed on. A point that is armed answers with an errno instead. Under io_uring an operation is no call: a submission
 * that is struck becomes one that does nothing, and its completion carries the errno. The core has no hook for it. */
#ifndef CIOCP_INTERNALS_FAULTS_H
#define CIOCP_INTERNALS_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

/* Where a fault strikes: epoll's call | uring's submission. */
typedef enum internals_fault_point : uint8_t {
    INTERNALS_FAULT_ACCEPT = 0,         /* accept4 | ACCEPT */
    INTERNALS_FAULT_CONNECT = 1,        /* connect | CONNECT */
    INTERNALS_FAULT_CONNECT_LATER = 2,  /* getsockopt, SO_ERROR | none */
    INTERNALS_FAULT_RECEIVE = 3,        /* recv | RECV */
    INTERNALS_FAULT_SEND = 4,           /* send, sendmsg | SEND, SENDMSG */
    INTERNALS_FAULT_SHUTDOWN = 5,       /* shutdown | SHUTDOWN */
    INTERNALS_FAULT_CANCEL = 6,         /* none | ASYNC_CANCEL, which is done all the same */
    INTERNALS_FAULT_CLOSE = 7,          /* close | CLOSE, which are done all the same */
    INTERNALS_FAULT_ABORT = 8,          /* setsockopt, SO_LINGER | CONNECT to AF_UNSPEC */
    INTERNALS_FAULT_PEER = 9,           /* getpeername | URING_CMD of an option */
    INTERNALS_FAULT_PLACE = 10,         /* none | FILES_UPDATE; errno 0: it says that it placed nothing */
    INTERNALS_FAULT_WAKE = 11,          /* none | READ */
    INTERNALS_FAULT_WAIT = 12,          /* epoll_wait | io_uring_enter, nothing taken */
    INTERNALS_FAULT_ADD = 13,           /* epoll_ctl, EPOLL_CTL_ADD */
    INTERNALS_FAULT_MODIFY = 14,        /* epoll_ctl, EPOLL_CTL_MOD */

    /* Set-up, on every driver. */
    INTERNALS_FAULT_SOCKET = 15,
    INTERNALS_FAULT_OPTION = 16,        /* setsockopt, but for SO_LINGER */
    INTERNALS_FAULT_BIND = 17,
    INTERNALS_FAULT_LISTEN = 18,
    INTERNALS_FAULT_NAME = 19,          /* getsockname */
    INTERNALS_FAULT_MAP = 20,           /* mmap, but for huge pages, without which it goes on */
    INTERNALS_FAULT_EVENTFD = 21,
    INTERNALS_FAULT_MEMFD = 22,         /* memfd_create */
    INTERNALS_FAULT_THREAD = 23,        /* pthread_create */
    INTERNALS_FAULT_AFFINITY = 24,      /* sched_getaffinity */
    INTERNALS_FAULT_PIN = 25,           /* pthread_setaffinity_np */
    INTERNALS_FAULT_EPOLL_CREATE = 26,
    INTERNALS_FAULT_RING_SETUP = 27,
    INTERNALS_FAULT_RING_FILES = 28,    /* the table of direct descriptors */
    INTERNALS_FAULT_RING_BUFFERS = 29,  /* a ring of receive buffers */
    INTERNALS_FAULT_RING_REGISTER = 30, /* io_uring_register by number: busy polling, restrictions, enabling */
    INTERNALS_FAULT_OPEN = 31,          /* a submission of OPENAT, which no driver makes but to see it refused */
    INTERNALS_FAULT_ALLOCATE = 32,      /* malloc(3) and its relatives, by this program's own code */
    INTERNALS_FAULT_BUSY_POLL = 33,     /* ioctl, of an epoll set | none: RING_REGISTER */
    INTERNALS_FAULT_ANSWER = 34,        /* none | io_uring_enter: what it completes is not seen before the next entry,
                                         * as behind an overflow of the completion queue */
    INTERNALS_FAULT_UNACKNOWLEDGED = 35, /* ioctl, SIOCOUTQ | URING_CMD of that question */
    INTERNALS_FAULT_INSTALL = 36,        /* none | FIXED_FD_INSTALL */
    INTERNALS_FAULT_POINT_COUNT = 37,
} internals_fault_point;

/* Lets `pass_count` pass, then strikes `strike_count` times. Thread: the calling one alone. */
void internals_fault_arm(internals_fault_point point, int error, uint32_t pass_count, uint32_t strike_count);

/* Disarms every point of this thread, forgets what struck, and sets its clock right. */
void internals_faults_end(void);

/* Points strike only inside: a test's own calls on the same thread pass. */
void internals_faults_inside(bool inside);

/* How often this thread was struck at a point. */
uint32_t internals_faults_struck(internals_fault_point point);

/* Whether ALLOCATE can strike: a sanitizer has a malloc of its own. */
bool internals_faults_reach_the_allocator(void);

/* The monotonic clock of this thread leaps ahead. */
void internals_faults_pass(uint64_t ns);

#endif
