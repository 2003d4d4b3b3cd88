/* Which CPUs are threads of one core (SMT siblings). */
#include <limits.h>
#include <stdio.h>

#include "../include/iocp_system.h"

/* The lowest CPU of a core names it. A CPU of which nothing is told is a core of its own. */
static uint32_t core_of(const char *root, uint32_t cpu)
{
    char path[PATH_MAX];
    /* The older name of core_cpus_list, which every kernel has. */
    if (snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", root, cpu) >=
        (int)sizeof path)
        return cpu;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return cpu;
    unsigned first = cpu;
    if (fscanf(file, "%u", &first) != 1)
        first = cpu;
    fclose(file);
    return first;
}

static bool has_core(const char *root, const uint32_t *cpus, uint32_t count, uint32_t core)
{
    for (uint32_t i = 0; i < count; i++)
        if (core_of(root, cpus[i]) == core)
            return true;
    return false;
}

uint32_t iocp_cpus_one_per_core(const char *root, uint32_t *cpus, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!has_core(root, cpus, kept, core_of(root, cpus[i])))
            cpus[kept++] = cpus[i];
    return kept;
}
