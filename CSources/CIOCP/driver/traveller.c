/* Sockets of the kernel's that are between two workers. */
#include "../system/socket_option.h"
#include "driver.h"

void iocp_traveller_abandon(iocp_traveller *traveller)
{
    if (traveller->fd >= 0)
        iocp_socket_abandon(traveller->fd);
    traveller->fd = -1;
}
