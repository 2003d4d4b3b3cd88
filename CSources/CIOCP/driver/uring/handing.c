/* Sockets that go to another worker's ring, and come from one.
 *
 * A direct descriptor belongs to its ring, so the socket travels as an fd: FIXED_FD_INSTALL makes one beside the descriptor,
 * and the other ring places it. The way from ring to ring (MSG_RING with IORING_MSG_SEND_FD) costs the same here, 0.95 us
 * beside 0.90 us for each socket on Linux 6.18, and a ring whose owner is gone would lose what was sent to it. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "uring.h"

/* Of a socket that has one: the ring is without direct descriptors. */
static int second_descriptor(const iocp_uring *uring, uint32_t handle)
{
    const int fd = fcntl(iocp_uring_socket_fd(uring, handle), F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

static int pack(iocp_driver *driver, uint32_t handle, iocp_traveller *traveller)
{
    const iocp_uring *uring = iocp_uring_of(driver);
    const int fd = uring->direct ? iocp_uring_install(iocp_uring_of(driver), handle) : second_descriptor(uring, handle);
    if (fd < 0)
        return fd;
    *traveller = (iocp_traveller){.fd = fd};
    return 0;
}

/* With the fd open elsewhere, closing the descriptor says nothing to the peer. */
static void leave(iocp_driver *driver, uint32_t handle)
{
    iocp_uring_close_handle(driver, 0, handle, false);
}

static void stay(iocp_driver *driver, uint32_t handle, iocp_traveller *traveller)
{
    (void)driver;
    (void)handle;
    close(traveller->fd);
    traveller->fd = -1;
}

static int take(iocp_driver *driver, iocp_traveller *traveller, uint32_t *handle)
{
    const int placed = iocp_uring_place_lent(iocp_uring_of(driver), traveller->fd);
    if (placed < 0)
        return placed;
    *handle = (uint32_t)placed;
    close(traveller->fd);
    traveller->fd = -1;
    return 0;
}

const iocp_hand_over_operations iocp_uring_hand_over = {
    .pack = pack, .leave = leave, .stay = stay, .take = take, .abandon = iocp_traveller_abandon};
