/* Linux calls of the soak that Swift's Glibc module leaves out. Results are >= 0 or -errno. */
#ifndef SOAK_SYSTEM_H
#define SOAK_SYSTEM_H

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

/* Binds the calling thread to one of the CPUs it may run on: the first, or the last. */
int soak_pin_thread(int to_last);

/* Lets threads that measure run before the calling one, whatever scheduling it inherited. */
int soak_stand_back(void);

/* Sets the soft RLIMIT_NOFILE of a process, its own or another one; the hard limit is the most. */
int soak_limit_descriptors(pid_t process, uint64_t count);

#endif
