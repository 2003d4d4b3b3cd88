/* The seam: what a worker asks of whatever moves bytes under it.
 *
 * A driver knows tokens, handles (its own names of sockets), byte ranges and receive buffers. It knows no
 * connections, queues or deadlines, and shows no fd or ring entry. One driver instance serves one worker; every
 * function is called by the worker's thread unless it says otherwise.
 *
 * The rules every driver keeps:
 *   - Each submitted operation ends in exactly one terminal event: one without EVENT_MORE. accept and receive may
 *     deliver any number of events before it.
 *   - Submissions cannot fail at the call; failures are events. (connect may refuse: it creates a socket.)
 *   - Events of one handle come in the order of its stream. Across handles any order is right.
 *   - A cancel ends the operation it names on that operation's own terminal event, whether that is -ECANCELED or not. It has no event
 *     of its own.
 *   - close ends every effect of the handle on the peer with FIN, or RST when aborting. It is called when no other
 *     operation of the handle is outstanding, and the handle's name is free again after its event.
 *   - Memory given to send must stay until its terminal event; ranges arrays only until the call returns. */
#ifndef IOCP_DRIVER_DRIVER_H
#define IOCP_DRIVER_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/token.h"
#include "../include/iocp_endpoint.h"
#include "../include/iocp_socket.h"
#include "../include/iocp_stats_fields.h"
#include "../include/iocp_system.h"
#include "../memory/range.h"
#include "../memory/receive_buffers.h"

typedef enum iocp_event_flag : uint8_t {
    IOCP_EVENT_MORE = 1 << 0,        /* not terminal: the operation goes on */
    IOCP_EVENT_BUFFER = 1 << 1,      /* result bytes lie at buffer/offset */
    IOCP_EVENT_BUFFER_DONE = 1 << 2, /* the driver will not write to that buffer again */
} iocp_event_flag;

typedef struct iocp_event {
    uint64_t token;
    int32_t result;      /* accept: a handle; receive and send: bytes; else 0; or -errno */
    uint32_t offset;     /* of the received bytes in their buffer */
    uint16_t buffer;
    uint8_t flags;
} iocp_event;

typedef struct iocp_driver_config {
    uint32_t worker;
    uint32_t handle_count;             /* sockets besides listeners */
    uint32_t completion_queue_entries;
    uint64_t *enters;                  /* counts kernel entries; the stats page's own counter */
    uint64_t *queue_overflows;
    bool lockdown;                     /* refuse every operation of the kernel interface that is not needed */
    bool tells_wake_fd;                /* of its completions, where that is asked for; wakes do not end its waits */
    uint32_t busy_poll_us;             /* 0: none; else a wait polls the network card's queues for this time */
    bool rehearsed;                    /* so the kernel may still owe what the rehearsal gave back (see rehearse) */
    int wake_fd;                       /* an eventfd: while readable, a wait ends at once and empties it */
    iocp_receive_buffers *buffers;     /* for their addresses; who holds them is the worker's to know */
} iocp_driver_config;

/* What all instances of a port together ask of the kernel. */
typedef struct iocp_driver_rehearsal {
    uint32_t instance_count;
    uint32_t completion_queue_entries;
    uint32_t buffer_counts[IOCP_BUFFER_CLASS_COUNT];
} iocp_driver_rehearsal;

/* How a send treats a full socket, and who waits for its end. */
typedef enum iocp_send_mode : uint8_t {
    IOCP_SEND_NOW,    /* takes what fits at once, or ends with -EAGAIN */
    IOCP_SEND_SILENT, /* as NOW; nobody waits for its success, which need not end a wait: its event comes with whatever
                       * ends the wait that submitted it, even if that is the timeout, or else keeps later waits from sleeping */
    IOCP_SEND_WAIT,   /* waits for room */
} iocp_send_mode;

/* A socket that accepts, as far as it is known outside of the driver. */
typedef struct iocp_bound {
    iocp_endpoint endpoint;
    uint64_t file_device; /* of a path: which file it was when it was bound */
    uint64_t file_number;
    bool shared;          /* every worker has a descriptor of one socket; otherwise each has a socket (SO_REUSEPORT) */
} iocp_bound;

/* What a socket of an endpoint is bound for. */
typedef enum iocp_bind_role : uint8_t {
    IOCP_BIND_CLAIM, /* the first one: fails while anybody else listens there; stands until the others are bound */
    IOCP_BIND_HOLD,  /* keeps the endpoint for workers that are to come; of its own it does not listen */
    IOCP_BIND_SHARE, /* a worker's; does not listen yet */
} iocp_bind_role;

