/* A kernel that is played: the `sim` driver, for tests of the core and of applications above it.
 *
 * It holds a virtual clock, sockets, and the peers at their other ends. It delays, splits, fails, starves and
 * reorders whatever the rules of the seam (driver/driver.h) allow, decides everything by one random sequence, and so
 * replays from its seed. It also watches that the worker above keeps its side of those rules.
 *
 * A worker with driver IOCP_DRIVER_SIM stands on the sim its thread uses, from iocp_port_create to
 * iocp_worker_close. Everything here, the port's functions included, is called on that one thread. */
#ifndef IOCP_SIM_H
#define IOCP_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "iocp_completion.h"

typedef struct iocp_sim iocp_sim;

/* How a connection's stream to its peer ended. Append only. */
typedef enum iocp_sim_ending : uint8_t {
    IOCP_SIM_FIN = 1,          /* by a shutdown: the peer may go on sending */
    IOCP_SIM_CLOSED_FIN = 2,   /* by a close */
    IOCP_SIM_CLOSED_RST = 3,   /* by an aborting close */
    IOCP_SIM_CLOSED_DIRTY = 4, /* by a close over unread bytes: TCP answers those with RST */
} iocp_sim_ending;

/* What a test sees of the kernel's side. Any function may be NULL. */
typedef struct iocp_sim_observer {
    void *context;
    /* A rule of the seam was broken by the worker. Should not return. */
    void (*violated)(void *context, const char *rule, const char *what, iocp_token connection);
    /* A socket has a connection's name from here on; its peer sends the bytes of `stream`. */
    void (*named)(void *context, iocp_token connection, uint32_t stream);
    /* Bytes of a send were taken by the transport, in this order. */
    void (*taken)(void *context, iocp_token connection, const uint8_t *bytes, uint32_t count_bytes);
    /* Their peer acknowledged some of them. */
    void (*acknowledged)(void *context, iocp_token connection, uint32_t count_bytes);
    /* The worker asked what its peer has not acknowledged yet. `answer` is a count of bytes, or -errno; `sending`: a send
     * had not ended for the worker, so what it took is not known there. */
    void (*asked)(void *context, iocp_token connection, int answer, bool sending);
    /* A send whose success need not end a wait was submitted: nobody should wait for it. */
    void (*silent)(void *context, iocp_token connection, uint32_t count_bytes);
    /* A receive was cancelled while the kernel had it. */
    void (*withdrew)(void *context, iocp_token connection);
    /* The transport failed, or the peer reset: bytes may be lost from here on. */
    void (*broke)(void *context, iocp_token connection);
    void (*ended)(void *context, iocp_token connection, iocp_sim_ending ending);
    /* A receive buffer was given to the kernel, which writes to it from here on. */
    void (*provided)(void *context, const uint8_t *start, uint32_t count_bytes);
    /* An operation ended with an error, or a question was answered with one. `operation` is "accept", "connect",
     * "receive", "watch", "send", "shutdown" or "close"; "call" for a connect refused at the call, "peer",
     * "pack" and "take" for sockets that are handed over, "unacknowledged", "wait"; or "late", for an event of a connection that had ended. Static storage. */
    void (*failed)(void *context, const char *operation, int error);
    /* Time passes inside a wait: other threads would run now, and may post. */
    void (*meanwhile)(void *context);
    /* Who is at the other end of a client that was accepted at `port_be`, or of a connect (0). A peer would send
     * *total_bytes of its stream. True: it speaks a protocol instead, in as many bytes as *total_bytes says then, and sends
     * FIN behind them as *finishes says. */
    bool (*met)(void *context, uint32_t stream, uint16_t port_be, uint64_t *total_bytes, bool *finishes);
    /* Bytes [position, position + count) of what such a peer sends. */
    void (*spoken)(void *context, uint32_t stream, uint64_t position, uint8_t *bytes, uint32_t count_bytes);
    /* How much of it the peer may have sent by now: it may wait for an answer. */
    uint64_t (*may_send)(void *context, uint32_t stream);
    /* One line of what happens. */
    void (*trace)(void *context, const char *line);
    /* Decides in place of the random sequence: a number below `bound`, which is at least 2. False leaves this choice
     * to the sequence. */
    bool (*choose)(void *context, uint32_t bound, uint32_t *choice);
    /* A wait begins, for timeout_ns: 0 only looks, UINT64_MAX sleeps until something comes. */
    void (*waits)(void *context, uint64_t timeout_ns);
} iocp_sim_observer;

