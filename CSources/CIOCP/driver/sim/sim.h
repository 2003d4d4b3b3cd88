/* The sim driver from the inside: one thread's kernel, network and peers, decided by one random sequence.
 *
 *   world.c     creating, the random sequence, the weather, what a test asks
 *   streams.c   the bytes that peers send
 *   setup.c     a worker's opening and closing
 *   listening.c sockets that listen, and the clients that wait there
 *   submit.c    intents, and whether the worker may have them now
 *   kernel.c    operations make progress, and end
 *   peer.c      what the other ends do
 *   handing.c   sockets that go to another worker, and come from one
 *   complete.c  waiting: time passes, events are handed over */
#ifndef IOCP_DRIVER_SIM_SIM_H
#define IOCP_DRIVER_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "../../base/limits.h"
#include "../../include/iocp_sim.h"
#include "../driver.h"

enum {
    IOCP_SIM_INBOUND_EVENTS = 32,  /* of one socket, not handed over yet; powers of two */
    IOCP_SIM_OUTBOUND_EVENTS = 4,  /* a connect or send, a watch, a shutdown, a close */
    IOCP_SIM_ACCEPT_EVENTS = 8,
    IOCP_SIM_ENDED_NAMES = 16,     /* connections that ended, remembered for late events of theirs */
    IOCP_SIM_BACKLOG_MAX = 6,       /* clients that wait at one socket */
    IOCP_SIM_BOUND_MAX = 3 * IOCP_LISTENERS_MAX + 1, /* one of each worker's and a holder for each, and a claim */
    IOCP_SIM_NEIGHBOUR_STREAM = 1 << 24, /* from here on a neighbour numbers the streams of its peers */
    IOCP_SIM_ALWAYS = 1024,        /* chances are given in 1,024ths */
    IOCP_SIM_HANDLES_MAX = 1024,
};

/* --- operations --------------------------------------------------------------------------------------------- */

typedef enum iocp_sim_kind : uint8_t {
    IOCP_SIM_RECEIVE = 0,
    IOCP_SIM_SEND = 1,
    IOCP_SIM_CONNECT = 2,
    IOCP_SIM_SHUTDOWN = 3,
    IOCP_SIM_CLOSE = 4,
    IOCP_SIM_WATCH = 5,
    IOCP_SIM_KIND_COUNT = 6,
} iocp_sim_kind;

typedef enum iocp_sim_stage : uint8_t {
    IOCP_SIM_IDLE = 0,
    IOCP_SIM_SUBMITTED = 1, /* with the kernel */
    IOCP_SIM_ENDED = 2,     /* its terminal event is not handed over yet */
} iocp_sim_stage;

typedef struct iocp_sim_operation {
    uint64_t token;
    iocp_sim_stage stage;
    bool cancelled;
} iocp_sim_operation;

/* Events in the order of their stream. `entries` has a power of two of them. */
typedef struct iocp_sim_queue {
    uint32_t head;
    uint32_t tail;
} iocp_sim_queue;

/* --- sockets and their peers -------------------------------------------------------------------------------- */

typedef struct iocp_sim_peer {
    uint64_t total_bytes;    /* what it will send */
    uint64_t arrived_bytes;  /* of those, at the socket */
    uint64_t delivered_bytes; /* of those, in receive buffers */
    uint32_t window_bytes;   /* how much it takes before it has to read, the worker's socket included */
    uint32_t sip_bytes;      /* how much it reads at most at a time; 0: as much as it likes */
    uint32_t unread_bytes;
    bool finishes;           /* sends FIN of itself, not only in answer to one */
    bool finished;           /* its FIN is at the socket */
    bool finish_seen;        /* and was received */
    bool stalled;            /* does not read */
    bool silent;             /* vanished: does nothing any more, and nobody says so */
    bool missed;             /* if it vanishes, the kernel notices after a while */
    bool stubborn;           /* does not answer a FIN with its own */
    bool speaks;             /* a protocol of the test's, in place of its stream */
} iocp_sim_peer;

typedef struct iocp_sim_socket {
    bool open;
    bool established;
    bool accepted;
    bool broken;               /* the transport failed: bytes may be lost */
    bool abort;                /* the close submitted is an aborting one */
    bool unanswered;           /* its connect ends by a cancel alone */
    bool finish_sent;
    iocp_send_mode send_mode;
    uint64_t sent_in_wait;     /* the number of the wait that submits the send */
    iocp_buffer_class class;   /* of the buffers its receive takes */
    int32_t error;             /* reported to the first operation that looks, as by a kernel's sk_err */
    uint32_t stream;
    uint16_t port_be;          /* where it was accepted; 0: it connected */
    iocp_token connection;     /* 0 until an operation named it */
    iocp_sim_peer peer;
    iocp_sim_operation operations[IOCP_SIM_KIND_COUNT];
    uint32_t range_count;
    uint32_t send_bytes;
    iocp_sim_queue inbound;
    iocp_sim_queue outbound;
    iocp_event inbound_events[IOCP_SIM_INBOUND_EVENTS];
    iocp_event outbound_events[IOCP_SIM_OUTBOUND_EVENTS];
    iocp_range ranges[IOCP_SEND_RANGES_MAX];
} iocp_sim_socket;

