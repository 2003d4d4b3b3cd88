/* Sockets that go to another worker's set, and come from one: the fd itself travels. */
#include "epoll.h"

static int pack(iocp_driver *driver, uint32_t handle, iocp_traveller *traveller)
{
    const iocp_epoll_socket *socket = &iocp_epoll_of(driver)->sockets[handle];
    *traveller = (iocp_traveller){.fd = socket->fd, .shared = socket->flags & IOCP_EPOLL_SHARED};
    return 0;
}

/* Only now: before, the other worker might have refused it. What its set reports meanwhile is this thread's to read, and it
 * reads nothing before the next wait. */
static void leave(iocp_driver *driver, uint32_t handle)
{
    iocp_epoll *epoll = iocp_epoll_of(driver);
    (void)epoll_ctl(epoll->fd, EPOLL_CTL_DEL, epoll->sockets[handle].fd, NULL);
    iocp_epoll_release(epoll, handle);
}

static void stay(iocp_driver *driver, uint32_t handle, iocp_traveller *traveller)
{
    (void)driver;
    (void)handle;
    traveller->fd = -1;
}

static int take(iocp_driver *driver, iocp_traveller *traveller, uint32_t *handle)
{
    iocp_epoll *epoll = iocp_epoll_of(driver);
    const int added = iocp_epoll_add(epoll, traveller->fd);
    if (added < 0)
        return added;
    *handle = (uint32_t)added;
    /* Its last set may forget it a little later than this one has it, so closing the fd is not enough to leave this one. */
    epoll->sockets[*handle].flags |= IOCP_EPOLL_SHARED;
    traveller->fd = -1;
    return 0;
}

const iocp_hand_over_operations iocp_epoll_hand_over = {
    .pack = pack, .leave = leave, .stay = stay, .take = take, .abandon = iocp_traveller_abandon};
