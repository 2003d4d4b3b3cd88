/* A port from the inside, for the files that its public functions stand in: port.c and port_threads.c. */
#ifndef IOCP_PORT_STATE_H
#define IOCP_PORT_STATE_H

#include <pthread.h>

#include "worker/worker.h"

typedef enum worker_use : int {
    USE_NONE = 0,
    USE_SPAWNED = 1,
    USE_ATTACHED = 2,
    USE_JOINING = 3, /* a thread waits for the spawned one, on behalf of all that do */
    USE_ENDED = 4,
} worker_use;

typedef struct port_thread {
    pthread_t thread;
    iocp_worker_body body;
    void *context;
    iocp_failure failure;
    int result;
    bool reported;
    worker_use use;
} port_thread;

/* Each of those that some workers write has cache lines of its own, beside what all workers read in every turn: the configuration,
 * the listeners, when it stops. */
struct iocp_port {
    iocp_lifetime lifetime; /* first: its address is the port's */
    iocp_port_config config;
    const iocp_driver_operations *driver;
    iocp_failure fallback; /* why `auto` is epoll; code 0: it is not */
    bool rehearsed;
    iocp_stats_page stats;
    iocp_worker *workers;
    port_thread *threads;
    iocp_listener_set listeners;
    _Alignas(IOCP_CACHE_LINE_BYTES) iocp_address_counts addresses;
    _Alignas(IOCP_CACHE_LINE_BYTES) iocp_offload_pool offload;
    _Alignas(IOCP_CACHE_LINE_BYTES) _Atomic uint64_t stop_at_ns;
    _Alignas(IOCP_CACHE_LINE_BYTES) pthread_mutex_t lock; /* guards threads, listening and start-up; never taken on the message path */
    pthread_cond_t changed; /* a thread reported, or was joined */
};

/* Ends the sleep of every worker, to look at what changed. Thread: any. */
void iocp_port_wake_all(iocp_port *port);

/* Ends the wait of the worker that is given, as iocp_port_interrupt does. Thread: any. */
void iocp_port_interrupt_worker(void *worker);

/* Fills `failure` and returns its code. */
static inline int iocp_port_fail(iocp_failure *failure, int code, iocp_stage stage, const char *detail)
{
    *failure = (iocp_failure){.code = code, .stage = stage, .detail = detail};
    return code;
}

#endif