/* A socket that is bound, and listens or not yet. */
typedef struct iocp_sim_bound {
    int name;
    uint16_t port_be;
    bool listens;
    bool ended;
    uint32_t waiting_count; /* clients in its backlog */
} iocp_sim_bound;

typedef struct iocp_sim_listener {
    iocp_sim_operation accept;
    int socket;
    bool many;
    iocp_sim_queue queue;
    iocp_event events[IOCP_SIM_ACCEPT_EVENTS];
} iocp_sim_listener;

/* One receive buffer. Events are handed over in any order across sockets, but the last one that names bytes of a
 * buffer is the one that gives it back. */
typedef struct iocp_sim_buffer {
    uint32_t waiting_count; /* events not handed over yet that name bytes of it */
    bool held;              /* by the kernel, as far as the worker knows */
    bool spent;             /* no more is written to it */
} iocp_sim_buffer;

/* Receive buffers the kernel may write to, in the order they were provided. */
typedef struct iocp_sim_buffers {
    uint16_t *ids;
    uint32_t capacity;
    uint32_t head;
    uint32_t count;
    uint32_t filled_bytes; /* of the first one */
} iocp_sim_buffers;

/* --- the world ---------------------------------------------------------------------------------------------- */

/* How likely things are, each in 1,024ths. */
typedef struct iocp_sim_weather {
    uint32_t client;        /* somebody connects */
    uint32_t delay;         /* an event stays behind */
    uint32_t short_send;
    uint32_t transient;     /* EINTR, EAGAIN, ENOMEM and their like */
    uint32_t fatal;         /* any other errno */
    uint32_t starve;        /* ENOBUFS although there are buffers */
    uint32_t end_multishot;
    uint32_t refuse;        /* of accepts, connects and questions */
    uint32_t unanswered;    /* a connect that nobody answers, ever */
    uint32_t crowd;         /* for a while no question is answered, and no socket placed */
    uint32_t collapse;      /* a wait fails for good */
    uint32_t reset;
    uint32_t vanish;
    uint32_t stall;
    uint32_t stale;         /* a late event of a connection that ended */
    uint32_t late_cancel;   /* a cancel comes after its operation went on */
    uint32_t late_close;    /* a close takes its time */
    uint32_t interrupt;     /* a wait ends with EINTR, or for no reason */
} iocp_sim_weather;

struct iocp_sim {
    iocp_sim *neighbour; /* whose listening sockets these are, too; NULL: they are this one's */
    uint32_t neighbour_count; /* of those whose neighbour this one is */
    uint64_t random;
    uint64_t now_ns;
    uint64_t sleep_count; /* waits that might sleep */
    uint64_t crowded_until_ns;
    uint64_t event_count;
    uint64_t accepted_count;    /* clients handed to the worker */
    bool whole_buffers;
    bool cannot_be_asked;       /* what peers have not acknowledged: an old kernel */
    bool clear;
    bool clients_stopped;
    iocp_token dam_reader;      /* while it is clear but for a dam: whose peer alone reads */
    uint32_t pace_ns;           /* time that one step may take */
    uint32_t peer_bytes_max;
    uint32_t window_bytes_max;
    uint32_t address_count;     /* of peers */
    uint32_t queue_entries;     /* events that wait before the completion queue overflows, and multishots end */
    iocp_sim_weather weather;
    iocp_sim_observer observer;

    iocp_sim_bound bound[IOCP_SIM_BOUND_MAX];
    uint32_t bound_count;

    /* while a worker is open */
    bool driver_open;
    iocp_driver_config config;
    uint32_t handles_held;
    uint32_t stream_count;
    uint32_t waiting_count;     /* events not handed over yet */
    uint64_t wait_count;        /* waits begun */
    iocp_sim_socket *sockets;
    iocp_sim_listener *listeners;
    uint32_t listener_count;    /* listeners seen */
    iocp_sim_buffer *all_buffers; /* by id */
    iocp_sim_buffers buffers[IOCP_BUFFER_CLASS_COUNT];
    uint64_t ended[IOCP_SIM_ENDED_NAMES];
    uint32_t ended_count;
};

static inline iocp_sim *iocp_sim_of(const iocp_driver *driver)
{
    return (iocp_sim *)(uintptr_t)driver;
}

