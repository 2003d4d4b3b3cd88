/* How many workers a port has, and how many connections each of them. */
#ifndef IOCP_PORT_CAPACITY_H
#define IOCP_PORT_CAPACITY_H

#include "include/iocp_port.h"

/* Writes worker_count and connections_per_worker of `config`, from what was asked for and this process' limits. NULL, or what
 * cannot be held, in words: the code is -EMFILE then. */
const char *iocp_capacity_settle(const iocp_port_config *asked, uint32_t workers_default, bool is_epoll,
                                 iocp_port_config *config);

#endif
