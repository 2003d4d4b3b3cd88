/* Endpoints and addresses to and from the kernel's sockaddr, and sockets to connect from. */
#include "socket_address.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(sizeof ((struct sockaddr_un *)0)->sun_path == IOCP_UNIX_NAME_BYTES_MAX, "every name has room");

/* --- writing ------------------------------------------------------------------------------------------------ */

static socklen_t write_address(const iocp_address *address, struct sockaddr_storage *storage)
{
    if (address->family_is_v6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)storage;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = address->port_be;
        v6->sin6_scope_id = address->scope_id;
        memcpy(&v6->sin6_addr, address->bytes, sizeof v6->sin6_addr);
        return sizeof *v6;
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)storage;
    v4->sin_family = AF_INET;
    v4->sin_port = address->port_be;
    memcpy(&v4->sin_addr, address->bytes, sizeof v4->sin_addr);
    return sizeof *v4;
}

/* unix(7): a path ends with a NUL where there is room for one, and an abstract name with the length. */
static socklen_t write_name(const iocp_endpoint *endpoint, struct sockaddr_storage *storage)
{
    struct sockaddr_un *name = (struct sockaddr_un *)storage;
    name->sun_family = AF_UNIX;
    memcpy(name->sun_path, endpoint->name, endpoint->name_bytes);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + endpoint->name_bytes);
}

socklen_t iocp_sockaddr_write(const iocp_endpoint *endpoint, struct sockaddr_storage *storage)
{
    memset(storage, 0, sizeof *storage);
    switch (endpoint->kind) {
    case IOCP_ENDPOINT_TCP:
        return write_address(&endpoint->address, storage);
    case IOCP_ENDPOINT_UNIX:
        return write_name(endpoint, storage);
    }
    return 0;
}

/* --- reading ------------------------------------------------------------------------------------------------ */

int iocp_sockaddr_read(const struct sockaddr_storage *storage, iocp_address *address)
{
    memset(address, 0, sizeof *address);
    if (storage->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)storage;
        address->family_is_v6 = 1;
        address->port_be = v6->sin6_port;
        address->scope_id = v6->sin6_scope_id;
        memcpy(address->bytes, &v6->sin6_addr, sizeof v6->sin6_addr);
        return 0;
    }
    if (storage->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)storage;
        address->port_be = v4->sin_port;
        memcpy(address->bytes, &v4->sin_addr, sizeof v4->sin_addr);
        return 0;
    }
    return -EAFNOSUPPORT;
}

int iocp_sockaddr_read_endpoint(const struct sockaddr_storage *storage, socklen_t length, iocp_endpoint *endpoint)
{
    *endpoint = (iocp_endpoint){.kind = IOCP_ENDPOINT_TCP};
    if (storage->ss_family != AF_UNIX)
        return iocp_sockaddr_read(storage, &endpoint->address);
    const struct sockaddr_un *name = (const struct sockaddr_un *)storage;
    const size_t start = offsetof(struct sockaddr_un, sun_path);
    size_t count = length > start ? length - start : 0;
    if (count > sizeof endpoint->name)
        count = sizeof endpoint->name;
    if (count > 0 && name->sun_path[0] != 0)
        count = strnlen(name->sun_path, count);
    endpoint->kind = IOCP_ENDPOINT_UNIX;
    endpoint->name_bytes = (uint8_t)count;
    memcpy(endpoint->name, name->sun_path, count);
    return 0;
}

/* --- sockets ------------------------------------------------------------------------------------------------ */

static int family_of(const iocp_endpoint *endpoint)
{
    if (endpoint->kind == IOCP_ENDPOINT_UNIX)
        return AF_UNIX;
    return endpoint->address.family_is_v6 ? AF_INET6 : AF_INET;
}

int iocp_socket_copy_connected(int fd)
{
    int type = 0;
    socklen_t type_length = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length) < 0)
        return -errno;
    if (type != SOCK_STREAM)
        return -EPROTOTYPE;
    struct sockaddr_storage peer;
    socklen_t peer_length = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_length) < 0)
        return -errno;
    iocp_endpoint known;
    const int result = iocp_sockaddr_read_endpoint(&peer, peer_length, &known);
    if (result < 0)
        return result;
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
}

int iocp_socket_open(const iocp_endpoint *endpoint, const iocp_endpoint *source)
{
    const int one = 1;
    const bool is_tcp = endpoint->kind == IOCP_ENDPOINT_TCP;
    const int fd = socket(family_of(endpoint), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, is_tcp ? IPPROTO_TCP : 0);
    if (fd < 0)
        return -errno;
    int result = is_tcp ? setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) : 0;
    if (result == 0 && source != NULL) {
        struct sockaddr_storage from;
        const socklen_t from_length = iocp_sockaddr_write(source, &from);
        /* Without it bind(2) takes a port for this address alone, and all destinations share 28,000 of them. */
        if (is_tcp)
            (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        result = bind(fd, (struct sockaddr *)&from, from_length);
    }
    if (result == 0)
        return fd;
    result = -errno;
    close(fd);
    return result;
}

int iocp_socket_name(int fd, iocp_address *address)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &length) < 0)
        return -errno;
    return iocp_sockaddr_read(&storage, address);
}

int iocp_socket_peer_name(int fd, iocp_address *address)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (getpeername(fd, (struct sockaddr *)&storage, &length) < 0)
        return -errno;
    return iocp_sockaddr_read(&storage, address);
}
