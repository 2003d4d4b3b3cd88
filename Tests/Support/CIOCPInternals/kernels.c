/* Takes away what newer kernels have. */
#include "kernels.h"

#include <stdlib.h>

#include "../../../CSources/CIOCP/include/iocp_system.h"

void internals_pretend_older_kernel(void)
{
    /* What was found by trial, and is read by everybody else. */
    iocp_capabilities *found = (iocp_capabilities *)iocp_capabilities_get();
    found->no_sqarray = false;
    found->socket_commands = false;
    found->incremental_buffers = false;
    found->min_wait = false;
    found->no_iowait = false;
    found->fd_install = false;
    found->prompt_close = false;
}

__attribute__((constructor)) static void pretend_if_asked(void)
{
    if (getenv("OLDER_KERNEL") != NULL)
        internals_pretend_older_kernel();
}
