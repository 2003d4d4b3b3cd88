/* The threads of workers: their names and their CPUs. */
#ifndef IOCP_SYSTEM_THREAD_H
#define IOCP_SYSTEM_THREAD_H

#include <stdint.h>

#include "../include/iocp_system.h"

/* One worker more on the calling thread: names it "iocp/INDEX" and binds it to a CPU (UINT32_MAX: to none). Returns 0 or
 * -errno; in either case iocp_thread_restore follows. */
int iocp_thread_assume(uint32_t index, uint32_t cpu);

/* One worker less. With its last the thread gets back the name and the CPUs that it had before its first, in whatever order
 * they go. */
void iocp_thread_restore(void);

/* Binds the thread again that iocp_thread_unbind unbound. Called before each wait. */
void iocp_thread_rebind(void);

#endif
