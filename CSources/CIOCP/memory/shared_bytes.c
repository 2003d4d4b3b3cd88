/* Bytes sent to many connections by reference. The count is atomic: workers release from their own threads. */
#include <stdatomic.h>
#include <stdlib.h>

#include "../base/check.h"
#include "../base/limits.h"
#include "../include/iocp_connection.h"

struct iocp_shared_bytes {
    _Atomic uint32_t references;
    uint32_t count_bytes;
    uint8_t *start; /* `bytes`, or what `owner` keeps */
    void *owner;
    iocp_owner_release release; /* NULL: the bytes are its own */
    _Alignas(IOCP_CACHE_LINE_BYTES) uint8_t bytes[];
};

static iocp_shared_bytes *create(size_t own_bytes)
{
    const size_t size = sizeof(iocp_shared_bytes) + own_bytes;
    const size_t rounded = (size + IOCP_CACHE_LINE_BYTES - 1) / IOCP_CACHE_LINE_BYTES * IOCP_CACHE_LINE_BYTES;
    iocp_shared_bytes *shared = aligned_alloc(IOCP_CACHE_LINE_BYTES, rounded);
    if (shared != NULL)
        atomic_init(&shared->references, 1);
    return shared;
}

iocp_shared_bytes *iocp_shared_bytes_create(uint32_t count_bytes)
{
    iocp_shared_bytes *shared = create(count_bytes);
    if (shared == NULL)
        return NULL;
    shared->count_bytes = count_bytes;
    shared->start = shared->bytes;
    shared->owner = NULL;
    shared->release = NULL;
    return shared;
}

iocp_shared_bytes *iocp_shared_bytes_borrow(const void *bytes, uint32_t count_bytes, void *owner,
                                            iocp_owner_release release)
{
    iocp_shared_bytes *shared = create(0);
    if (shared == NULL)
        return NULL;
    shared->count_bytes = count_bytes;
    shared->start = (uint8_t *)bytes; /* never written: only their maker fills bytes, and these are not made here */
    shared->owner = owner;
    shared->release = release;
    return shared;
}

uint8_t *iocp_shared_bytes_start(iocp_shared_bytes *shared)
{
    return shared->start;
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
    if (before != 1)
        return;
    if (shared->release != NULL)
        shared->release(shared->owner);
    free(shared);
}
