/* CPUs, NUMA nodes and threads. The only room that knows libnuma. */
#ifndef IOCP_SYSTEM_TOPOLOGY_H
#define IOCP_SYSTEM_TOPOLOGY_H

#include <stddef.h>
#include <stdint.h>

#include "../include/iocp_system.h"

/* Prefers `node` for pages of [start, start + size) not touched yet. A no-op on one node: there is no choice. */
void iocp_memory_bind(void *start, size_t size_bytes, uint32_t node);

/* Counts resident pages of [start, start + size) and those on `node`. Adds to both. Returns 0 or -errno. */
int iocp_memory_pages(void *start, size_t size_bytes, uint32_t node, uint64_t *resident, uint64_t *on_node);

/* Pins the calling thread to a CPU. Returns 0 or -errno. */
int iocp_thread_pin(uint32_t cpu);

/* Names the calling thread "iocp/INDEX". */
void iocp_thread_name(uint32_t index);

/* The soft RLIMIT_NOFILE: what bounds a ring's file table and a process' fds. */
uint32_t iocp_limit_files(void);

/* CLOCK_MONOTONIC in ns. */
uint64_t iocp_clock_ns(void);

#endif
