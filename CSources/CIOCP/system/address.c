/* Addresses: names in, text out. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../include/iocp_system.h"
#include "socket_address.h"

socklen_t iocp_sockaddr_write(const iocp_address *address, struct sockaddr_storage *storage)
{
    memset(storage, 0, sizeof *storage);
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

int iocp_socket_open(const iocp_address *address, const iocp_address *source)
{
    const int one = 1;
    const int family = address->family_is_v6 ? AF_INET6 : AF_INET;
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0)
        return -errno;
    int result = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (result == 0 && source != NULL) {
        struct sockaddr_storage from;
        const socklen_t from_length = iocp_sockaddr_write(source, &from);
        /* Without it bind(2) takes a port for this address alone, and all destinations share 28,000 of them. */
        (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        result = bind(fd, (struct sockaddr *)&from, from_length);
    }
    if (result == 0)
        return fd;
    result = -errno;
    close(fd);
    return result;
}

int iocp_address_resolve(const char *host, uint16_t port, iocp_address *address)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;

    switch (getaddrinfo(host, NULL, &hints, &list)) {
    case 0:
        break;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return errno != 0 ? -errno : -EINVAL;
    default:
        return -EINVAL; /* the host names nothing, or the resolver cannot say */
    }
    struct sockaddr_storage storage = {0};
    memcpy(&storage, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    const int result = iocp_sockaddr_read(&storage, address);
    address->port_be = htons(port);
    return result;
}

int iocp_address_format(const iocp_address *address, char *text, uint32_t capacity_bytes)
{
    const int family = address->family_is_v6 ? AF_INET6 : AF_INET;
    return inet_ntop(family, address->bytes, text, capacity_bytes) != NULL ? 0 : -ENOSPC;
}
