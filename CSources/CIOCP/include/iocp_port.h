/* The completion port: a fixed set of workers, each one thread, one driver queue, one core. */
#ifndef IOCP_PORT_H
#define IOCP_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "iocp_completion.h"
#include "iocp_endpoint.h"
#include "iocp_system.h"

typedef struct iocp_port iocp_port;
typedef struct iocp_worker iocp_worker;

/* What happens to a send that would take a connection's unsent bytes over their cap. Append only. */
typedef enum iocp_overflow_policy : uint8_t {
    IOCP_OVERFLOW_CLOSE = 0,  /* the connection is aborted: closed(send_overflow) */
    IOCP_OVERFLOW_REFUSE = 1, /* the send is refused whole (-EAGAIN): a broadcast drops it for this peer */
} iocp_overflow_policy;

/* Which CPU each worker's thread is bound to. Worker i has the i-th CPU of those that count; more workers than that share them in
 * turn. Append only. */
typedef enum iocp_worker_placement : uint8_t {
    IOCP_PLACE_AUTOMATIC = 0, /* the allowed CPUs, if there are as many workers; otherwise none is bound */
    IOCP_PLACE_EVERY_CPU = 1, /* the allowed CPUs, whatever the number of workers */
    IOCP_PLACE_CORES = 2,     /* one allowed CPU of each core */
    IOCP_PLACE_LISTED = 3,    /* those of worker_cpus */
    IOCP_PLACE_UNBOUND = 4,   /* the scheduler's choice */
} iocp_worker_placement;

/* Which worker has a client. Append only. */
typedef enum iocp_placement : uint8_t {
    IOCP_PLACEMENT_KERNEL_HASH = 0,  /* the kernel's choice: a hash of the addresses */
    IOCP_PLACEMENT_INCOMING_CPU = 1, /* the worker on the CPU that took the client's first packet in; since Linux 6.2, before as
                                      * KERNEL_HASH. Only with workers that are bound to CPUs. */
    IOCP_PLACEMENT_LEAST_LOADED = 2, /* the worker that accepted it hands it over where another one has notably fewer connections;
                                      * a ring needs Linux 6.8 for it */
} iocp_placement;

/* Everything a port may use; every field is bounded (base/limits.h) and checked by iocp_port_create.
 * Start from iocp_port_config_default. */
typedef struct iocp_port_config {
    iocp_driver_kind driver;
    uint32_t worker_count;                 /* 0: one per CPU that counts, at most as many as a cgroup's quota pays for */
    uint32_t worker_cpu_count;             /* of worker_cpus; 0 unless LISTED */
    const uint32_t *worker_cpus;           /* LISTED: allowed CPUs, each once; read while the port is created */
    uint32_t connections_per_worker;       /* 0: what `connections` needs, or what the process may have (RLIMIT_NOFILE) */
    uint32_t connections;                  /* 0: not said; else of all workers, which are as many as it takes */
    uint32_t receive_buffer_bytes;         /* power of two, 4 KiB..1 MiB */
    uint32_t receive_buffers_per_worker;   /* power of two, 2..16,384 */
    uint32_t send_chunks_per_worker;       /* of 16 KiB each; bounds copied unsent bytes */
    uint32_t completion_queue_entries;     /* power of two, 64..65,536 */
    uint32_t mailbox_entries;              /* power of two; posts waiting per worker */
    uint32_t listen_backlog;               /* as in listen(2); the kernel caps it at net.core.somaxconn */
    uint64_t linger_timeout_ns;            /* how long a graceful close waits for a peer that acknowledges nothing more */
    uint32_t send_low_bytes;               /* unsent bytes at which a connection is writable again */
    uint32_t send_high_bytes;              /* unsent bytes at which its receive pauses, and WRITABLE is owed */
    uint32_t send_cap_bytes;               /* unsent bytes it may never exceed; at most 2 GiB - 1 */
    uint64_t worker_unsent_bytes;          /* unsent bytes of all connections of a worker; a quarter of them for those that keep up */
    uint64_t idle_timeout_ns;              /* 0: none; else nothing received, sent or acknowledged for this long */
    uint64_t receive_timeout_ns;           /* 0: none; else fewer than receive_progress_bytes received in it */
    uint64_t send_timeout_ns;              /* 0: none; else unsent bytes and the peer acknowledged nothing in it */
    uint32_t receive_progress_bytes;       /* at least 1 */
    uint32_t timers_per_worker;            /* user timers armed at once */
    uint32_t connections_per_address;      /* 0: no limit; IPv6 peers are counted by /64; over all workers */
    uint32_t accepts_per_second;           /* 0: no limit; over all workers; clients beyond it wait in the backlog */
    uint64_t spin_ns;                      /* 0: none; else a busy worker looks for this time before it sleeps; <= 10 ms */
    uint32_t busy_poll_us;                 /* 0: none; else a wait polls the network card's queue for this time (NAPI) */
    uint32_t offload_threads;              /* of the pool for work that may block; 0: two for each allowed CPU */
    uint32_t offload_queue_entries;        /* work that waits for a thread of the pool, of all workers */
    uint64_t offload_idle_ns;              /* how long a thread of the pool waits for work before it ends */
    iocp_overflow_policy overflow_policy;
    iocp_worker_placement worker_placement;
    iocp_placement placement;
    bool lockdown;                         /* the ring refuses every operation that this library does not use */
    bool holds_back_receive;               /* at the high mark a connection's receive pauses; see iocp_connection_hold_back */
    bool half_close;                       /* deliver PEER_FINISHED instead of closing after the peer's FIN */
    bool deliver_after_first_bytes;        /* OPENED is held back until the first bytes arrived */
    bool balances_load;                    /* connections of a busy worker move to one that is less busy: iocp_moving.h */
    bool cancels_offloads_at_stop;         /* a stop cancels what no thread has begun with; else it waits for it */
} iocp_port_config;