/* What waits to be accepted from a listening socket. */
typedef struct iocp_backlog {
    uint32_t waiting_count;
    uint32_t limit_count;   /* of those that wait; one more is let in */
    uint32_t dropped_count; /* attempts to connect that were dropped since it was bound; wraps */
} iocp_backlog;

/* Listeners belong to the port, not to a worker: they are named by a descriptor of the process. Thread: any. */
typedef struct iocp_listening_operations {
    /* CLAIM: binds what bound->endpoint wants, and fills `bound` with what is in force. If `sibling` is not -1, it is a
     * descriptor that was bound elsewhere: it is taken instead, and stays the caller's. The other roles: one more socket
     * of the same, or one more descriptor of `sibling`, which was bound before. Returns the listener or -errno. */
    int (*bind)(iocp_bound *bound, const iocp_listen_options *options, iocp_bind_role role, int sibling);
    int (*listen)(int listener, uint32_t backlog);
    /* Of the sockets that share an endpoint, this one is to have the clients whose packets a CPU takes in; where no socket
     * prefers that CPU the kernel chooses by a hash. A wish: a kernel before 6.2 does not hear it. NULL: there are no CPUs. */
    void (*prefer_cpu)(int listener, uint32_t cpu);
    /* Refuses clients from here on, whoever has a descriptor of the socket; accepts end with -EINVAL. */
    void (*end)(int listener);
    void (*unbind)(int listener);
    /* Removes the path of a listener that ends, if it is still the file that was bound. Async-signal-safe. */
    void (*remove)(const iocp_bound *bound);
    /* Whether the endpoint, which bind refused with -EADDRINUSE, may come free by itself in a moment: its holder has died,
     * and the kernel is not done with it. NULL: never. */
    bool (*may_come_free)(const iocp_endpoint *endpoint);
    /* Two system calls. Returns 0 or -errno; -EOPNOTSUPP of a Unix socket. NULL: cannot be asked. */
    int (*backlog)(int listener, iocp_backlog *backlog);
} iocp_listening_operations;

typedef struct iocp_driver iocp_driver;

/* A connected socket between two workers: no driver has it, so nothing is done with it but what its peer does. */
typedef struct iocp_traveller {
    int fd;       /* -1: none */
    bool shared;  /* somebody else has a descriptor of the same socket */
    void *played; /* a simulated kernel's socket */
} iocp_traveller;

/* Hands sockets over between the workers of a port. The driver of one packs a socket; then it leaves or stays. The driver
 * of the other takes it, which may fail: nothing is lost by that. Whoever has a traveller that nobody takes abandons it. */
typedef struct iocp_hand_over_operations {
    /* Prepares the socket of a handle without an operation outstanding. Until `leave` or `stay` the handle is still there,
     * and nothing may be asked of it. Returns 0 or -errno, and then nothing has changed; -EBUSY, -EAGAIN, -EMFILE: not now;
     * -EOPNOTSUPP: never on this kernel. */
    int (*pack)(iocp_driver *driver, uint32_t handle, iocp_traveller *traveller);
    /* It is another worker's: gives the handle up, and sends nothing to the peer. The name is free again at a later wait. */
    void (*leave)(iocp_driver *driver, uint32_t handle);
    /* It is not: the handle is as it was. */
    void (*stay)(iocp_driver *driver, uint32_t handle, iocp_traveller *traveller);
    /* Returns 0 and the new handle; or -errno, and the traveller is as it was. */
    int (*take)(iocp_driver *driver, iocp_traveller *traveller, uint32_t *handle);
    /* Closes a socket that no driver has; its peer gets RST. Thread: any. */
    void (*abandon)(iocp_traveller *traveller);
} iocp_hand_over_operations;

/* `abandon` of the kernel's sockets. */
void iocp_traveller_abandon(iocp_traveller *traveller);

static inline uint64_t iocp_feature_bit(iocp_feature feature, bool is_used)
{
    return (uint64_t)is_used << feature;
}

