/* Endpoints and addresses to and from the kernel's sockaddr. */
#ifndef IOCP_SYSTEM_SOCKET_ADDRESS_H
#define IOCP_SYSTEM_SOCKET_ADDRESS_H

#include <sys/socket.h>

#include "../include/iocp_endpoint.h"

/* Returns the length for bind(2) and connect(2). */
socklen_t iocp_sockaddr_write(const iocp_endpoint *endpoint, struct sockaddr_storage *storage);

/* A non-blocking stream socket for connect(2), bound to `source` unless that is NULL; with TCP_NODELAY if it is TCP.
 * Returns the fd or -errno. */
int iocp_socket_open(const iocp_endpoint *endpoint, const iocp_endpoint *source);

/* Another descriptor of a socket, or -errno where it is no stream socket of IP or Unix, or not connected. */
int iocp_socket_copy_connected(int fd);

/* Returns 0; -EAFNOSUPPORT: it is no IP address. */
int iocp_sockaddr_read(const struct sockaddr_storage *storage, iocp_address *address);

/* The same for an endpoint of any kind; `length` is what the kernel said. */
int iocp_sockaddr_read_endpoint(const struct sockaddr_storage *storage, socklen_t length, iocp_endpoint *endpoint);

/* getsockname(2): this end's address. Returns 0 or -errno. */
int iocp_socket_name(int fd, iocp_address *address);

/* getpeername(2): the other end's. */
int iocp_socket_peer_name(int fd, iocp_address *address);

#endif
