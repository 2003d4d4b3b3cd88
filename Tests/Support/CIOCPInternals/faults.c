#include "faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/sockios.h>
#include <liburing.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "../../../CSources/CIOCP/base/token.h"

typedef struct fault {
    int error;
    uint32_t pass_count;
    uint32_t strike_count;
    uint32_t struck_count;
} fault;

static _Thread_local fault faults[INTERNALS_FAULT_POINT_COUNT];
static _Thread_local bool inside_the_core;
static _Thread_local uint64_t leapt_ns;

void internals_fault_arm(internals_fault_point point, int error, uint32_t pass_count, uint32_t strike_count)
{
    faults[point] = (fault){.error = error, .pass_count = pass_count, .strike_count = strike_count};
}

void internals_faults_inside(bool inside)
{
    inside_the_core = inside;
}

uint32_t internals_faults_struck(internals_fault_point point)
{
    return faults[point].struck_count;
}

void internals_faults_pass(uint64_t ns)
{
    leapt_ns += ns;
}

/* A thread's last calls come when its sanitizer has let go of it already: Foundation asks for a thread's id then. */
#define UNSEEN __attribute__((disable_sanitizer_instrumentation))

/* Whether the call at hand fails; errno is set then. */
UNSEEN static bool strikes(internals_fault_point point)
{
    fault *fault = &faults[point];
    if (!inside_the_core || fault->strike_count == 0)
        return false;
    if (fault->pass_count > 0) {
        fault->pass_count--;
        return false;
    }
    fault->strike_count--;
    fault->struck_count++;
    errno = fault->error;
    return true;
}

/* --- the library's calls ------------------------------------------------------------------------------------ */

/* Who would have been called: a sanitizer's interceptor, or the library. */
UNSEEN static void *next(void **known, void *interceptor, const char *name)
{
    void *found = __atomic_load_n(known, __ATOMIC_RELAXED);
    if (found != NULL)
        return found;
    found = interceptor != NULL ? interceptor : dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    __atomic_store_n(known, found, __ATOMIC_RELAXED);
    return found;
}

/* Under names of our own, as the headers' prototypes differ between libraries (transparent unions, attributes). */
#define FRONT(result, name, ...)                                                                    \
    extern result interceptor_##name(__VA_ARGS__) __asm__("__interceptor_" #name) __attribute__((weak)); \
    static void *known_##name;                                                                      \
    result front_##name(__VA_ARGS__) __asm__(#name);                                                \
    UNSEEN result front_##name(__VA_ARGS__)

#define NEXT(name) ((__typeof__(&front_##name))next(&known_##name, (void *)&interceptor_##name, #name))

FRONT(int, accept4, int fd, void *address, void *length, int flags)
{
    return strikes(INTERNALS_FAULT_ACCEPT) ? -1 : NEXT(accept4)(fd, address, length, flags);
}

FRONT(int, connect, int fd, const void *address, socklen_t length)
{
    return strikes(INTERNALS_FAULT_CONNECT) ? -1 : NEXT(connect)(fd, address, length);
}

FRONT(int, getsockopt, int fd, int level, int name, void *value, void *length)
{
    return name == SO_ERROR && strikes(INTERNALS_FAULT_CONNECT_LATER) ? -1
                                                                       : NEXT(getsockopt)(fd, level, name, value, length);
}

FRONT(ssize_t, recv, int fd, void *bytes, size_t count_bytes, int flags)
{
    return strikes(INTERNALS_FAULT_RECEIVE) ? -1 : NEXT(recv)(fd, bytes, count_bytes, flags);
}

FRONT(ssize_t, send, int fd, const void *bytes, size_t count_bytes, int flags)
{
    return strikes(INTERNALS_FAULT_SEND) ? -1 : NEXT(send)(fd, bytes, count_bytes, flags);
}

FRONT(ssize_t, sendmsg, int fd, const void *message, int flags)
{
    return strikes(INTERNALS_FAULT_SEND) ? -1 : NEXT(sendmsg)(fd, message, flags);
}

FRONT(int, shutdown, int fd, int how)
{
    return strikes(INTERNALS_FAULT_SHUTDOWN) ? -1 : NEXT(shutdown)(fd, how);
}

/* Linux frees the descriptor whatever close(2) answers. */
FRONT(int, close, int fd)
{
    const int result = NEXT(close)(fd);
    return strikes(INTERNALS_FAULT_CLOSE) ? -1 : result;
}

