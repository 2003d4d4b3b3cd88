/* What waits in the backlogs of a worker's listening sockets: the worker looks now and then, and other threads may. */
#include "listener_backlogs.h"

#include "listener_set.h"

/* One socket that workers share is counted for the first that has a descriptor of it. */
static bool is_counted(const iocp_listener *listener, uint32_t worker)
{
    for (uint32_t i = 0; listener->bound.shared && i < worker; i++)
        if (atomic_load_explicit(&listener->sockets[i], memory_order_relaxed) >= 0)
            return false;
    return true;
}

/* What came to it since the look before. */
static uint64_t newly_dropped(iocp_drops *drops, iocp_listener_id listener, uint32_t dropped_count)
{
    /* Its place was another listener's before. */
    if (drops->listener != listener)
        *drops = (iocp_drops){.listener = listener};
    const uint32_t before = drops->seen_count;
    drops->seen_count = dropped_count;
    return dropped_count - before;
}

iocp_backlogs iocp_listener_set_backlogs(const iocp_listener_set *set, uint32_t worker, iocp_drops drops[])
{
    iocp_backlogs found = {0};
    const uint32_t count = atomic_load_explicit(&set->count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        const iocp_listener *listener = &set->listeners[i];
        const int socket = atomic_load_explicit(&listener->sockets[worker], memory_order_relaxed);
        iocp_backlog backlog;
        if (socket < 0 || atomic_load_explicit(&listener->state, memory_order_acquire) == IOCP_LISTENER_CLOSED)
            continue;
        found.socket_count++;
        if (!is_counted(listener, worker) || set->operations->backlog(socket, &backlog) < 0)
            continue;
        found.waiting_count += backlog.waiting_count;
        found.limit_count += backlog.limit_count;
        if (drops != NULL)
            found.dropped_count += newly_dropped(&drops[i], listener->id, backlog.dropped_count);
    }
    return found;
}

void iocp_listener_set_refresh_backlogs(iocp_listener_set *set, uint32_t worker, iocp_worker_stats *stats)
{
    if (set->operations == NULL || set->operations->backlog == NULL)
        return;
    pthread_mutex_lock(&set->lock);
    /* A worker closes its sockets under the lock. */
    const iocp_backlogs found = iocp_listener_set_backlogs(set, worker, NULL);
    pthread_mutex_unlock(&set->lock);
    if (found.socket_count == 0)
        return;
    stats->waiting_clients = found.waiting_count;
    stats->backlog_limit = found.limit_count;
}
