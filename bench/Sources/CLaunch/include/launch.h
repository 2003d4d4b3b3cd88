/* Starting a child on one CPU, with its input and its two outputs as pipes. In C because it is fork and exec:
 * between the two only async-signal-safe calls are allowed. */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <sys/types.h>

typedef struct launch_child {
    pid_t pid;
    int input;  /* writing end of its stdin */
    int output; /* reading end of its stdout, non-blocking */
    int errors; /* reading end of its stderr, non-blocking */
} launch_child;

/* Starts arguments[0] (a path) with `arguments`, which end in NULL, confined to `cpu` and as the
 * leader of a process group of its own, so that what it may start in turn can be ended with it.
 * The child is killed when the thread that called this ends, so nothing is left running.
 * Returns 0, or -errno of the step that failed, exec included. */
int launch_on_cpu(char *const arguments[], int cpu, launch_child *child);

/* Writes the CPUs this process may use, at most `capacity`. Returns how many, or -errno. */
int launch_allowed_cpus(int *cpus, int capacity);

#endif
