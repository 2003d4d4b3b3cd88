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
    enum {
        ANYWHERE = 0, /* never bound */
        BOUND,
        UNBOUND,   /* for now: until the next iocp_thread_rebind */
        ONLY_THERE /* bound, to the one CPU that it had before */
    } place;
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
    int result =
        mine.place == ANYWHERE ? -pthread_getaffinity_np(self, sizeof mine.cpus, (cpu_set_t *)mine.cpus) : 0;
    if (result < 0)
        return result;
    result = bind_to(cpu);
    if (result < 0)
        return result;
    mine.cpu = cpu;
    mine.place = CPU_COUNT_S(sizeof mine.cpus, (const cpu_set_t *)mine.cpus) > 1 ? BOUND : ONLY_THERE;
    return 0;
}

void iocp_thread_restore(void)
{
    if (--mine.worker_count > 0)
        return;
    (void)pthread_setname_np(pthread_self(), mine.name);
    iocp_thread_unbind();
    mine.place = ANYWHERE;
}

void iocp_thread_unbind(void)
{
    if (mine.place != BOUND)
        return;
    (void)pthread_setaffinity_np(pthread_self(), sizeof mine.cpus, (const cpu_set_t *)mine.cpus);
    mine.place = UNBOUND;
}

void iocp_thread_rebind(void)
{
    if (mine.place != UNBOUND)
        return;
    (void)bind_to(mine.cpu);
    mine.place = BOUND;
}
