/* What a connection's socket is asked, and told: addresses, options, unacknowledged bytes.
 *
 * A direct descriptor has no fd. Some questions are ring commands; for the others it gets an fd as long as they take. A ring
 * without direct descriptors has the fd. */
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "../../system/socket_address.h"
#include "../../system/socket_option.h"
#include "uring.h"

#ifndef SO_PEERNAME
#define SO_PEERNAME 28
#endif

/* The socket's fd, or -errno. Given back at once. */
static int borrow(iocp_uring *uring, uint32_t handle)
{
    return uring->direct ? iocp_uring_install(uring, handle) : iocp_uring_socket_fd(uring, handle);
}

static void give_back(const iocp_uring *uring, int fd)
{
    if (uring->direct)
        close(fd);
}

int iocp_uring_peer(iocp_driver *driver, uint32_t handle, iocp_address *address)
{
    iocp_uring *uring = iocp_uring_of(driver);
    if (!uring->direct)
        return iocp_socket_peer_name(iocp_uring_socket_fd(uring, handle), address);
    iocp_uring_question question = {.command = IOCP_URING_SOCKET_OP_GETSOCKOPT,
                                    .level = SOL_SOCKET,
                                    .option = SO_PEERNAME,
                                    .answer_bytes = sizeof(struct sockaddr_in)};
    struct sockaddr_storage storage = {0};
    /* SO_PEERNAME refuses a length beyond the address' own, so the shorter kind tells which kind it is. */
    int result = iocp_uring_ask(uring, handle, &question, &storage);
    if (result >= 0 && storage.ss_family == AF_INET6) {
        question.answer_bytes = sizeof(struct sockaddr_in6);
        result = iocp_uring_ask(uring, handle, &question, &storage);
    }
    return result < 0 ? result : iocp_sockaddr_read(&storage, address);
}

int iocp_uring_local(iocp_driver *driver, uint32_t handle, iocp_address *address)
{
    iocp_uring *uring = iocp_uring_of(driver);
    const int fd = borrow(uring, handle);
    if (fd < 0)
        return fd;
    const int result = iocp_socket_name(fd, address);
    give_back(uring, fd);
    return result;
}

int iocp_uring_get_option(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, void *value,
                          uint32_t *count_bytes)
{
    iocp_uring *uring = iocp_uring_of(driver);
    /* The ring answers questions of this level alone. */
    if (uring->direct && option->level == SOL_SOCKET && *count_bytes <= IOCP_URING_ANSWER_BYTES_MAX) {
        const iocp_uring_question question = {.command = IOCP_URING_SOCKET_OP_GETSOCKOPT,
                                              .level = SOL_SOCKET,
                                              .option = (uint32_t)option->name,
                                              .answer_bytes = *count_bytes};
        const int result = iocp_uring_ask(uring, handle, &question, value);
        return result < 0 ? result : 0;
    }
    const int fd = borrow(uring, handle);
    if (fd < 0)
        return fd;
    const int result = iocp_socket_get_option(fd, option, value, count_bytes);
    give_back(uring, fd);
    return result;
}

int iocp_uring_set_option(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, const void *value,
                          uint32_t count_bytes)
{
    iocp_uring *uring = iocp_uring_of(driver);
    const int fd = borrow(uring, handle);
    if (fd < 0)
        return fd;
    const int result = iocp_socket_set_option(fd, option, value, count_bytes);
    give_back(uring, fd);
    return result;
}

int iocp_uring_unacknowledged(iocp_driver *driver, uint32_t handle)
{
    static const iocp_uring_question question = {.command = IOCP_URING_SOCKET_OP_SIOCOUTQ};
    iocp_uring *uring = iocp_uring_of(driver);
    if (!uring->direct)
        return iocp_socket_unacknowledged(iocp_uring_socket_fd(uring, handle));
    return iocp_uring_ask(uring, handle, &question, NULL);
}
