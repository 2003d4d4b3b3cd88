/* What this process lets others see of it. */
#include <errno.h>
#include <sys/prctl.h>

#include "../include/iocp_system.h"

int iocp_process_open_to_its_user(void)
{
    return prctl(PR_SET_DUMPABLE, 1L, 0L, 0L, 0L) == 0 ? 0 : -errno;
}
