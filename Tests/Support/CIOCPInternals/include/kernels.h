/* Kernels older than this one, as far as their features are found by trial. */
#ifndef CIOCP_INTERNALS_KERNELS_H
#define CIOCP_INTERNALS_KERNELS_H

/* From here on the process takes this kernel for one that has what the floor has, Linux 6.1, and nothing more. To be called
 * before a port is made. All tests of a process do so with OLDER_KERNEL=1 in its environment. Thread: any. */
void internals_pretend_older_kernel(void);

#endif
