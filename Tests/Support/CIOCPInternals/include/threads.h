/* Where a test's thread runs. */
#ifndef CIOCP_INTERNALS_THREADS_H
#define CIOCP_INTERNALS_THREADS_H

#include <stdint.h>

/* Binds the calling thread to one CPU. Returns 0, or -1. */
int internals_thread_bind(uint32_t cpu);

#endif
