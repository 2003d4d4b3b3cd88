/* Where the pages of a worker's memory lie. */
#ifndef IOCP_WORKER_RESIDENCE_H
#define IOCP_WORKER_RESIDENCE_H

#include <stddef.h>
#include <stdint.h>

struct iocp_worker;

/* How far a worker has looked at its pages. */
typedef struct iocp_residence {
    uint64_t due_ns; /* of the next look; UINT64_MAX: never, it cannot be asked here */
    uint32_t arena;
    size_t offset_bytes;
    uint64_t resident; /* pages so far */
    uint64_t on_node;
} iocp_residence;

void iocp_worker_begin_residence(struct iocp_worker *worker);

/* Looks at some pages more, if that is due; after the last of them the stats page says what was found. */
void iocp_worker_measure_residence(struct iocp_worker *worker);

#endif
