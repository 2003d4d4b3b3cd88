/* Counts this process' heap allocations by standing in for malloc(3) and its relatives. For tests only. */
#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

#include <stdint.h>

/* Allocations since start, by any thread; -1 under a sanitizer, which has its own malloc. */
int64_t allocation_count(void);

#endif