/* whole_buffers: each receive spends one, as on kernels without incremental consumption. NULL without memory. */
iocp_sim *iocp_sim_create(uint64_t seed, bool whole_buffers, const iocp_sim_observer *observer);

/* A kernel for another worker of the same port, on the same thread: iocp_sim_use chooses before each call which of the two is
 * meant. They share the port's listening sockets, and hand sockets over; each has a clock and peers of its own. Destroyed before
 * its neighbour. */
iocp_sim *iocp_sim_create_beside(iocp_sim *neighbour, uint64_t seed, const iocp_sim_observer *observer);

/* Not while a worker stands on it. */
void iocp_sim_destroy(iocp_sim *sim);

/* The sim that the calling thread's ports and workers stand on, until the next call; NULL: none. */
void iocp_sim_use(iocp_sim *sim);

/* No more clients. Everything else goes on as before. */
void iocp_sim_stop_clients(iocp_sim *sim);

/* The weather clears: no faults from here on, no clients but those that wait in a backlog, and every peer that is still there
 * reads and writes all it has. */
void iocp_sim_clear(iocp_sim *sim);

/* A dam: from here on no peer reads but that of `reader`, which reads all it has; no clients, no faults, and everything
 * else is prompt. iocp_sim_clear ends it. */
void iocp_sim_dam(iocp_sim *sim, iocp_token reader);

/* Whether, in clear weather, everything has arrived: each peer's bytes at the worker, each send at the kernel. Names
 * one connection where that is not so. */
bool iocp_sim_settled(const iocp_sim *sim, iocp_token *connection);

/* The same of one connection; true for a name that nothing has. */
bool iocp_sim_connection_settled(const iocp_sim *sim, iocp_token connection);

/* How many accepted connections have names and the peer network of this one, itself among them; 0 for one that
 * connected. */
uint32_t iocp_sim_accepted_with(const iocp_sim *sim, iocp_token connection);

/* The port, in network order, of the socket that accepted a connection; 0 for one that connected, or is closed. */
uint16_t iocp_sim_accepted_at(const iocp_sim *sim, iocp_token connection);

/* How many clients were handed to the worker so far. */
uint64_t iocp_sim_clients_accepted(const iocp_sim *sim);

/* How many accepts the worker has outstanding, how many sockets of listeners are not closed, and how many clients wait in
 * their backlogs. */
uint32_t iocp_sim_accepting(const iocp_sim *sim);
uint32_t iocp_sim_bound_sockets(const iocp_sim *sim);
uint32_t iocp_sim_clients_waiting(const iocp_sim *sim);

/* Whether the FIN of a connection's peer is at its socket, received or not. */
bool iocp_sim_peer_finished(const iocp_sim *sim, iocp_token connection);

uint64_t iocp_sim_now_ns(const iocp_sim *sim);

/* How many waits were allowed to sleep, so far. */
uint64_t iocp_sim_sleep_count(const iocp_sim *sim);

/* Events handed to workers so far. */
uint64_t iocp_sim_event_count(const iocp_sim *sim);

/* Bytes [position, position + count) of a stream. Streams are endless, and differ. Thread: any. */
void iocp_sim_stream_copy(uint32_t stream, uint64_t position, uint8_t *bytes, uint32_t count_bytes);
bool iocp_sim_stream_matches(uint32_t stream, uint64_t position, const uint8_t *bytes, uint32_t count_bytes);

#endif
