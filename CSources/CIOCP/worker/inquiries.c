/* What a connection's socket is asked and told. Each call enters the kernel, once or a few times. */
#include <errno.h>
#include <sys/socket.h>

#include "../include/iocp_socket.h"
#include "asking.h"
#include "lookup.h"

/* NULL for a connection whose socket cannot be asked: while the driver closes it, the handle may be another one's. */
static const iocp_slot *slot_with_socket(const iocp_worker *worker, iocp_token connection)
{
    const iocp_slot *slot = iocp_worker_find_slot(worker, connection);
    return slot != NULL && slot->handle != IOCP_HANDLE_NONE && slot->state != IOCP_SLOT_CLOSING ? slot : NULL;
}

int iocp_connection_peer(iocp_worker *worker, iocp_token connection, iocp_address *address)
{
    const iocp_slot *slot = slot_with_socket(worker, connection);
    return slot != NULL ? worker->operations->peer(worker->driver, slot->handle, address)
                        : iocp_worker_absent(worker, connection);
}

int iocp_connection_local(iocp_worker *worker, iocp_token connection, iocp_address *address)
{
    const iocp_slot *slot = slot_with_socket(worker, connection);
    return slot != NULL ? worker->operations->local(worker->driver, slot->handle, address)
                        : iocp_worker_absent(worker, connection);
}

int iocp_connection_get_option(iocp_worker *worker, iocp_token connection, const iocp_socket_option *option,
                               void *value, uint32_t *count_bytes)
{
    const iocp_slot *slot = slot_with_socket(worker, connection);
    if (slot == NULL)
        return iocp_worker_absent(worker, connection);
    if (*count_bytes > IOCP_OPTION_BYTES_MAX)
        return -EINVAL;
    return worker->operations->get_option(worker->driver, slot->handle, option, value, count_bytes);
}

int iocp_connection_set_option(iocp_worker *worker, iocp_token connection, const iocp_socket_option *option,
                               const void *value, uint32_t count_bytes)
{
    const iocp_slot *slot = slot_with_socket(worker, connection);
    if (slot == NULL)
        return iocp_worker_absent(worker, connection);
    if (count_bytes > IOCP_OPTION_BYTES_MAX || (option->level == SOL_SOCKET && option->name == SO_LINGER))
        return -EINVAL;
    return worker->operations->set_option(worker->driver, slot->handle, option, value, count_bytes);
}

int iocp_connection_credentials(iocp_worker *worker, iocp_token connection, iocp_credentials *credentials)
{
    static const iocp_socket_option option = {.level = SOL_SOCKET, .name = SO_PEERCRED};
    struct ucred found = {0};
    uint32_t count_bytes = sizeof found;
    const int result = iocp_connection_get_option(worker, connection, &option, &found, &count_bytes);
    if (result < 0)
        return result;
    *credentials = (iocp_credentials){.process = found.pid, .user = found.uid, .group = found.gid};
    return found.pid == 0 ? -EAFNOSUPPORT : 0; /* what other sockets say */
}

int iocp_connection_info_get(iocp_worker *worker, iocp_token connection, iocp_connection_info *info)
{
    const iocp_slot *slot = slot_with_socket(worker, connection);
    return slot != NULL ? iocp_worker_ask_info(worker, slot, info) : iocp_worker_absent(worker, connection);
}
