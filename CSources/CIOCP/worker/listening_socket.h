/* One socket that is bound to an address. Each function returns its fd or -errno. v6_only: an IPv6 wildcard takes no IPv4
 * clients. */
#ifndef IOCP_WORKER_LISTENING_SOCKET_H
#define IOCP_WORKER_LISTENING_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "../include/iocp_system.h"

/* SO_REUSEPORT lets a second server of the same user share the port in silence, and take half of the connections.
 * So the port is claimed without it: that fails while anybody listens there. Afterwards the claim shares the port, so
 * that it can stand until the sockets of the workers are bound. `claimed` receives the address in force. */
int iocp_listening_socket_claim(const iocp_address *address, bool v6_only, uint32_t backlog, iocp_address *claimed);

/* Bound, to keep the address, and does not listen: clients are refused. Without SO_REUSEADDR a bound socket is in the way
 * of other servers even while it does not listen. It is switched off after the bind, which would otherwise fail beside
 * connections in TIME_WAIT. */
int iocp_listening_socket_hold(const iocp_address *address, bool v6_only);

/* Bound beside others of this user's by SO_REUSEPORT, and does not listen yet. */
int iocp_listening_socket_bind(const iocp_address *address, bool v6_only);

#endif
