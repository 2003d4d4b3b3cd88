/* Workers join what the port listens on, and leave it, while others serve: only an open worker has clients in a backlog. */
#include "listener_set.h"

/* A descriptor that is closed may leave its socket listening for a while: an accept that a ring still takes apart holds
 * it, and so does a child between fork and exec. Clients that come meanwhile would wait for nobody, and be reset. So a
 * socket that is the worker's alone is shut first. */
static void close_worker(iocp_listener_set *set, uint32_t worker)
{
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count; i++) {
        iocp_listener *listener = &set->listeners[i];
        const int fd = atomic_load(&listener->sockets[worker]);
        if (fd >= 0 && !listener->bound.shared)
            set->operations->end(fd);
        iocp_listener_unbind(set, &listener->sockets[worker]);
    }
}

static int join(iocp_listener_set *set, uint32_t worker)
{
    const uint32_t count = atomic_load(&set->count);
    for (uint32_t i = 0; i < count; i++) {
        if (atomic_load(&set->listeners[i].state) == IOCP_LISTENER_CLOSED)
            continue;
        iocp_listener *listener = &set->listeners[i];
        const int fd = iocp_listener_share(set, listener, worker, atomic_load(&listener->holder));
        if (fd < 0)
            return fd;
        atomic_store(&set->listeners[i].sockets[worker], fd);
    }
    for (uint32_t i = 0; i < count; i++) {
        const int fd = atomic_load(&set->listeners[i].sockets[worker]);
        const int result = fd >= 0 ? set->operations->listen(fd, set->listeners[i].options.backlog) : 0;
        if (result < 0)
            return result;
    }
    return 0;
}

int iocp_listener_set_join(iocp_listener_set *set, uint32_t worker)
{
    pthread_mutex_lock(&set->lock);
    int result = 0;
    /* After a stop it would accept from none of them. */
    if (!atomic_load(&set->stopped))
        result = join(set, worker);
    if (result < 0)
        close_worker(set, worker);
    else
        atomic_store(&set->members[worker], IOCP_MEMBER_JOINED);
    if (!iocp_listener_set_has(set, IOCP_MEMBER_NOT_YET))
        iocp_listener_set_close_holders(set);
    pthread_mutex_unlock(&set->lock);
    return result;
}

void iocp_listener_set_leave(iocp_listener_set *set, uint32_t worker)
{
    if (atomic_load(&set->members[worker]) == IOCP_MEMBER_LEFT)
        return;
    pthread_mutex_lock(&set->lock);
    atomic_store(&set->members[worker], IOCP_MEMBER_LEFT);
    close_worker(set, worker);
    if (!iocp_listener_set_has(set, IOCP_MEMBER_NOT_YET) && !iocp_listener_set_has(set, IOCP_MEMBER_JOINED))
        iocp_listener_set_remove_paths(set);
    pthread_mutex_unlock(&set->lock);
}

void iocp_listener_set_withdraw(iocp_listener_set *set, uint32_t listener, uint32_t worker)
{
    pthread_mutex_lock(&set->lock);
    /* It may have been given to another address meanwhile. */
    if (atomic_load(&set->listeners[listener].state) == IOCP_LISTENER_CLOSED)
        iocp_listener_unbind(set, &set->listeners[listener].sockets[worker]);
    pthread_mutex_unlock(&set->lock);
}