/* world.c */
iocp_sim *iocp_sim_current(void);
uint32_t iocp_sim_below(iocp_sim *sim, uint32_t bound);
bool iocp_sim_chance(iocp_sim *sim, uint32_t of_1024);
/* Mostly small, sometimes up to `most`. */
uint32_t iocp_sim_magnitude(iocp_sim *sim, uint32_t most);
void iocp_sim_say(iocp_sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Tells of an error that the worker is given; passes it on. */
int iocp_sim_fail(iocp_sim *sim, const char *operation, int32_t result);
void iocp_sim_violated(iocp_sim *sim, const char *rule, const char *what, iocp_token connection);

#define IOCP_SIM_REQUIRE(sim, condition, rule, what, connection)       \
    do {                                                               \
        if (__builtin_expect(!(condition), 0))                         \
            iocp_sim_violated((sim), (rule), (what), (connection));    \
    } while (0)
#define IOCP_SIM_SAY(sim, ...)                                         \
    do {                                                               \
        if (__builtin_expect((sim)->observer.trace != NULL, 0))        \
            iocp_sim_say((sim), __VA_ARGS__);                          \
    } while (0)

/* The peer's network: few, so that they are met again; every fifth speaks IPv6. */
static inline uint32_t iocp_sim_host_of(const iocp_sim *sim, const iocp_sim_socket *socket)
{
    return (1 + socket->stream % sim->address_count) | (socket->stream % 5 == 0 ? 0x100 : 0);
}

/* Where the listening sockets are that its worker accepts from. */
static inline iocp_sim *iocp_sim_network(iocp_sim *sim)
{
    return sim->neighbour != NULL ? sim->neighbour : sim;
}

/* handing.c */
extern const iocp_hand_over_operations iocp_sim_hand_over;

/* listening.c */
extern const iocp_listening_operations iocp_sim_listening;
/* NULL for one that is closed. */
iocp_sim_bound *iocp_sim_bound_find(iocp_sim *sim, int name);
/* Somebody connects somewhere. */
void iocp_sim_client_comes(iocp_sim *sim);
/* Those that wait go away. */
void iocp_sim_clients_go(iocp_sim *sim);

/* setup.c */
const iocp_driver_operations *iocp_sim_operations(bool whole_buffers);

/* submit.c */
void iocp_sim_accept(iocp_driver *driver, uint64_t token, int listener, bool many);
int iocp_sim_connect(iocp_driver *driver, uint64_t token, const iocp_endpoint *endpoint, const iocp_endpoint *source,
                     uint32_t *handle);
void iocp_sim_receive(iocp_driver *driver, uint64_t token, uint32_t handle, iocp_buffer_class class);
void iocp_sim_watch(iocp_driver *driver, uint64_t token, uint32_t handle);
void iocp_sim_send(iocp_driver *driver, uint64_t token, uint32_t handle, const iocp_range *ranges, uint32_t count,
                   iocp_send_mode mode);
void iocp_sim_shutdown(iocp_driver *driver, uint64_t token, uint32_t handle);
void iocp_sim_cancel(iocp_driver *driver, uint64_t token, uint32_t handle);
void iocp_sim_close_handle(iocp_driver *driver, uint64_t token, uint32_t handle, bool abort);
int iocp_sim_peer_address(iocp_driver *driver, uint32_t handle, iocp_address *address);
int iocp_sim_get_option(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, void *value,
                        uint32_t *count_bytes);
int iocp_sim_set_option(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, const void *value,
                        uint32_t count_bytes);
int iocp_sim_local_address(iocp_driver *driver, uint32_t handle, iocp_address *address);
int iocp_sim_unacknowledged(iocp_driver *driver, uint32_t handle);
void iocp_sim_provide(iocp_driver *driver, uint16_t buffer);

/* kernel.c */

/* A free handle with a new socket and peer, or UINT32_MAX. */
uint32_t iocp_sim_socket_open(iocp_sim *sim, bool established);
void iocp_sim_socket_break(iocp_sim *sim, iocp_sim_socket *socket, int32_t error);
/* Whatever is submitted on a socket goes on, or not. */
void iocp_sim_socket_progress(iocp_sim *sim, uint32_t handle);
void iocp_sim_listener_progress(iocp_sim *sim, iocp_sim_listener *listener);
/* Writes no more to the first buffer of a class; the event names it, and gives it back unless others still name it. */
void iocp_sim_buffer_spend(iocp_sim *sim, iocp_buffer_class class, iocp_event *event);
/* An event that names a buffer's bytes is handed over. */
void iocp_sim_buffer_named(iocp_sim *sim, iocp_event *event);

/* Every socket ends, as when a ring is closed over them. */
void iocp_sim_break_all(iocp_sim *sim);

/* peer.c */
void iocp_sim_peer_new(iocp_sim *sim, iocp_sim_peer *peer);
void iocp_sim_peer_act(iocp_sim *sim, iocp_sim_socket *socket);
/* The socket has its place in the world, so its peer may turn out to speak a protocol. */
void iocp_sim_peer_meet(iocp_sim *sim, iocp_sim_socket *socket);
/* Bytes of its own that it sends in all, unless it gets another answer than it has by now. */
uint64_t iocp_sim_peer_may_send(const iocp_sim *sim, const iocp_sim_socket *socket);
/* What it sends at a place. */
void iocp_sim_peer_copy(const iocp_sim *sim, const iocp_sim_socket *socket, uint64_t position, uint8_t *bytes,
                        uint32_t count_bytes);

/* complete.c */
int iocp_sim_wait(iocp_driver *driver, iocp_event *events, uint32_t capacity, uint64_t timeout_ns);

#endif
