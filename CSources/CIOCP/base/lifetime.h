/* Who still needs a port's memory, its workers included: its creator, each thread that it started, each open worker, and
 * each closed worker that has bytes lent. The last one frees it, on whatever thread that is. */
#ifndef IOCP_BASE_LIFETIME_H
#define IOCP_BASE_LIFETIME_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef struct iocp_lifetime {
    _Atomic uint32_t holder_count;
    void (*end)(struct iocp_lifetime *lifetime);
} iocp_lifetime;

/* NULL: a worker that stands in no port, whose memory is its maker's. Thread: any, for both. */
static inline void iocp_lifetime_hold(iocp_lifetime *lifetime)
{
    if (lifetime != NULL)
        atomic_fetch_add_explicit(&lifetime->holder_count, 1, memory_order_relaxed);
}

static inline void iocp_lifetime_release(iocp_lifetime *lifetime)
{
    if (lifetime != NULL && atomic_fetch_sub_explicit(&lifetime->holder_count, 1, memory_order_acq_rel) == 1)
        lifetime->end(lifetime);
}

#endif
