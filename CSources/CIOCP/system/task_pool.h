/* The threads of Swift's global pool. */
#ifndef IOCP_SYSTEM_TASK_POOL_H
#define IOCP_SYSTEM_TASK_POOL_H

/* Has the Swift runtime unbind a bound thread that starts a task or a delay of the global pool: libdispatch creates the pool's
 * threads on whichever thread starts one, and they would stay on the worker's CPU for good. One start costs a system call and
 * the next wait another, 1.5 us together; further ones before that wait cost nothing. Done once for the process. Thread: any. */
void iocp_task_pool_unbind_starts(void);

#endif
