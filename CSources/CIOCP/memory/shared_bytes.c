/* Bytes sent to many connections by reference. The count is atomic: workers release from their own threads. */
#include <stdatomic.h>
#include <stdlib.h>

#include "../base/check.h"
#include "../base/limits.h"
#include "../include/iocp_connection.h"

struct iocp_shared_bytes {
    _Atomic uint32_t references;
    uint32_t count_bytes;
    _Alignas(IOCP_CACHE_LINE_BYTES) uint8_t bytes[];
};

iocp_shared_bytes *iocp_shared_bytes_create(uint32_t count_bytes)
{
    const size_t size = sizeof(iocp_shared_bytes) + count_bytes;
    const size_t rounded = (size + IOCP_CACHE_LINE_BYTES - 1) / IOCP_CACHE_LINE_BYTES * IOCP_CACHE_LINE_BYTES;
    iocp_shared_bytes *shared = aligned_alloc(IOCP_CACHE_LINE_BYTES, rounded);
    if (shared == NULL)
        return NULL;
    atomic_init(&shared->references, 1);
    shared->count_bytes = count_bytes;
    return shared;
}

uint8_t *iocp_shared_bytes_start(iocp_shared_bytes *shared)
{
    return shared->bytes;
}

uint32_t iocp_shared_bytes_count(const iocp_shared_bytes *shared)
{
    return shared->count_bytes;
}

void iocp_shared_bytes_retain(iocp_shared_bytes *shared)
{
    atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
}

void iocp_shared_bytes_release(iocp_shared_bytes *shared)
{
    const uint32_t before = atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel);
    IOCP_CHECK(before > 0, "shared bytes were released twice");
    if (before == 1)
        free(shared);
}
