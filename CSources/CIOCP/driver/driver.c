/* Which drivers this build has. */
#include "driver.h"

#include <stddef.h>

const char *iocp_driver_name(iocp_driver_kind kind)
{
    switch (kind) {
    case IOCP_DRIVER_AUTO:
        return "auto";
    case IOCP_DRIVER_URING:
        return "uring";
    case IOCP_DRIVER_EPOLL:
        return "epoll";
    case IOCP_DRIVER_SIM:
        return "sim";
    }
    return "unknown";
}

const iocp_driver_operations *iocp_driver_find(iocp_driver_kind kind)
{
    switch (kind) {
    case IOCP_DRIVER_URING:
        return iocp_driver_uring();
    case IOCP_DRIVER_EPOLL:
        return iocp_driver_epoll();
    case IOCP_DRIVER_SIM:
        return iocp_driver_sim();
    case IOCP_DRIVER_AUTO:
        return NULL;
    }
    return NULL;
}
