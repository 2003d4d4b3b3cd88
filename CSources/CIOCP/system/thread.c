/* The threads of workers: their names and their CPUs. */
#include "thread.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>

#include "topology.h"

/* The calling thread's workers, what it was before the first of them, and the CPU that it is bound to. */
static _Thread_local struct {
    uint64_t cpus[IOCP_CPUS_MAX / 64];
    char name[16];
    uint32_t worker_count;
    uint32_t cpu;
    bool bound;
} mine;

static int bind_to(uint32_t cpu)
{
    uint64_t only[IOCP_CPUS_MAX / 64] = {0};
    CPU_SET_S(cpu, sizeof only, (cpu_set_t *)only);
    return -pthread_setaffinity_np(pthread_self(), sizeof only, (cpu_set_t *)only);
}

int iocp_thread_assume(uint32_t index, uint32_t cpu)
{
    const pthread_t self = pthread_self();
    char name[sizeof mine.name];
    snprintf(name, sizeof name, "iocp/%u", index);
    if (mine.worker_count++ == 0)
        (void)pthread_getname_np(self, mine.name, sizeof mine.name);
    (void)pthread_setname_np(self, name);
    if (cpu == UINT32_MAX)
        return 0;
    if (cpu >= IOCP_CPUS_MAX)
        return -EINVAL;
    int result = mine.bound ? 0 : -pthread_getaffinity_np(self, sizeof mine.cpus, (cpu_set_t *)mine.cpus);
    if (result < 0)
        return result;
    result = bind_to(cpu);
    if (result < 0)
        return result;
    mine.cpu = cpu;
    mine.bound = true;
    return 0;
}

void iocp_thread_restore(void)
{
    if (--mine.worker_count > 0)
        return;
    (void)pthread_setname_np(pthread_self(), mine.name);
    iocp_thread_unbind();
    mine.bound = false;
}

void iocp_thread_unbind(void)
{
    if (mine.bound)
        (void)pthread_setaffinity_np(pthread_self(), sizeof mine.cpus, (const cpu_set_t *)mine.cpus);
}

void iocp_thread_rebind(void)
{
    if (mine.bound)
        (void)bind_to(mine.cpu);
}
