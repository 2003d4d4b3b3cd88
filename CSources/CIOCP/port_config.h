/* Checks of a port's configuration, apart from what depends on this machine. */
#ifndef IOCP_PORT_CONFIG_H
#define IOCP_PORT_CONFIG_H

#include "include/iocp_port.h"

/* The name of the first field out of bounds, with the bounds; or NULL. Static storage. */
const char *iocp_port_config_broken_field(const iocp_port_config *config);

#endif