typedef struct iocp_driver_operations {
    const char *name;
    iocp_driver_kind kind;
    const iocp_listening_operations *listening;
    const iocp_hand_over_operations *hand_over;
    bool whole_buffers; /* spends a whole buffer on each receive, so it wants small ones too */

    /* How many queues of the kernel's so many handles take, each of which needs receive buffers of its own. NULL: one. */
    uint32_t (*queues)(uint32_t handle_count);
    /* Opens all memory that this number of instances will hold and that the kernel bounds, at once, and closes it again.
     * Returns 0 or -errno and fills failure. Thread: any. NULL: it needs no such memory. */
    int (*rehearse)(const iocp_driver_rehearsal *rehearsal, iocp_failure *failure);
    /* Opens on the owner's thread. Returns 0 or -errno and fills failure. */
    int (*open)(iocp_driver **driver, const iocp_driver_config *config, iocp_failure *failure);
    /* Releases everything; operations still outstanding end without events. Owner's thread. */
    void (*close)(iocp_driver *driver);

    /* Multishot when `many`, otherwise one connection. Events: a handle per connection. */
    void (*accept)(iocp_driver *driver, uint64_t token, int listener, bool many);
    /* `source`: what the socket is bound to before; NULL: the kernel chooses. Returns 0 and the new handle, or -errno. Event:
     * 0 once established. */
    int (*connect)(iocp_driver *driver, uint64_t token, const iocp_endpoint *endpoint, const iocp_endpoint *source,
                   uint32_t *handle);
    /* As a connect that has ended: another descriptor of a connected socket, which `fd` stays open beside. */
    int (*adopt)(iocp_driver *driver, uint64_t token, int fd, uint32_t *handle);
    /* Receives into provided buffers of a class until cancelled. Result 0: the peer's FIN. -ENOBUFS: no buffer. Those
     * armed since the last wait find the buffers before those that went on through it. */
    void (*receive)(iocp_driver *driver, uint64_t token, uint32_t handle, iocp_buffer_class class);
    /* Waits for the transport to fail, on a socket whose receive is held back. Result -errno once it failed, or 0 when
     * nothing more can be told (the peer's FIN came). Reads nothing. */
    void (*watch)(iocp_driver *driver, uint64_t token, uint32_t handle);
    /* At most one send per handle at a time. */
    void (*send)(iocp_driver *driver, uint64_t token, uint32_t handle, const iocp_range *ranges, uint32_t count,
                 iocp_send_mode mode);
    /* Sends FIN. */
    void (*shutdown)(iocp_driver *driver, uint64_t token, uint32_t handle);
    /* `handle` is the socket of the operation; without meaning for an accept. */
    void (*cancel)(iocp_driver *driver, uint64_t token, uint32_t handle);
    void (*close_handle)(iocp_driver *driver, uint64_t token, uint32_t handle, bool abort);
    /* Returns 0 or -errno; -EBUSY, -EAGAIN: not now, and after a wait perhaps; -EAFNOSUPPORT: its peer has no address. */
    int (*peer)(iocp_driver *driver, uint32_t handle, iocp_address *address);
    /* As getsockopt(2): reads up to *count_bytes, and tells how many there are. As setsockopt(2). Each returns 0 or -errno,
     * as peer; -EOPNOTSUPP: this driver cannot ask for that here. */
    int (*get_option)(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, void *value,
                      uint32_t *count_bytes);
    int (*set_option)(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, const void *value,
                      uint32_t count_bytes);
    /* As peer, of this end of the connection. */
    int (*local)(iocp_driver *driver, uint32_t handle, iocp_address *address);
    /* Bytes that the socket took and its peer has not acknowledged; FIN counts as one. -EBUSY or -EAGAIN: not now;
     * any other -errno: it cannot be asked. */
    int (*unacknowledged)(iocp_driver *driver, uint32_t handle);

    /* Hands a buffer to receives. Takes effect at the next wait at the latest. */
    void (*provide)(iocp_driver *driver, uint16_t buffer);

    /* Whether a receive of this handle would find a buffer. NULL: it does if the driver holds any. */
    bool (*feeds)(const iocp_driver *driver, uint32_t handle, iocp_buffer_class class);

    /* Submits everything and waits until an event, a wake or the timeout. timeout_ns 0 polls.
     * Returns how many events were written (0 after a wake or timeout), or -EINTR; any other -errno: the driver failed,
     * events are lost, and nothing but close may be called any more. */
    int (*wait)(iocp_driver *driver, iocp_event *events, uint32_t capacity, uint64_t timeout_ns);

    /* The time that deadlines follow, in ns; NULL: the monotonic clock. Asked with NULL before a driver opens. */
    uint64_t (*now_ns)(const iocp_driver *driver);

    /* A bit for each iocp_feature that is in use. NULL: none. */
    uint64_t (*features)(const iocp_driver *driver);

    /* Sockets held, listeners not counted. */
    uint32_t (*handles_held)(const iocp_driver *driver);
} iocp_driver_operations;

const iocp_driver_operations *iocp_driver_uring(void);
/* With as many rings as the handles of one worker need. */
const iocp_driver_operations *iocp_driver_uring_set(void);
const iocp_driver_operations *iocp_driver_epoll(void);
/* NULL on a thread that uses no sim (include/iocp_sim.h). */
const iocp_driver_operations *iocp_driver_sim(void);

/* The operations of a driver kind (not AUTO), or NULL when this build has none. */
const iocp_driver_operations *iocp_driver_find(iocp_driver_kind kind);

#endif
