/* CPUs and NUMA nodes. The only room that knows libnuma. */
#ifndef IOCP_SYSTEM_TOPOLOGY_H
#define IOCP_SYSTEM_TOPOLOGY_H

#include <stddef.h>
#include <stdint.h>

#include "../include/iocp_system.h"

enum { IOCP_CPUS_MAX = 8192 }; /* the kernel's own bound, CONFIG_NR_CPUS */

/* Prefers `node` for pages of [start, start + size) not touched yet. A no-op on one node: there is no choice. */
void iocp_memory_bind(void *start, size_t size_bytes, uint32_t node);

/* Counts resident pages of [start, start + size) and those on `node`. Adds to both. Returns 0 or -errno. */
int iocp_memory_pages(void *start, size_t size_bytes, uint32_t node, uint64_t *resident, uint64_t *on_node);

/* The node of the CPU that the calling thread runs on at this moment. */
uint32_t iocp_current_node(void);

/* The soft RLIMIT_NOFILE: what bounds a ring's file table and a process' fds. */
uint32_t iocp_limit_files(void);

/* CLOCK_MONOTONIC in ns. */
uint64_t iocp_clock_ns(void);

/* CPU time of the calling thread in ns. A system call. */
uint64_t iocp_clock_thread_cpu_ns(void);

/* `delay_ns` after a time; UINT64_MAX where that is beyond the clock's end, in more than 500 years. */
static inline uint64_t iocp_clock_after(uint64_t ns, uint64_t delay_ns)
{
    return delay_ns > UINT64_MAX - ns ? UINT64_MAX : ns + delay_ns;
}

#endif
