/* Listening sockets of the kernel, for every driver that has real ones: see iocp_listening_operations in driver.h.
 *
 * TCP: each worker has a socket of its own, and the kernel spreads the clients over them (SO_REUSEPORT). That option alone
 * lets a second server of the same user share the port in silence, and take half of the connections. So the port is
 * claimed without it: that fails while anybody listens there. Afterwards the claim shares the port, so that it can stand
 * until the sockets of the workers are bound.
 *
 * Unix, and inherited descriptors: there is one socket, and each worker has a descriptor of it. */
#ifndef IOCP_DRIVER_LISTENING_H
#define IOCP_DRIVER_LISTENING_H

#include "driver.h"

extern const iocp_listening_operations iocp_listening_kernel;

#endif