/* The defaults: one worker per allowed CPU, each pinned to its own, 256 receive buffers of 128 KiB. Thread: any. */
iocp_port_config iocp_port_config_default(void);

/* The name of the first field out of bounds, with its bounds: "worker_count (at most 1,024)". NULL when there is none.
 * What depends on this machine is checked by iocp_port_create alone. Static storage. Thread: any. */
const char *iocp_port_config_broken_field(const iocp_port_config *config);

/* Creates a port: checks the configuration, probes the driver and maps the stats page; starts no thread. With `auto` it
 * opens the rings of all workers for a moment, so that it is epoll where one of them would be refused.
 * On failure fills `failure` and returns its code. The port is released by iocp_port_destroy. Thread: any. */
int iocp_port_create(const iocp_port_config *config, iocp_port **port, iocp_failure *failure);

/* Gives the port up: stops it if need be and waits for nobody. Its memory goes with its last open worker, its last
 * thread and its last lease. The caller's last call on the port. Thread: any, a worker's own included. */
void iocp_port_destroy(iocp_port *port);

/* The configuration in force, zeros replaced by what was chosen. Thread: any. */
const iocp_port_config *iocp_port_configuration(const iocp_port *port);

/* Why `driver = auto` fell back to epoll: the failure with which `driver = uring` is refused here; its code is 0 if it did
 * not fall back. Thread: any. */
iocp_failure iocp_port_fallback_cause(const iocp_port *port);

uint32_t iocp_port_worker_count(const iocp_port *port);

/* Workers that hold a number of connections, and the places that each of them needs. */
typedef struct iocp_capacity {
    uint32_t worker_count;
    uint32_t connections_per_worker;
} iocp_capacity;

/* The fewest workers, of workers_min to workers_max, that hold `connections` with at most places_max each. The kernel deals
 * clients out by chance, so each has some places more than its share: six standard deviations; and 64 beyond those, as far as
 * places_max goes, since each listener keeps one for its next client. A port does the same for
 * `connections` of its configuration. Returns 0, -EMFILE where workers_max are too few, or -EINVAL for a count of 0, for
 * more than 1,024 workers, and for a most below the least. Thread: any. Complexity: O(workers_max). */
int iocp_capacity_derive(uint32_t connections, uint32_t workers_min, uint32_t workers_max, uint32_t places_max,
                         iocp_capacity *capacity);

/* The most connections of one worker on io_uring: each of its rings has as many as `files`, the process' RLIMIT_NOFILE, and wants
 * two of its receive buffers. At most 1,048,576. Thread: any. */
uint32_t iocp_capacity_places(uint32_t files, uint32_t receive_buffers);

/* What runs on a worker's thread, between its opening and its closing. */
typedef void (*iocp_worker_body)(iocp_worker *worker, void *context);

/* Starts worker `index` on a thread of the port's own, named "iocp/INDEX", pinned where configured.
 * Returns once the worker is open, or with the failure of opening it. `body` runs next; when it returns the
 * worker is closed and the thread ends. Thread: any; one call per worker. */
int iocp_port_spawn(iocp_port *port, uint32_t index, iocp_worker_body body, void *context, iocp_failure *failure);

