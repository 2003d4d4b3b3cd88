/* CPUs and NUMA nodes of this machine, and what the process may have of them. */
#include "topology.h"

#include <errno.h>
#include <numa.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* libnuma prints its warnings and errors to stderr, unless the program has these functions of its own (numa(3)). Every
 * call here has a result that says as much. Weak: a program may have other ones. */
__attribute__((weak)) void numa_warn(int number, char *format, ...)
{
    (void)number;
    (void)format;
}

__attribute__((weak)) void numa_error(char *call)
{
    (void)call;
}

/* A CPU set large enough for this machine: sched_getaffinity(2) answers EINVAL for one that is too small. */
static cpu_set_t *allowed_set(int *cpu_count, size_t *size_bytes)
{
    for (int count = 1024; count <= 1 << 20; count *= 2) {
        cpu_set_t *set = CPU_ALLOC(count);
        if (set == NULL)
            return NULL;
        *cpu_count = count;
        *size_bytes = CPU_ALLOC_SIZE(count);
        if (sched_getaffinity(0, *size_bytes, set) == 0)
            return set;
        CPU_FREE(set);
        if (errno != EINVAL)
            return NULL;
    }
    errno = EINVAL;
    return NULL;
}

int iocp_cpus_allowed(uint32_t *cpus, uint32_t capacity)
{
    int cpu_count = 0;
    size_t size_bytes = 0;
    cpu_set_t *set = allowed_set(&cpu_count, &size_bytes);
    if (set == NULL)
        return errno != 0 ? -errno : -ENOMEM;

    uint32_t found = 0;
    for (int cpu = 0; cpu < cpu_count; cpu++) {
        if (!CPU_ISSET_S(cpu, size_bytes, set))
            continue;
        if (found < capacity)
            cpus[found] = (uint32_t)cpu;
        found++;
    }
    CPU_FREE(set);
    return (int)found;
}

uint32_t iocp_cpu_node(uint32_t cpu)
{
    if (numa_available() < 0)
        return 0;
    const int node = numa_node_of_cpu((int)cpu);
    return node < 0 ? 0 : (uint32_t)node;
}

uint32_t iocp_current_node(void)
{
    const int cpu = sched_getcpu();
    return cpu < 0 ? 0 : iocp_cpu_node((uint32_t)cpu);
}

uint32_t iocp_node_count(void)
{
    if (numa_available() < 0)
        return 1;
    const int count = numa_num_configured_nodes();
    return count < 1 ? 1 : (uint32_t)count;
}

void iocp_memory_bind(void *start, size_t size_bytes, uint32_t node)
{
    if (iocp_node_count() > 1)
        numa_tonode_memory(start, size_bytes, (int)node);
}

int iocp_memory_pages(void *start, size_t size_bytes, uint32_t node, uint64_t *resident, uint64_t *on_node)
{
    enum { BATCH = 512 };
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    const size_t page_count = size_bytes / page_bytes;
    void *pages[BATCH];
    int status[BATCH];

    if (numa_available() < 0)
        return -ENOSYS;
    for (size_t first = 0; first < page_count; first += BATCH) {
        const size_t count = page_count - first < BATCH ? page_count - first : BATCH;
        for (size_t i = 0; i < count; i++)
            pages[i] = (uint8_t *)start + (first + i) * page_bytes;
        /* Without target nodes move_pages(2) moves nothing and reports where each page lies. */
        if (numa_move_pages(0, count, pages, NULL, status, 0) < 0)
            return -errno;
        for (size_t i = 0; i < count; i++) {
            if (status[i] < 0)
                continue; /* not touched yet */
            *resident += 1;
            if ((uint32_t)status[i] == node)
                *on_node += 1;
        }
    }
    return 0;
}

uint32_t iocp_limit_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    return limit.rlim_cur > UINT32_MAX ? UINT32_MAX : (uint32_t)limit.rlim_cur;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t iocp_clock_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t iocp_clock_thread_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}
