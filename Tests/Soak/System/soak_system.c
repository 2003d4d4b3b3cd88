#include "SoakSystem.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

int soak_pin_thread(int to_last)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return -errno;
    int chosen = -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && (chosen < 0 || to_last))
            chosen = cpu;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(chosen, &one);
    return sched_setaffinity(0, sizeof one, &one) < 0 ? -errno : 0;
}

int soak_stand_back(void)
{
    const struct sched_param ordinary = {0};
    if (sched_setscheduler(0, SCHED_OTHER, &ordinary) < 0 || setpriority(PRIO_PROCESS, 0, 10) < 0)
        return -errno;
    return 0;
}

int soak_limit_descriptors(pid_t process, uint64_t count)
{
    struct rlimit limit;
    if (prlimit(process, RLIMIT_NOFILE, NULL, &limit) < 0)
        return -errno;
    limit.rlim_cur = count < limit.rlim_max ? count : limit.rlim_max;
    return prlimit(process, RLIMIT_NOFILE, &limit, NULL) < 0 ? -errno : 0;
}