/* Waits for a spawned worker's thread to end; returns at once for one that was not spawned. Any number of threads may
 * wait. Returns 0, -EINVAL for no such worker, or -EDEADLK on a thread that serves connections: it would wait for itself,
 * or for one that waits for it. Thread: any. */
int iocp_port_join(iocp_port *port, uint32_t index);

/* Opens the next unopened worker on the calling thread, which becomes its owner until iocp_worker_close. It joins every
 * address that the port listens on, all or none: a failure to do so (IOCP_STAGE_LISTEN) is reported here, and the worker
 * may be tried again. -EBUSY: every worker is taken; -ESHUTDOWN: the port has stopped.
 * The thread must not exit before the close: the kernel cancels what an exiting thread submitted. */
int iocp_port_attach(iocp_port *port, iocp_worker **worker, iocp_failure *failure);

/* Listens on every open worker (one SO_REUSEPORT socket each). address->port_be = 0 picks a free port; `bound`
 * receives the address in force. Workers that open later join; a worker that leaves takes its sockets along. While none
 * is open the address is kept, and clients are refused. Refuses with -EADDRINUSE when another socket listens there
 * already, with -ENOSPC beyond 64 addresses. For up to half a second it tries an address again whose holder may be a
 * process that was killed: its rings may outlive it by some 20 ms, and listen meanwhile.
 * Thread: any, before or after the workers opened, not after iocp_port_stop. */
int iocp_port_listen(iocp_port *port, const iocp_address *address, iocp_address *bound, iocp_failure *failure);

/* The same on every endpoint, or on none, with options (NULL: none). TCP endpoints with port 0 all get the same free port.
 *
 * A Unix socket is one for all workers, which accept from it in turn. A path that nobody listens on any more is replaced,
 * and one that is in use refused (-EADDRINUSE); it is removed when listening ends, unless another server took it over.
 * `bound` has room for endpoint_count, which is 1 to IOCP_ADDRESSES_MAX. They are one listener, whose name is written to
 * `listener` (NULL: it is not wanted) before any client is accepted. Thread: as iocp_port_listen. */
int iocp_port_listen_on(iocp_port *port, const iocp_endpoint *endpoints, uint32_t endpoint_count,
                        const iocp_listen_options *options, iocp_endpoint *bound, iocp_listener_id *listener,
                        iocp_failure *failure);

/* Listens on a stream socket that another process, or an earlier one, has bound: it may listen already. The descriptor
 * stays the caller's, which may close it. The socket becomes non-blocking. -EPROTOTYPE: it is no stream socket. */
int iocp_port_listen_inherited(iocp_port *port, int fd, const iocp_listen_options *options, iocp_endpoint *bound,
                               iocp_listener_id *listener, iocp_failure *failure);

/* Stops listening on every address and goes on serving. When it returns new clients are refused, even by a worker whose
 * handler stalls; clients in a backlog are reset, unless net.ipv4.tcp_migrate_req hands them on. A client that was
 * accepted already still opens. Again, or before any listen, it does nothing; iocp_port_listen may listen again.
 * Thread: any. */
void iocp_port_stop_listening(iocp_port *port);

/* The same for one listener. Returns 0, or -ENOENT if it is closed already, or was never this port's. Thread: any. */
int iocp_port_listener_close(iocp_port *port, iocp_listener_id listener);

/* Accepts no more clients of one listener, or accepts them again. Meanwhile they connect and wait in the backlog; when it is
 * full, TCP tries again for them. A client that a worker was accepting just then still opens. Workers that open later
 * pause, too. Returns 0, also where nothing changes, or -ENOENT as above. Thread: any. */
int iocp_port_listener_pause(iocp_port *port, iocp_listener_id listener);
int iocp_port_listener_resume(iocp_port *port, iocp_listener_id listener);

/* CLOSED, too, for a name that is no listener's of this port, and once the port stops. Thread: any. */
iocp_listener_state iocp_port_listener_state(iocp_port *port, iocp_listener_id listener);

/* What the port listens on, place by place: the first at or behind `place`, which is 0 at first, and then one more than was
 * returned. `listener` (NULL: not wanted) is the one that it belongs to. Returns its place, or -ENOENT behind the last, and
 * once the port stops. Thread: any. */
int iocp_port_listening(iocp_port *port, uint32_t place, iocp_endpoint *endpoint, iocp_listener_id *listener);

/* Posts `value` to a worker: delivered exactly once as a POSTED completion, or refused here.
 * `connection` is passed along unchecked and may be 0.
 * -EAGAIN: the mailbox is full; -ENXIO: the worker is not open yet; -ESHUTDOWN: the port has stopped, or the worker
 * has left; -EINVAL: no such worker.
 * Thread: any. Lock-free; wakes the worker only if it sleeps. */
