/* A port's pool for work that may block: a bounded queue, and threads that come with work and go without it.
 *
 *   pool.c     what is handed over, cancelled, and given up
 *   threads.c  the threads: which of them runs what, and when one ends
 *   inbox.c    the way back to a worker */
#ifndef IOCP_OFFLOAD_POOL_H
#define IOCP_OFFLOAD_POOL_H

#include <pthread.h>

#include "../base/lifetime.h"
#include "inbox.h"

/* A thread without work. It lies on the thread's own stack, so a pool without threads has no memory for them. */
typedef struct iocp_offload_rest {
    struct iocp_offload_rest *below; /* idle for longer than it */
    struct iocp_offload_rest *above;
    pthread_cond_t called;
    iocp_offload *work; /* what it was given */
    bool dismissed;
    bool follows;     /* another thread ended before it, */
    pthread_t before; /* this one, which it waits for */
} iocp_offload_rest;

typedef struct iocp_offload_settings {
    uint32_t threads_max;
    uint32_t queue_max;
    uint64_t idle_ns; /* how long a thread waits for work before it ends */
    const uint32_t *cpus; /* where its threads may run; copied */
    uint32_t cpu_count;
    iocp_lifetime *lifetime; /* each thread holds it */
    iocp_stats_cell *stats;  /* whose offload_threads says how many there are; written under the lock alone */
} iocp_offload_settings;

typedef struct iocp_offload_pool {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a thread ends */
    iocp_offload_settings settings;
    uint64_t *cpu_set; /* of settings.cpus */
    size_t cpu_set_bytes;
    bool open;
    /* under the lock: */
    iocp_offload *first; /* the queue, the oldest first */
    iocp_offload *last;
    uint32_t queued_count;
    uint32_t thread_count;
    uint32_t busy_count;  /* threads that run work */
    uint32_t worker_count; /* open workers, for which idle threads wait */
    bool has_ended;        /* a thread has ended that nobody has waited for: */
    pthread_t ended;       /* the latest */
    iocp_offload_rest *idle; /* the one that was idle for the shortest time first */
} iocp_offload_pool;

/* Starts no thread. Returns 0 or -errno. */
int iocp_offload_pool_open(iocp_offload_pool *pool, const iocp_offload_settings *settings);

/* No thread is left, and no work. */
void iocp_offload_pool_close(iocp_offload_pool *pool);

/* A worker opens: its inbox may have work from here on. */
void iocp_offload_pool_join(iocp_offload_pool *pool);

/* As iocp_worker_offload. Thread: the inbox's owner. */
int iocp_offload_pool_put(iocp_offload_pool *pool, iocp_offload_inbox *inbox, iocp_offload *work);

/* As iocp_worker_cancel_offload. */
int iocp_offload_pool_cancel(iocp_offload_pool *pool, iocp_offload *work);

/* The same for all of one inbox that no thread has begun with. Returns how many. Thread: the inbox's owner. */
uint32_t iocp_offload_pool_cancel_all(iocp_offload_pool *pool, iocp_offload_inbox *inbox);

/* A worker closes: what is queued and what has come back is dropped. What runs goes on, and is dropped when it ends. The
 * threads that are idle end with the last worker. Thread: the inbox's owner. */
void iocp_offload_pool_leave(iocp_offload_pool *pool, iocp_offload_inbox *inbox);

/* As iocp_port_join_offload. */
void iocp_offload_pool_await_idle(iocp_offload_pool *pool);

/* Read by whoever cancels it, under the lock, while the thread that ran it says without the lock that it is done. */
static inline void iocp_offload_set_state(iocp_offload *work, iocp_offload_state state)
{
    __atomic_store_n(&work->state, state, __ATOMIC_RELAXED);
}

/* --- threads.c; all with the lock held ----------------------------------------------------------------------- */

/* Gives work to the thread that was idle for the shortest time, or to a new one. False: none is idle, and no more may be; or
 * none could be started. */
bool iocp_offload_threads_take(iocp_offload_pool *pool, iocp_offload *work);

/* Ends those that are idle. */
void iocp_offload_threads_dismiss(iocp_offload_pool *pool);

#endif
