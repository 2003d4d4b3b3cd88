/* Addresses: names in, text out. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../include/iocp_system.h"
#include "socket_address.h"

static int resolver_error(int result)
{
    switch (result) {
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_AGAIN: /* it is down, or out of reach */
        return -EAGAIN;
    case EAI_FAIL:
        return -EIO;
    case EAI_SYSTEM: /* EINVAL would say that the name is no name */
        return errno != 0 && errno != EINVAL ? -errno : -EIO;
    default:
        return -EINVAL; /* EAI_NONAME, EAI_NODATA, and what no host can be */
    }
}

static bool same_address(const iocp_address *a, const iocp_address *b)
{
    return a->family_is_v6 == b->family_is_v6 && a->scope_id == b->scope_id && a->port_be == b->port_be &&
           memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static bool is_listed(const iocp_address *addresses, uint32_t count, const iocp_address *address)
{
    for (uint32_t i = 0; i < count; i++)
        if (same_address(&addresses[i], address))
            return true;
    return false;
}

static uint32_t count_family(const iocp_address *addresses, uint32_t count, bool v6)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        found += (addresses[i].family_is_v6 != 0) == v6;
    return found;
}

/* /etc/hosts gives localhost an IPv6 address on machines, and in containers, that have none. */
static bool machine_has_v6(void)
{
    const struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0)
        return errno != EAFNOSUPPORT;
    const bool bound = bind(fd, (const struct sockaddr *)&loopback, sizeof loopback) == 0 || errno != EADDRNOTAVAIL;
    close(fd);
    return bound;
}

static uint32_t drop_v6(iocp_address *addresses, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!addresses[i].family_is_v6)
            addresses[kept++] = addresses[i];
    return kept;
}

int iocp_addresses_resolve(const char *host, uint16_t port, iocp_address *addresses, uint32_t capacity)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    const int result = getaddrinfo(host, NULL, &hints, &list);
    if (result != 0)
        return resolver_error(result);
    uint32_t count = 0;
    for (const struct addrinfo *entry = list; entry != NULL && count < capacity; entry = entry->ai_next) {
        struct sockaddr_storage storage = {0};
        iocp_address address;
        memcpy(&storage, entry->ai_addr, entry->ai_addrlen);
        if (iocp_sockaddr_read(&storage, &address) < 0)
            continue;
        address.port_be = htons(port);
        if (!is_listed(addresses, count, &address))
            addresses[count++] = address;
    }
    freeaddrinfo(list);
    const uint32_t v6_count = count_family(addresses, count, true);
    if (v6_count > 0 && v6_count < count && !machine_has_v6())
        count = drop_v6(addresses, count);
    return count > 0 ? (int)count : -EINVAL;
}

int iocp_address_resolve(const char *host, uint16_t port, iocp_address *address)
{
    const int result = iocp_addresses_resolve(host, port, address, 1);
    return result < 0 ? result : 0;
}

/* An interface is named where that name is read again: for addresses whose scope is a link. */
static bool has_link_scope(const iocp_address *address)
{
    struct in6_addr v6;
    memcpy(&v6, address->bytes, sizeof v6);
    return IN6_IS_ADDR_LINKLOCAL(&v6) || IN6_IS_ADDR_MC_LINKLOCAL(&v6);
}

int iocp_address_format(const iocp_address *address, char *text, uint32_t capacity_bytes)
{
    const int family = address->family_is_v6 ? AF_INET6 : AF_INET;
    if (inet_ntop(family, address->bytes, text, capacity_bytes) == NULL)
        return -ENOSPC;
    if (!address->family_is_v6 || address->scope_id == 0)
        return 0;
    char name[IF_NAMESIZE];
    const size_t length = strlen(text);
    const int written = has_link_scope(address) && if_indextoname(address->scope_id, name) != NULL
                            ? snprintf(text + length, capacity_bytes - length, "%%%s", name)
                            : snprintf(text + length, capacity_bytes - length, "%%%u", address->scope_id);
    return (size_t)written < capacity_bytes - length ? 0 : -ENOSPC;
}

