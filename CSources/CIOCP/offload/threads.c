/* The threads of a pool: each runs work until none is left, rests for a while on a stack, and ends. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "pool.h"
#include "queue.h"

/* --- work ---------------------------------------------------------------------------------------------------- */

/* Its worker has closed meanwhile: it is counted out here. */
static void drop_late(iocp_offload_pool *pool, iocp_offload *work)
{
    iocp_offload_inbox *inbox = work->inbox;
    pthread_mutex_lock(&pool->lock);
    inbox->depth--;
    IOCP_STATS_SET(inbox->stats, offload_depth, inbox->depth);
    IOCP_STATS_ADD(inbox->stats, dropped_offloads, 1);
    pthread_mutex_unlock(&pool->lock);
    work->drop(work);
}

static void run(iocp_offload_pool *pool, iocp_offload *work)
{
    work->run(work);
    iocp_offload_set_state(work, IOCP_OFFLOAD_DONE);
    if (!iocp_offload_inbox_put(work->inbox, work))
        drop_late(pool, work);
}

/* --- rest ---------------------------------------------------------------------------------------------------- */

static void lie_down(iocp_offload_pool *pool, iocp_offload_rest *rest)
{
    rest->below = pool->idle;
    rest->above = NULL;
    if (pool->idle != NULL)
        pool->idle->above = rest;
    pool->idle = rest;
}

static void get_up(iocp_offload_pool *pool, iocp_offload_rest *rest)
{
    if (rest->above == NULL)
        pool->idle = rest->below;
    else
        rest->above->below = rest->below;
    if (rest->below != NULL)
        rest->below->above = rest->above;
}

static struct timespec after_ns(uint64_t delay_ns)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(delay_ns / 1000000000);
    at.tv_nsec += (long)(delay_ns % 1000000000);
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Waits until it is given work, dismissed, or idle for too long. Whoever calls it takes it off the stack. */
static iocp_offload *rest_for_work(iocp_offload_pool *pool, iocp_offload_rest *rest)
{
    const struct timespec until = after_ns(pool->settings.idle_ns);
    rest->work = NULL;
    rest->dismissed = false;
    lie_down(pool, rest);
    while (rest->work == NULL && !rest->dismissed) {
        if (pthread_cond_timedwait(&rest->called, &pool->lock, &until) == ETIMEDOUT && rest->work == NULL &&
            !rest->dismissed) {
            get_up(pool, rest);
            return NULL;
        }
    }
    return rest->work;
}

/* Each thread that ends waits for the one that ended before it, and leaves itself to the next: so whoever waits for the latest
 * has waited for all, and at most one that has ended is kept. */
static void leave(iocp_offload_pool *pool, iocp_offload_rest *rest)
{
    rest->before = pool->ended;
    rest->follows = pool->has_ended;
    pool->ended = pthread_self();
    pool->has_ended = true;
    pool->thread_count--;
    IOCP_STATS_SET(pool->settings.stats, offload_threads, pool->thread_count);
    pthread_cond_broadcast(&pool->changed);
}

static iocp_offload *next_work(iocp_offload_pool *pool, iocp_offload_rest *rest)
{
    pthread_mutex_lock(&pool->lock);
    iocp_offload *work = pool->first;
    if (work != NULL) {
        iocp_offload_queue_remove(pool, work);
        iocp_offload_set_state(work, IOCP_OFFLOAD_RUNNING);
    } else {
        pool->busy_count--;
        if (pool->worker_count > 0)
            work = rest_for_work(pool, rest); /* whoever gave it work has counted it as busy */
        if (work == NULL)
            leave(pool, rest);
    }
    pthread_mutex_unlock(&pool->lock);
    return work;
}

/* --- threads ------------------------------------------------------------------------------------------------- */

static void *thread_main(void *argument)
{
    iocp_offload *work = argument;
    iocp_offload_pool *pool = work->inbox->pool;
    iocp_lifetime *lifetime = pool->settings.lifetime;
    (void)pthread_setname_np(pthread_self(), "iocp/offload");
    /* It was born on the one CPU of the worker that had more to do than there were threads. Where a cpuset has changed since
     * the port was made, the call may be refused: then it stays there. */
    (void)pthread_setaffinity_np(pthread_self(), pool->cpu_set_bytes, (const cpu_set_t *)pool->cpu_set);
    iocp_offload_rest rest = {0};
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&rest.called, &clock);
    pthread_condattr_destroy(&clock);
    do
        run(pool, work);
    while ((work = next_work(pool, &rest)) != NULL);
    pthread_cond_destroy(&rest.called);
    if (rest.follows)
        pthread_join(rest.before, NULL);
    iocp_lifetime_release(lifetime);
    return NULL;
}

/* All but those that a fault of the thread's own brings, which must not be blocked: a crash would go unreported. */
static void block_signals(sigset_t *before)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_BLOCK, &blocked, before);
}

static bool start(iocp_offload_pool *pool, iocp_offload *work)
{
    pthread_t thread;
    sigset_t before;
    iocp_lifetime_hold(pool->settings.lifetime);
    block_signals(&before); /* before it begins: the application's signals are for the application's threads */
    const int result = pthread_create(&thread, NULL, thread_main, work);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0)
        iocp_lifetime_release(pool->settings.lifetime); /* a worker is open, so it is not the last */
    return result == 0;
}

bool iocp_offload_threads_take(iocp_offload_pool *pool, iocp_offload *work)
{
    iocp_offload_rest *rest = pool->idle;
    iocp_offload_set_state(work, IOCP_OFFLOAD_RUNNING);
    if (rest != NULL) {
        get_up(pool, rest);
        rest->work = work;
        pthread_cond_signal(&rest->called);
    } else if (pool->thread_count < pool->settings.threads_max && start(pool, work)) {
        pool->thread_count++;
        IOCP_STATS_SET(pool->settings.stats, offload_threads, pool->thread_count);
    } else {
        iocp_offload_set_state(work, IOCP_OFFLOAD_NONE);
        return false;
    }
    pool->busy_count++;
    return true;
}

void iocp_offload_threads_dismiss(iocp_offload_pool *pool)
{
    while (pool->idle != NULL) {
        iocp_offload_rest *rest = pool->idle;
        get_up(pool, rest);
        rest->dismissed = true;
        pthread_cond_signal(&rest->called);
    }
}