int iocp_port_post(iocp_port *port, uint32_t worker_index, iocp_token connection, uint64_t value);

/* What a letter between threads carries. Append only. */
typedef enum iocp_letter_kind : uint8_t {
    IOCP_LETTER_VALUE = 0,     /* a number */
    IOCP_LETTER_REFERENCE = 1, /* an object of the application's */
    IOCP_LETTER_CONNECT = 2,   /* a connect that the worker is to begin, or to give up */
    IOCP_LETTER_SEND = 3,      /* shared bytes that the worker sends itself: iocp_port_send */
    IOCP_LETTER_JOB = 4,       /* work that the worker does itself: iocp_port_post_job */
    IOCP_LETTER_CLIENT = 5,    /* a client that another worker accepted: workers post these to each other */
} iocp_letter_kind;

typedef struct iocp_letter {
    iocp_token connection;            /* its target, or 0; passed along unchecked */
    uint64_t value;
    void *reference;                  /* NULL for a VALUE; else whoever receives the letter owns it */
    void (*release)(void *reference); /* ends a reference that nobody receives: the worker is closed before. Thread: the
                                       * worker's */
    iocp_letter_kind kind;
} iocp_letter;

/* As iocp_port_post, for a letter of any kind: its POSTED completion has the kind as `detail`, the reference as `bytes` and
 * the value as `key`. The worker keeps letters of the kinds SEND and JOB to itself, and CLIENT is for
 * workers alone. A letter that is refused stays the
 * caller's, with its reference. */
int iocp_port_post_letter(iocp_port *port, uint32_t worker_index, const iocp_letter *letter);

/* What stands in one list, or is on its way from thread to thread. */
typedef struct iocp_link {
    struct iocp_link *next;
} iocp_link;

/* Work that a worker does itself, slice by slice, within its waits: so in a loop of any kind, and between two batches of
 * completions. Its memory is its maker's, who fills run, release and context; the worker has it from the post until run
 * says that nothing is left. */
typedef struct iocp_job {
    iocp_link link; /* the worker's */
    /* Does a slice of at most `most` sends, 1 or more, and says how many it did. With *more a later wait goes on, once
     * every connection that this slice sent on was flushed, so a job never fills queues faster than they leave. Without,
     * the worker has forgotten the job already, and it may be posted again, by another thread at once. Thread: the
     * worker's. It must not wait. */
    uint32_t (*run)(struct iocp_job *job, iocp_worker *worker, uint32_t most, bool *more);
    /* The worker is closed before run said that nothing is left. `job` is an iocp_job. Thread: the worker's. */
    void (*release)(void *job);
    void *context;       /* the maker's */
    uint32_t flushed_at; /* the worker's */
} iocp_job;

/* Posts a job. It is posted again only after run said that nothing is left. A stop waits for jobs that were posted before
 * it until its drain is over, so a job is to end then: iocp_worker_is_stopping. Results and thread as of iocp_port_post; a
 * job that is refused stays the caller's. */
int iocp_port_post_job(iocp_port *port, uint32_t worker_index, iocp_job *job);

/* A worker of the port, open or not, for calls of any thread. The handle stays valid as long as the port does. NULL for
 * an index that the port does not have. Thread: any. */
iocp_worker *iocp_port_worker(iocp_port *port, uint32_t worker_index);

/* Ends the wait of a worker, the one under way or the next: it returns what it has, or -ETIME. So a layer above may
 * keep a queue of its own that is never full: put something in, then interrupt. Interrupts that come before a wait ends
 * are one. Never refused; does nothing to a worker that is not open. `worker_index` is the port's. Thread: any.
 * Lock-free. */
void iocp_port_interrupt(iocp_port *port, uint32_t worker_index);

/* Begins to stop: no more accepts. Each worker hands out the posts that were accepted before, then STOPPING, while its
 * connections are open. What the application sends in answer leaves before the FIN: at the next wait the connections
 * are closed gracefully, and aborted `drain_ns` from now. Posts are accepted until the last connection is closed.
 * Every worker's wait returns -ECANCELED once its connections and posts are delivered. A worker that was late (its
 * handler stalled) delivers and says STOPPING all the same, and aborts at once if the drain is over by then.
 * Calling again only shortens the drain; UINT64_MAX is no limit. Thread: any; async-signal-safe. */
void iocp_port_stop(iocp_port *port, uint64_t drain_ns);

/* Whether iocp_port_stop was called. Thread: any. */
bool iocp_port_is_stopping(const iocp_port *port);

#endif
