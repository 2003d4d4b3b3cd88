/* The epoll driver from the inside: the same seam over readiness, for machines that refuse io_uring.
 *
 *   setup.c     opening, the table of sockets
 *   submit.c    intents: what can be done at once is done at once, the rest waits for readiness
 *   complete.c  waiting, and what readiness turns into
 *   handing.c   sockets that go to another worker, and come from one
 *
 * Sockets are registered once, edge-triggered, for both directions: no epoll_ctl(2) on the message path. */
#ifndef IOCP_DRIVER_EPOLL_EPOLL_H
#define IOCP_DRIVER_EPOLL_EPOLL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "../driver.h"

/* struct epoll_params and its ioctl, ioctl_eventpoll(2), since 6.9. Names of our own, as newer headers have them. */
typedef struct iocp_epoll_busy_poll {
    uint32_t timeout_us;
    uint16_t packets_max;
    uint8_t prefer;
    uint8_t reserved;
} iocp_epoll_busy_poll;

#define IOCP_EPOLL_SET_BUSY_POLL _IOW(0x8a, 0x01, iocp_epoll_busy_poll)

enum {
    IOCP_EPOLL_READY_MAX = 512, /* readiness reports one epoll_wait may bring */
    IOCP_EPOLL_POLLED_PACKETS_MAX = 64, /* of one busy poll: NAPI_POLL_WEIGHT, the most that takes no privilege */
    IOCP_EPOLL_NONE = -1,
};

/* What the kernel and the worker last said about a socket. */
typedef enum iocp_epoll_flag : uint16_t {
    IOCP_EPOLL_RECEIVING = 1 << 0,  /* a receive is armed */
    IOCP_EPOLL_SENDING = 1 << 1,    /* a send waits for room */
    IOCP_EPOLL_CONNECTING = 1 << 2,
    IOCP_EPOLL_READABLE = 1 << 3,   /* an edge was seen and not yet read to its end */
    IOCP_EPOLL_LISTED = 1 << 4,     /* stands in the list of sockets to read */
    IOCP_EPOLL_FINISHING = 1 << 5,  /* the peer's FIN or an error is behind what is readable */
    IOCP_EPOLL_URGENT = 1 << 6,     /* and an urgent mark is before it, at which a read stops short */
    IOCP_EPOLL_WATCHING = 1 << 7,   /* a watch is armed */
    IOCP_EPOLL_BROKEN = 1 << 8,     /* the transport failed */
    IOCP_EPOLL_SHARED = 1 << 9,     /* others may have descriptors of it */
} iocp_epoll_flag;

typedef struct iocp_epoll_socket {
    int32_t fd;
    uint32_t next;          /* free list */
    uint64_t receive_token;
    uint64_t watch_token;
    uint64_t send_token;    /* of the send that waits, or of the connect */
    iocp_range rest;        /* what the waiting send offers */
    uint16_t flags;
} iocp_epoll_socket;

typedef struct iocp_epoll_listener {
    int32_t fd;             /* IOCP_EPOLL_NONE: never seen */
    bool armed;
    bool many;
    uint64_t token;
} iocp_epoll_listener;

/* A ring of indices or events, as large as it can ever be filled. */
typedef struct iocp_epoll_events {
    iocp_arena arena;
    iocp_event *entries;
    uint32_t mask;
    uint32_t head;
    uint32_t tail;
} iocp_epoll_events;

typedef struct iocp_epoll_list {
    iocp_arena arena;
    uint32_t *entries;
    uint32_t mask;
    uint32_t head;
    uint32_t tail;
} iocp_epoll_list;

typedef struct iocp_epoll {
    iocp_driver_config config;
    int32_t fd;
    bool waits_for_nanoseconds; /* epoll_pwait2(2) works here */
    uint32_t handles_held;
    uint32_t free_head;
    uint32_t untouched;
    iocp_arena sockets_arena;
    iocp_epoll_socket *sockets;
    iocp_epoll_listener listeners[IOCP_LISTENERS_MAX];
    iocp_epoll_events pending;  /* ended already, not handed over yet */
    uint32_t silent_count;      /* of those, silent sends since the last wait: they end no sleep */
    iocp_epoll_list readable;   /* sockets to read */
    uint32_t armed_from;        /* where in that list those stand that were armed since the last wait */
    iocp_epoll_list buffers;    /* provided receive buffers, in order; the first is being filled */
    uint32_t filled_bytes;      /* of that first one */
    struct epoll_event ready[IOCP_EPOLL_READY_MAX];
} iocp_epoll;

