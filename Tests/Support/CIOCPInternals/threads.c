/* Where a test's thread runs. */
#include <sched.h>
#include <stdint.h>

#include "threads.h"

int internals_thread_bind(uint32_t cpu)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    return sched_setaffinity(0, sizeof cpus, &cpus);
}