FRONT(int, setsockopt, int fd, int level, int name, const void *value, socklen_t length)
{
    const internals_fault_point point =
        level == SOL_SOCKET && name == SO_LINGER ? INTERNALS_FAULT_ABORT : INTERNALS_FAULT_OPTION;
    return strikes(point) ? -1 : NEXT(setsockopt)(fd, level, name, value, length);
}

FRONT(int, getpeername, int fd, void *address, void *length)
{
    return strikes(INTERNALS_FAULT_PEER) ? -1 : NEXT(getpeername)(fd, address, length);
}

FRONT(int, epoll_wait, int fd, void *events, int capacity, int timeout_ms)
{
    return strikes(INTERNALS_FAULT_WAIT) ? -1 : NEXT(epoll_wait)(fd, events, capacity, timeout_ms);
}

FRONT(int, epoll_pwait2, int fd, void *events, int capacity, const void *timeout, const void *signals)
{
    return strikes(INTERNALS_FAULT_WAIT) ? -1 : NEXT(epoll_pwait2)(fd, events, capacity, timeout, signals);
}

FRONT(int, epoll_ctl, int fd, int operation, int about, void *event)
{
    const internals_fault_point point = operation == EPOLL_CTL_ADD ? INTERNALS_FAULT_ADD : INTERNALS_FAULT_MODIFY;
    return strikes(point) ? -1 : NEXT(epoll_ctl)(fd, operation, about, event);
}

FRONT(int, epoll_create1, int flags)
{
    return strikes(INTERNALS_FAULT_EPOLL_CREATE) ? -1 : NEXT(epoll_create1)(flags);
}

FRONT(int, ioctl, int fd, unsigned long request, void *argument)
{
    const internals_fault_point point = request == SIOCOUTQ ? INTERNALS_FAULT_UNACKNOWLEDGED : INTERNALS_FAULT_BUSY_POLL;
    return strikes(point) ? -1 : NEXT(ioctl)(fd, request, argument);
}

FRONT(int, socket, int family, int type, int protocol)
{
    return strikes(INTERNALS_FAULT_SOCKET) ? -1 : NEXT(socket)(family, type, protocol);
}

FRONT(int, bind, int fd, const void *address, socklen_t length)
{
    return strikes(INTERNALS_FAULT_BIND) ? -1 : NEXT(bind)(fd, address, length);
}

FRONT(int, listen, int fd, int backlog)
{
    return strikes(INTERNALS_FAULT_LISTEN) ? -1 : NEXT(listen)(fd, backlog);
}

FRONT(int, getsockname, int fd, void *address, void *length)
{
    return strikes(INTERNALS_FAULT_NAME) ? -1 : NEXT(getsockname)(fd, address, length);
}

FRONT(void *, mmap, void *start, size_t size_bytes, int protection, int flags, int fd, off_t offset)
{
    return !(flags & MAP_HUGETLB) && strikes(INTERNALS_FAULT_MAP) ? (void *)-1 : NEXT(mmap)(start, size_bytes, protection, flags, fd, offset);
}

FRONT(int, eventfd, unsigned count, int flags)
{
    return strikes(INTERNALS_FAULT_EVENTFD) ? -1 : NEXT(eventfd)(count, flags);
}

FRONT(int, memfd_create, const char *name, unsigned flags)
{
    return strikes(INTERNALS_FAULT_MEMFD) ? -1 : NEXT(memfd_create)(name, flags);
}

FRONT(int, pthread_create, void *thread, const void *attributes, void *(*body)(void *), void *argument)
{
    return strikes(INTERNALS_FAULT_THREAD) ? errno : NEXT(pthread_create)(thread, attributes, body, argument);
}

FRONT(int, sched_getaffinity, int process, size_t size_bytes, void *set)
{
    return strikes(INTERNALS_FAULT_AFFINITY) ? -1 : NEXT(sched_getaffinity)(process, size_bytes, set);
}

FRONT(int, pthread_setaffinity_np, unsigned long thread, size_t size_bytes, const void *set)
{
    return strikes(INTERNALS_FAULT_PIN) ? errno : NEXT(pthread_setaffinity_np)(thread, size_bytes, set);
}

