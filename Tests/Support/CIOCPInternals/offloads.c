/* A pool for offloaded work that stands in no port. */
#include "include/offloads.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../CSources/CIOCP/offload/pool.h"

struct internals_pool {
    iocp_offload_inbox inboxes[INTERNALS_POOL_INBOXES];
    iocp_stats_cell cells[INTERNALS_POOL_INBOXES];
    iocp_offload_pool pool;
    bool left[INTERNALS_POOL_INBOXES];
    _Atomic uint32_t wakes;
};

static void wake(void *context)
{
    atomic_fetch_add((_Atomic uint32_t *)context, 1);
}

internals_pool *internals_pool_create(uint32_t threads_max, uint32_t queue_max, uint64_t idle_ns)
{
    internals_pool *made = aligned_alloc(IOCP_CACHE_LINE_BYTES, sizeof *made);
    if (made == NULL)
        return NULL;
    *made = (internals_pool){0};
    static uint32_t cpus[IOCP_WORKERS_MAX];
    const int count = iocp_cpus_allowed(cpus, IOCP_WORKERS_MAX);
    const iocp_offload_settings settings = {.threads_max = threads_max,
                                            .queue_max = queue_max,
                                            .idle_ns = idle_ns,
                                            .cpus = cpus,
                                            .cpu_count = count > 0 ? (uint32_t)count : 1,
                                            .stats = &made->cells[0]};
    if (iocp_offload_pool_open(&made->pool, &settings) < 0) {
        free(made);
        return NULL;
    }
    for (int i = 0; i < INTERNALS_POOL_INBOXES; i++) {
        made->inboxes[i] = (iocp_offload_inbox){
            .pool = &made->pool, .stats = &made->cells[i], .wake = wake, .wake_context = &made->wakes};
        iocp_offload_pool_join(&made->pool);
    }
    return made;
}

void internals_pool_destroy(internals_pool *pool)
{
    for (uint32_t i = 0; i < INTERNALS_POOL_INBOXES; i++)
        if (!pool->left[i])
            internals_pool_leave(pool, i);
    while (internals_pool_count(pool).threads > 0)
        sched_yield();
    iocp_offload_pool_close(&pool->pool);
    free(pool);
}

int internals_pool_put(internals_pool *pool, uint32_t inbox, iocp_offload *work)
{
    return iocp_offload_pool_put(&pool->pool, &pool->inboxes[inbox], work);
}

int internals_pool_cancel(internals_pool *pool, iocp_offload *work)
{
    return iocp_offload_pool_cancel(&pool->pool, work);
}

uint32_t internals_pool_cancel_all(internals_pool *pool, uint32_t inbox)
{
    return iocp_offload_pool_cancel_all(&pool->pool, &pool->inboxes[inbox]);
}

iocp_offload *internals_pool_take(internals_pool *pool, uint32_t inbox)
{
    iocp_offload *work = iocp_offload_inbox_take(&pool->inboxes[inbox]);
    if (work != NULL)
        pool->inboxes[inbox].depth--;
    return work;
}

bool internals_pool_has(internals_pool *pool, uint32_t inbox)
{
    return iocp_offload_inbox_has(&pool->inboxes[inbox]);
}

void internals_pool_leave(internals_pool *pool, uint32_t inbox)
{
    pool->left[inbox] = true;
    iocp_offload_pool_leave(&pool->pool, &pool->inboxes[inbox]);
}

void internals_pool_await_idle(internals_pool *pool)
{
    iocp_offload_pool_await_idle(&pool->pool);
}

internals_pool_counts internals_pool_count(internals_pool *pool)
{
    pthread_mutex_lock(&pool->pool.lock);
    const internals_pool_counts counts = {
        .threads = pool->pool.thread_count,
        .busy = pool->pool.busy_count,
        .queued = pool->pool.queued_count,
        .said_threads = pool->cells[0].stats.offload_threads,
        .said_depth = pool->cells[0].stats.offload_depth,
        .said_dropped = pool->cells[0].stats.dropped_offloads,
        .depth = pool->inboxes[0].depth,
        .wakes = atomic_load(&pool->wakes),
    };
    pthread_mutex_unlock(&pool->pool.lock);
    return counts;
}

int32_t internals_thread_id(void)
{
    return gettid();
}

bool internals_thread_is_named(const char *name)
{
    char found[16] = "";
    return pthread_getname_np(pthread_self(), found, sizeof found) == 0 && strcmp(found, name) == 0;
}
