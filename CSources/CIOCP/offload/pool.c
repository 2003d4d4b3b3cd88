/* Takes work that may block, bounded by its queue, and gives back what is cancelled or belongs to a worker that closes. */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>

#include "queue.h"

/* In words as sched_setaffinity(2) has them. */
static int copy_cpus(iocp_offload_pool *pool)
{
    uint32_t highest = 0;
    for (uint32_t i = 0; i < pool->settings.cpu_count; i++)
        highest = pool->settings.cpus[i] > highest ? pool->settings.cpus[i] : highest;
    pool->cpu_set_bytes = (highest / 64 + 1) * sizeof *pool->cpu_set;
    pool->cpu_set = calloc(1, pool->cpu_set_bytes);
    if (pool->cpu_set == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < pool->settings.cpu_count; i++)
        pool->cpu_set[pool->settings.cpus[i] / 64] |= UINT64_C(1) << pool->settings.cpus[i] % 64;
    pool->settings.cpus = NULL;
    return 0;
}

int iocp_offload_pool_open(iocp_offload_pool *pool, const iocp_offload_settings *settings)
{
    *pool = (iocp_offload_pool){.settings = *settings};
    const int result = copy_cpus(pool);
    if (result < 0)
        return result;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    pool->open = true;
    return 0;
}

void iocp_offload_pool_close(iocp_offload_pool *pool)
{
    if (!pool->open)
        return;
    if (pool->has_ended)
        pthread_detach(pool->ended); /* it may be the calling thread, which held the port's memory last */
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
    free(pool->cpu_set);
    pool->open = false;
}

void iocp_offload_pool_join(iocp_offload_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->worker_count++;
    pthread_mutex_unlock(&pool->lock);
}

int iocp_offload_pool_put(iocp_offload_pool *pool, iocp_offload_inbox *inbox, iocp_offload *work)
{
    int result = 0;
    work->inbox = inbox;
    pthread_mutex_lock(&pool->lock);
    if (!iocp_offload_threads_take(pool, work)) {
        if (pool->thread_count == 0)
            result = -EAGAIN; /* nobody would ever look into the queue */
        else if (pool->queued_count >= pool->settings.queue_max)
            result = -ENOBUFS;
        else
            iocp_offload_queue_append(pool, work);
    }
    pthread_mutex_unlock(&pool->lock);
    if (result == 0)
        inbox->depth++;
    return result;
}

int iocp_offload_pool_cancel(iocp_offload_pool *pool, iocp_offload *work)
{
    pthread_mutex_lock(&pool->lock);
    const bool waits = __atomic_load_n(&work->state, __ATOMIC_RELAXED) == IOCP_OFFLOAD_QUEUED;
    if (waits) {
        iocp_offload_queue_remove(pool, work);
        iocp_offload_set_state(work, IOCP_OFFLOAD_CANCELLED);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!waits)
        return -EALREADY;
    iocp_offload_inbox_keep(work->inbox, work);
    return 0;
}

/* Takes everything of one inbox out of the queue, and keeps it for the owner. */
static uint32_t keep_queued(iocp_offload_pool *pool, iocp_offload_inbox *inbox)
{
    uint32_t count = 0;
    for (iocp_offload *work = pool->first, *next; work != NULL; work = next) {
        next = work->next;
        if (work->inbox != inbox)
            continue;
        iocp_offload_queue_remove(pool, work);
        iocp_offload_set_state(work, IOCP_OFFLOAD_CANCELLED);
        iocp_offload_inbox_keep(inbox, work);
        count++;
    }
    return count;
}

uint32_t iocp_offload_pool_cancel_all(iocp_offload_pool *pool, iocp_offload_inbox *inbox)
{
    pthread_mutex_lock(&pool->lock);
    const uint32_t count = keep_queued(pool, inbox);
    pthread_mutex_unlock(&pool->lock);
    return count;
}

void iocp_offload_pool_leave(iocp_offload_pool *pool, iocp_offload_inbox *inbox)
{
    pthread_mutex_lock(&pool->lock);
    keep_queued(pool, inbox);
    /* From here on a thread that ends work of this worker finds it closed, and takes the lock to count it out. */
    const uint32_t dropped_count = iocp_offload_inbox_close(inbox);
    inbox->depth -= dropped_count;
    IOCP_STATS_ADD(inbox->stats, dropped_offloads, dropped_count);
    IOCP_STATS_SET(inbox->stats, offload_depth, inbox->depth);
    if (--pool->worker_count == 0)
        iocp_offload_threads_dismiss(pool);
    pthread_mutex_unlock(&pool->lock);
    for (iocp_offload *work; (work = iocp_offload_inbox_take(inbox)) != NULL;)
        work->drop(work);
}

void iocp_offload_pool_await_idle(iocp_offload_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->worker_count == 0 && pool->thread_count > pool->busy_count)
        pthread_cond_wait(&pool->changed, &pool->lock);
    const bool has_ended = pool->has_ended;
    const pthread_t ended = pool->ended;
    pool->has_ended = false;
    pthread_mutex_unlock(&pool->lock);
    if (has_ended)
        pthread_join(ended, NULL);
}
