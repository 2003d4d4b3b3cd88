/* Socket options of a descriptor, and what TCP knows about a connection. */
#ifndef IOCP_SYSTEM_SOCKET_OPTION_H
#define IOCP_SYSTEM_SOCKET_OPTION_H

#include "../include/iocp_socket.h"

/* As getsockopt(2) and setsockopt(2). Each returns 0 or -errno. Thread: any. */
int iocp_socket_get_option(int fd, const iocp_socket_option *option, void *value, uint32_t *count_bytes);
int iocp_socket_set_option(int fd, const iocp_socket_option *option, const void *value, uint32_t count_bytes);

/* Bytes that the socket took and its peer has not acknowledged; FIN counts as one. Or -errno. */
int iocp_socket_unacknowledged(int fd);

/* Of the sockets that share an address, this one is to have the clients whose packets a CPU takes in (SO_INCOMING_CPU); where
 * none prefers that CPU the kernel goes by its hash. Since Linux 6.2; before, and for a socket that is no TCP one, it is a wish
 * that nobody hears. Thread: any. */
void iocp_socket_prefer_cpu(int fd, uint32_t cpu);

/* Closes a connected socket; its peer gets RST. Thread: any. */
void iocp_socket_abandon(int fd);

/* Room for the kernel's struct tcp_info, also that of later kernels. */
enum { IOCP_TCP_INFO_BYTES_MAX = 512 };

/* The option TCP_INFO, and how its first count_bytes are read; what an older kernel does not tell is 0. */
iocp_socket_option iocp_tcp_info_option(void);
iocp_connection_info iocp_tcp_info_read(const uint8_t *bytes, uint32_t count_bytes);

#endif