/* Since Linux 5.11 and glibc 2.35. Weak: an older libc, or musl, does not have it. */
__attribute__((weak)) int epoll_pwait2(
    int fd, struct epoll_event *events, int capacity, const struct timespec *timeout, const sigset_t *signals);

static inline iocp_epoll *iocp_epoll_of(iocp_driver *driver)
{
    return (iocp_epoll *)driver;
}

/* What epoll reports about: a socket by its handle, a listener, or the wake-up. */
enum { IOCP_EPOLL_ABOUT_SOCKET = 0, IOCP_EPOLL_ABOUT_LISTENER = 1, IOCP_EPOLL_ABOUT_WAKE = 2 };

static inline uint64_t iocp_epoll_about(uint32_t kind, uint32_t index)
{
    return (uint64_t)kind << 32 | index;
}

/* sockets.c */

/* Takes over an fd and registers it. Returns its handle, or -errno with the fd closed. */
int iocp_epoll_adopt(iocp_epoll *epoll, int fd);
/* As iocp_epoll_adopt; an fd that is refused stays open. */
int iocp_epoll_add(iocp_epoll *epoll, int fd);
/* Frees a handle, whose fd is somebody else's by now. */
void iocp_epoll_release(iocp_epoll *epoll, uint32_t handle);
/* Closes the fd and frees its handle. */
void iocp_epoll_forget(iocp_epoll *epoll, uint32_t handle);
/* An operation ended: its event is due at the next wait. */
void iocp_epoll_end(iocp_epoll *epoll, uint64_t token, int32_t result);
/* Lists a socket that may have bytes to read. */
void iocp_epoll_list_readable(iocp_epoll *epoll, uint32_t handle);

/* submit.c */
void iocp_epoll_accept(iocp_driver *driver, uint64_t token, int listener, bool many);
int iocp_epoll_connect(iocp_driver *driver, uint64_t token, const iocp_endpoint *endpoint, const iocp_endpoint *source,
                       uint32_t *handle);
void iocp_epoll_receive(iocp_driver *driver, uint64_t token, uint32_t handle, iocp_buffer_class class);
int iocp_epoll_adopt_connected(iocp_driver *driver, uint64_t token, int fd, uint32_t *handle);
void iocp_epoll_watch(iocp_driver *driver, uint64_t token, uint32_t handle);
void iocp_epoll_send(iocp_driver *driver, uint64_t token, uint32_t handle, const iocp_range *ranges, uint32_t count,
                     iocp_send_mode mode);
void iocp_epoll_shutdown(iocp_driver *driver, uint64_t token, uint32_t handle);
void iocp_epoll_cancel(iocp_driver *driver, uint64_t token, uint32_t handle);
void iocp_epoll_close_handle(iocp_driver *driver, uint64_t token, uint32_t handle, bool abort);
int iocp_epoll_peer(iocp_driver *driver, uint32_t handle, iocp_address *address);
int iocp_epoll_get_option(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, void *value,
                          uint32_t *count_bytes);
int iocp_epoll_set_option(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, const void *value,
                          uint32_t count_bytes);
int iocp_epoll_local(iocp_driver *driver, uint32_t handle, iocp_address *address);
int iocp_epoll_unacknowledged(iocp_driver *driver, uint32_t handle);
void iocp_epoll_provide(iocp_driver *driver, uint16_t buffer);

/* Ends a watch of a socket whose transport failed. */
void iocp_epoll_tell_failure(iocp_epoll *epoll, iocp_epoll_socket *socket);
/* Offers the waiting send's rest; ends it unless nothing fitted. */
void iocp_epoll_send_rest(iocp_epoll *epoll, iocp_epoll_socket *socket);
void iocp_epoll_listen_for(iocp_epoll *epoll, uint32_t index, bool armed);

/* complete.c */
int iocp_epoll_wait(iocp_driver *driver, iocp_event *events, uint32_t capacity, uint64_t timeout_ns);

/* handing.c */
extern const iocp_hand_over_operations iocp_epoll_hand_over;

#endif
