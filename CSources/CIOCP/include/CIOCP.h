/* The public face of the C core: everything a layer above may call.
 *
 * Conventions
 *   Results   int functions return >= 0 on success or -errno; errno itself is not used.
 *   Threads   every function names its thread: "any", or "owner" (the one thread that opened the worker).
 *   Units     are the last word of a name: _bytes, _count, _ns.
 *   Memory    nothing is allocated between iocp_worker_open and iocp_worker_close, but by layers (iocp_layer.h) and for them, and
 *             for connections that move (iocp_moving.h).
 */
#ifndef CIOCP_H
#define CIOCP_H

#include "iocp_admin.h"
#include "iocp_completion.h"
#include "iocp_connection.h"
#include "iocp_endpoint.h"
#include "iocp_layer.h"
#include "iocp_moving.h"
#include "iocp_offload.h"
#include "iocp_port.h"
#include "iocp_sim.h"
#include "iocp_socket.h"
#include "iocp_stats.h"
#include "iocp_system.h"
#include "iocp_worker.h"

#endif