FRONT(int, clock_gettime, clockid_t clock, void *time)
{
    const int result = NEXT(clock_gettime)(clock, time);
    if (result == 0 && clock == CLOCK_MONOTONIC && leapt_ns > 0) {
        struct timespec *now = time;
        const uint64_t ns = (uint64_t)now->tv_nsec + leapt_ns;
        now->tv_sec += (time_t)(ns / 1000000000);
        now->tv_nsec = (long)(ns % 1000000000);
    }
    return result;
}

/* --- the allocator ------------------------------------------------------------------------------------------ */

/* Asked by who stands in for malloc(3) (Support/AllocationCounter). libnuma ends the process when it gets no memory, so
 * calls from libraries pass. */
bool allocation_refused(const void *caller);

bool allocation_refused(const void *caller)
{
    extern const char __executable_start, etext;
    return (const char *)caller >= &__executable_start && (const char *)caller < &etext &&
           strikes(INTERNALS_FAULT_ALLOCATE);
}

bool internals_faults_reach_the_allocator(void)
{
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return false;
#else
    return true;
#endif
}

/* --- liburing's --------------------------------------------------------------------------------------------- */

static _Thread_local struct io_uring *ring; /* the one that this thread opened or entered last */

/* Those that it has open: a worker may have several. */
enum { RINGS_MAX = 16 };
static _Thread_local struct io_uring *rings[RINGS_MAX];

static void replace_ring(const struct io_uring *old, struct io_uring *new)
{
    for (int i = 0; i < RINGS_MAX; i++) {
        if (rings[i] != old)
            continue;
        rings[i] = new;
        return;
    }
}

static void enter_ring(int fd)
{
    for (int i = 0; i < RINGS_MAX; i++)
        if (rings[i] != NULL && rings[i]->enter_ring_fd == fd)
            ring = rings[i];
}

/* As the kernel does with completions of a queue that overflowed: they are not seen until an entry brings them. */
static _Thread_local struct withheld {
    bool some;
    struct io_uring *of;
    uint32_t tail;
} withheld;

FRONT(int, io_uring_queue_init_params, unsigned entries, struct io_uring *opened, struct io_uring_params *params)
{
    if (strikes(INTERNALS_FAULT_RING_SETUP))
        return -errno;
    ring = opened;
    const int result = NEXT(io_uring_queue_init_params)(entries, opened, params);
    if (result == 0)
        replace_ring(NULL, opened);
    return result;
}

FRONT(void, io_uring_queue_exit, struct io_uring *closed)
{
    replace_ring(closed, NULL);
    if (ring == closed)
        ring = NULL;
    if (withheld.of == closed)
        withheld.some = false;
    NEXT(io_uring_queue_exit)(closed);
}

FRONT(int, io_uring_register_files_sparse, struct io_uring *of, unsigned count)
{
    return strikes(INTERNALS_FAULT_RING_FILES) ? -errno : NEXT(io_uring_register_files_sparse)(of, count);
}

FRONT(int, io_uring_register_buf_ring, struct io_uring *of, struct io_uring_buf_reg *buffers, unsigned flags)
{
    return strikes(INTERNALS_FAULT_RING_BUFFERS) ? -errno : NEXT(io_uring_register_buf_ring)(of, buffers, flags);
}

/* --- a ring's submissions and completions ------------------------------------------------------------------- */

enum { STRUCK_MAX = 64, SOCKET_OPERATION_OUTQ = 1, OPERATION_FIXED_FD_INSTALL = 54 };

/* Submissions that were struck and have not completed yet. */
static _Thread_local struct struck {
    uint64_t user_data;
    int error;
} struck[STRUCK_MAX];
static _Thread_local uint32_t struck_count;

/* The point at which a submission can be struck, or POINT_COUNT. */
static internals_fault_point point_of(const struct io_uring_sqe *entry)
{
    switch (entry->opcode) {
    case IORING_OP_ACCEPT:
        return INTERNALS_FAULT_ACCEPT;
    case IORING_OP_CONNECT:
        return iocp_token_operation(entry->user_data) == IOCP_OPERATION_DRIVER ? INTERNALS_FAULT_ABORT
                                                                               : INTERNALS_FAULT_CONNECT;
    case IORING_OP_RECV:
        return INTERNALS_FAULT_RECEIVE;
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
        return INTERNALS_FAULT_SEND;
    case IORING_OP_SHUTDOWN:
        return INTERNALS_FAULT_SHUTDOWN;
    case IORING_OP_ASYNC_CANCEL:
        return INTERNALS_FAULT_CANCEL;
    case IORING_OP_CLOSE:
        return INTERNALS_FAULT_CLOSE;
    case IORING_OP_URING_CMD:
        return entry->cmd_op == SOCKET_OPERATION_OUTQ ? INTERNALS_FAULT_UNACKNOWLEDGED : INTERNALS_FAULT_PEER;
    case IORING_OP_FILES_UPDATE:
        return INTERNALS_FAULT_PLACE;
    case IORING_OP_READ:
        return INTERNALS_FAULT_WAKE;
    case IORING_OP_OPENAT:
        return INTERNALS_FAULT_OPEN;
    case OPERATION_FIXED_FD_INSTALL:
        return INTERNALS_FAULT_INSTALL;
    default:
        return INTERNALS_FAULT_POINT_COUNT;
    }
}

