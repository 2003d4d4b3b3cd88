/* Sockets that are bound to an address: to claim it, to hold it, or to listen there. */
#include "listening_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../system/socket_address.h"

static int bound_socket(const iocp_address *address, bool v6_only, bool shared)
{
    const int one = 1;
    const int only = v6_only;
    struct sockaddr_storage storage;
    const socklen_t length = iocp_sockaddr_write(address, &storage);
    const int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0)
        return -errno;
    /* TCP_NODELAY is inherited by accepted sockets: replies are coalesced by the flush, not by Nagle. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0) ||
        /* Either way, whatever net.ipv6.bindv6only says. */
        (address->family_is_v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) < 0) ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        bind(fd, (struct sockaddr *)&storage, length) < 0) {
        const int result = -errno;
        close(fd);
        return result;
    }
    return fd;
}

static int bound_address(int fd, iocp_address *address)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &length) < 0)
        return -errno;
    return iocp_sockaddr_read(&storage, address);
}

int iocp_listening_socket_claim(const iocp_address *address, bool v6_only, uint32_t backlog, iocp_address *claimed)
{
    const int one = 1;
    const int fd = bound_socket(address, v6_only, false);
    if (fd < 0)
        return fd;
    int result = bound_address(fd, claimed);
    if (result == 0 &&
        (listen(fd, (int)backlog) < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0))
        result = -errno;
    if (result == 0)
        return fd;
    close(fd);
    return result;
}

int iocp_listening_socket_hold(const iocp_address *address, bool v6_only)
{
    const int zero = 0;
    const int fd = bound_socket(address, v6_only, true);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &zero, sizeof zero) == 0)
        return fd;
    const int result = -errno;
    close(fd);
    return result;
}

int iocp_listening_socket_bind(const iocp_address *address, bool v6_only)
{
    return bound_socket(address, v6_only, true);
}
