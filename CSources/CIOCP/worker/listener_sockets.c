/* The sockets of one endpoint: bound, shared by the open workers, and ended. */
#include "listener_sockets.h"

#include <errno.h>
#include <stdlib.h>

#include "layers.h"
#include "listener_set.h"

void iocp_listener_unbind(const iocp_listener_set *set, _Atomic int *socket)
{
    const int fd = atomic_exchange(socket, -1);
    if (fd >= 0)
        set->operations->unbind(fd);
}

void iocp_listener_remove_path(const iocp_listener_set *set, iocp_listener *listener)
{
    if (atomic_exchange(&listener->has_path, false))
        set->operations->remove(&listener->bound);
}

void iocp_listener_close(const iocp_listener_set *set, iocp_listener *listener)
{
    iocp_listener_remove_path(set, listener);
    iocp_listener_unbind(set, &listener->holder);
    for (uint32_t i = 0; i < set->worker_count; i++)
        iocp_listener_unbind(set, &listener->sockets[i]);
}

/* Once made, the places of a listener's sockets stay: workers look at them without the lock. */
static int make_places(iocp_listener *listener, uint32_t worker_count)
{
    if (listener->sockets != NULL)
        return 0;
    listener->sockets = malloc(worker_count * sizeof *listener->sockets);
    if (listener->sockets == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < worker_count; i++)
        atomic_init(&listener->sockets[i], -1);
    return 0;
}

int iocp_listener_bind_one(const iocp_listener_set *set, iocp_listener *listener, iocp_bind_role role, int sibling)
{
    return set->operations->bind(&listener->bound, &listener->options, role, sibling);
}

int iocp_listener_share(const iocp_listener_set *set, iocp_listener *listener, uint32_t worker, int sibling)
{
    const int socket = iocp_listener_bind_one(set, listener, IOCP_BIND_SHARE, sibling);
    if (socket >= 0 && set->cpus != NULL && set->operations->prefer_cpu != NULL && !listener->bound.shared)
        set->operations->prefer_cpu(socket, set->cpus[worker]);
    return socket;
}

static int bind_all(const iocp_listener_set *set, iocp_listener *listener, int claim)
{
    if (iocp_listener_set_has(set, IOCP_MEMBER_NOT_YET)) {
        const int holder = iocp_listener_bind_one(set, listener, IOCP_BIND_HOLD, claim);
        if (holder < 0)
            return holder;
        atomic_store(&listener->holder, holder);
    }
    for (uint32_t i = 0; i < set->worker_count; i++) {
        if (atomic_load_explicit(&set->members[i], memory_order_relaxed) != IOCP_MEMBER_JOINED)
            continue;
        const int fd = iocp_listener_share(set, listener, i, claim);
        if (fd < 0)
            return fd;
        atomic_store(&listener->sockets[i], fd);
    }
    return 0;
}

int iocp_listener_listen(const iocp_listener_set *set, const iocp_listener *listener)
{
    for (uint32_t i = 0; i < set->worker_count; i++) {
        const int fd = atomic_load(&listener->sockets[i]);
        const int result = fd >= 0 ? set->operations->listen(fd, listener->options.backlog) : 0;
        if (result < 0)
            return result;
    }
    return 0;
}

int iocp_listener_bind(iocp_listener_set *set, const iocp_endpoint *endpoint, const iocp_listen_options *options,
                       int inherited, iocp_listener *listener)
{
    atomic_store(&listener->holder, -1);
    listener->bound = (iocp_bound){.endpoint = *endpoint};
    /* Kept until here: a worker may have accepted a client of the place's last listener until it was vacant. */
    iocp_layer_retain(&options->layer);
    iocp_layer_release(&listener->options.layer);
    listener->options = *options;
    int result = make_places(listener, set->worker_count);
    if (result < 0)
        return result;
    const int claim = iocp_listener_bind_one(set, listener, IOCP_BIND_CLAIM, inherited);
    if (claim < 0)
        return claim;
    atomic_store(&listener->has_path, listener->bound.file_number != 0);
    result = bind_all(set, listener, claim);
    set->operations->unbind(claim);
    if (result < 0)
        iocp_listener_close(set, listener);
    return result;
}

bool iocp_listener_is_vacant(const iocp_listener_set *set, const iocp_listener *listener)
{
    if (atomic_load(&listener->state) != IOCP_LISTENER_CLOSED)
        return false;
    for (uint32_t i = 0; i < set->worker_count; i++)
        if (atomic_load(&listener->sockets[i]) >= 0)
            return false;
    return true;
}

void iocp_listener_end(const iocp_listener_set *set, iocp_listener *listener)
{
    atomic_store(&listener->state, IOCP_LISTENER_CLOSED);
    iocp_listener_remove_path(set, listener);
    iocp_listener_unbind(set, &listener->holder);
    for (uint32_t i = 0; i < set->worker_count; i++) {
        const int fd = atomic_load(&listener->sockets[i]);
        if (fd >= 0)
            set->operations->end(fd);
    }
}