static void strike_submissions(void)
{
    const uint32_t tail = *ring->sq.ktail;
    for (uint32_t at = io_uring_smp_load_acquire(ring->sq.khead); at != tail; at++) {
        struct io_uring_sqe *entry = &ring->sq.sqes[at & *ring->sq.kring_mask];
        const internals_fault_point point = point_of(entry);
        if (point == INTERNALS_FAULT_POINT_COUNT || !strikes(point))
            continue;
        if (struck_count == STRUCK_MAX)
            abort();
        struck[struck_count++] = (struct struck){.user_data = entry->user_data, .error = faults[point].error};
        if (point == INTERNALS_FAULT_CANCEL || point == INTERNALS_FAULT_CLOSE)
            continue;
        const uint8_t link = entry->flags & IOSQE_IO_HARDLINK;
        const uint64_t user_data = entry->user_data;
        io_uring_prep_nop(entry);
        entry->flags = link;
        entry->user_data = user_data;
    }
}

static void answer_struck(void)
{
    const uint32_t tail = io_uring_smp_load_acquire(ring->cq.ktail);
    for (uint32_t at = *ring->cq.khead; at != tail && struck_count > 0; at++) {
        struct io_uring_cqe *entry = &ring->cq.cqes[at & *ring->cq.kring_mask];
        for (uint32_t i = 0; i < struck_count; i++) {
            if (struck[i].user_data != entry->user_data)
                continue;
            entry->res = -struck[i].error;
            struck[i] = struck[--struck_count];
            break;
        }
    }
}

static void show_withheld(void)
{
    if (!withheld.some)
        return;
    withheld.some = false;
    io_uring_smp_store_release(withheld.of->cq.ktail, withheld.tail);
    __atomic_and_fetch(withheld.of->sq.kflags, ~IORING_SQ_CQ_OVERFLOW, __ATOMIC_RELAXED);
}

static void withhold_from(uint32_t tail)
{
    withheld = (struct withheld){.some = true, .of = ring, .tail = *ring->cq.ktail};
    io_uring_smp_store_release(ring->cq.ktail, tail);
    __atomic_or_fetch(ring->sq.kflags, IORING_SQ_CQ_OVERFLOW, __ATOMIC_RELAXED);
}

void internals_faults_end(void)
{
    show_withheld();
    memset(faults, 0, sizeof faults);
    struck_count = 0;
    leapt_ns = 0;
}

extern long interceptor_syscall(long, ...) __asm__("__interceptor_syscall") __attribute__((weak));
static void *known_syscall;
long front_syscall(long number, ...) __asm__("syscall");

UNSEEN long front_syscall(long number, ...)
{
    long values[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        values[i] = va_arg(list, long);
    va_end(list);
    if (number == __NR_io_uring_enter)
        enter_ring((int)values[0]);
    const bool enters = number == __NR_io_uring_enter && ring != NULL && inside_the_core;
    if (enters && strikes(INTERNALS_FAULT_WAIT))
        return -1;
    if (number == __NR_io_uring_register && strikes(INTERNALS_FAULT_RING_REGISTER))
        return -1;
    const uint32_t tail_before = enters ? *ring->cq.ktail : 0;
    if (enters) {
        show_withheld();
        strike_submissions();
    }
    const long result = NEXT(syscall)(number, values[0], values[1], values[2], values[3], values[4], values[5]);
    const int error = errno;
    if (enters) {
        answer_struck();
        if (strikes(INTERNALS_FAULT_ANSWER))
            withhold_from(tail_before);
    }
    errno = error;
    return result;
}
