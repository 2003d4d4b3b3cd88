/* iocp_address to and from the kernel's sockaddr. */
#ifndef IOCP_SYSTEM_SOCKET_ADDRESS_H
#define IOCP_SYSTEM_SOCKET_ADDRESS_H

#include <sys/socket.h>

#include "../include/iocp_system.h"

/* Returns the length for bind(2) and connect(2). */
socklen_t iocp_sockaddr_write(const iocp_address *address, struct sockaddr_storage *storage);

/* A non-blocking TCP socket for connect(2), with TCP_NODELAY, bound to `source` unless that is NULL.
 * Returns the fd or -errno. */
int iocp_socket_open(const iocp_address *address, const iocp_address *source);

/* Returns 0 or -EAFNOSUPPORT. */
int iocp_sockaddr_read(const struct sockaddr_storage *storage, iocp_address *address);

#endif
