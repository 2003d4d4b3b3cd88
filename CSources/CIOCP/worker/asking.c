/* Which connections an administrator means, and what their sockets say. */
#include "asking.h"

#include <errno.h>
#include <string.h>

#include "../system/socket_option.h"

enum { V4_BITS = 32, V6_BITS = 128, MAPPED_BYTES = 12 };

bool iocp_filter_is_valid(const iocp_connection_filter *filter)
{
    return !filter->by_peer || filter->prefix_bits <= (filter->peer.family_is_v6 ? V6_BITS : V4_BITS);
}

bool iocp_worker_may_ask(const iocp_slot *slot)
{
    return iocp_slot_receives(slot) && slot->handle != IOCP_HANDLE_NONE && iocp_slot_is_connection(slot);
}

bool iocp_worker_asks_later(int result)
{
    return result == -EBUSY || result == -EAGAIN;
}

int iocp_worker_ask_addresses(iocp_worker *worker, const iocp_slot *slot, iocp_address *peer, iocp_address *local)
{
    const int result = worker->operations->peer(worker->driver, slot->handle, peer);
    return result < 0 ? result : worker->operations->local(worker->driver, slot->handle, local);
}

int iocp_worker_ask_info(iocp_worker *worker, const iocp_slot *slot, iocp_connection_info *info)
{
    const iocp_socket_option option = iocp_tcp_info_option();
    uint8_t bytes[IOCP_TCP_INFO_BYTES_MAX];
    uint32_t count_bytes = sizeof bytes;
    const int result = worker->operations->get_option(worker->driver, slot->handle, &option, bytes, &count_bytes);
    if (result == 0)
        *info = iocp_tcp_info_read(bytes, count_bytes);
    return result;
}

/* The IPv4 address within an IPv6 one, or NULL. */
static const uint8_t *mapped(const iocp_address *address)
{
    static const uint8_t prefix[MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address->bytes, prefix, sizeof prefix) == 0 ? address->bytes + sizeof prefix : NULL;
}

static bool begins_alike(const uint8_t *one, const uint8_t *other, uint32_t bits)
{
    const uint32_t whole = bits / 8;
    const uint32_t rest = bits % 8;
    return memcmp(one, other, whole) == 0 && (rest == 0 || ((one[whole] ^ other[whole]) >> (8 - rest)) == 0);
}

static bool matches(const iocp_address *address, const iocp_connection_filter *filter)
{
    const iocp_address *wanted = &filter->peer;
    const uint8_t *bytes = address->bytes;
    if (wanted->port_be != 0 && wanted->port_be != address->port_be)
        return false;
    if (!wanted->family_is_v6 && address->family_is_v6)
        bytes = mapped(address);
    else if (wanted->family_is_v6 != address->family_is_v6)
        bytes = NULL;
    return bytes != NULL && begins_alike(bytes, wanted->bytes, filter->prefix_bits);
}

int iocp_worker_is_meant(iocp_worker *worker, const iocp_slot *slot, const iocp_connection_filter *filter)
{
    if (filter->connection != 0 && filter->connection != iocp_slot_connection(&worker->table, slot))
        return 0;
    if (!filter->by_peer)
        return 1;
    iocp_address address;
    const int result = worker->operations->peer(worker->driver, slot->handle, &address);
    if (iocp_worker_asks_later(result))
        return result;
    return result == 0 && matches(&address, filter);
}
