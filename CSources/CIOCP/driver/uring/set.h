/* Several rings behind one handle space, for a worker that holds more connections than one ring's table does: RLIMIT_NOFILE
 * bounds the table of each ring, and not their sum.
 *
 *   set.c        the seam: each operation goes to the ring of its handle
 *   set_open.c   opening and closing them all
 *   set_handing.c  connections that go to another worker, and come from one
 *   set_wait.c   one wait for all of them; which ring takes a new connection
 *
 * The first ring sleeps, is woken and accepts. While it sleeps, the others tell its wake-up of their completions. Measured with 64
 * rings on one core, over 64 threads with a ring each: 0.44 of the CPU per message where 100 of 18,000 connections are busy, 0.88
 * where all of 1,000 are. */
#ifndef IOCP_DRIVER_URING_SET_H
#define IOCP_DRIVER_URING_SET_H

#include "uring.h"

enum {
    IOCP_URING_SET_WAITING_MAX = IOCP_LISTEN_BACKLOG_MAX, /* a power of two */
    IOCP_URING_SET_RETRY_NS = 1000 * 1000, /* while such clients wait, no wait sleeps longer */
    IOCP_URING_SET_HANDLE_BITS = 20, /* of a handle in its ring; above it stands which ring that is */
};

_Static_assert(IOCP_CONNECTIONS_PER_WORKER_MAX <= 1 << IOCP_URING_SET_HANDLE_BITS, "a ring's handles have room");
_Static_assert((uint64_t)IOCP_QUEUES_MAX << IOCP_URING_SET_HANDLE_BITS < INT32_MAX, "a handle is the result of an accept");

typedef struct iocp_uring_member {
    iocp_uring *uring;
    uint32_t held[IOCP_BUFFER_CLASS_COUNT]; /* buffers that its receives can fill */
} iocp_uring_member;

typedef struct iocp_uring_set {
    const iocp_driver_config *config; /* of the first member */
    uint32_t count;
    uint32_t next;  /* the member that the next wait looks at first, so that a full array of events starves none */
    bool first_due;   /* the wait before found no room for the first ring's events */
    /* Events of accepts whose clients could not be placed yet, from head to tail; the results are descriptors. */
    iocp_arena waiting_arena;
    iocp_event *waiting;
    uint32_t waiting_head;
    uint32_t waiting_tail;
    bool interrupted; /* a signal ended a wait of this one */
    iocp_uring_member members[];
} iocp_uring_set;

static inline iocp_uring_set *iocp_uring_set_of(iocp_driver *driver)
{
    return (iocp_uring_set *)driver;
}

static inline iocp_uring_member *iocp_uring_member_of(iocp_uring_set *set, uint32_t handle)
{
    return &set->members[handle >> IOCP_URING_SET_HANDLE_BITS];
}

static inline iocp_driver *iocp_uring_driver_of(iocp_driver *driver, uint32_t handle)
{
    return (iocp_driver *)iocp_uring_member_of(iocp_uring_set_of(driver), handle)->uring;
}

/* A handle's name in its ring. */
static inline uint32_t iocp_uring_set_inner(uint32_t handle)
{
    return handle & ((UINT32_C(1) << IOCP_URING_SET_HANDLE_BITS) - 1);
}

static inline uint32_t iocp_uring_set_outer(uint32_t member, uint32_t handle)
{
    return member << IOCP_URING_SET_HANDLE_BITS | handle;
}

/* set_open.c */
int iocp_uring_set_open(iocp_driver **driver, const iocp_driver_config *config, iocp_failure *failure);
void iocp_uring_set_close(iocp_driver *driver);
uint32_t iocp_uring_set_queues(uint32_t handle_count);

/* set_handing.c */
extern const iocp_hand_over_operations iocp_uring_set_hand_over;

/* set_wait.c */
int iocp_uring_set_wait(iocp_driver *driver, iocp_event *events, uint32_t capacity, uint64_t timeout_ns);

/* The first member with room, so that few rings have all the traffic as long as few connections are open; its index, or
 * -ENFILE. */
int iocp_uring_set_choose(const iocp_uring_set *set);

#endif
