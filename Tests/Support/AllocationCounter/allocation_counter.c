#include "AllocationCounter.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)

int64_t allocation_count(void)
{
    return -1;
}

#else

static _Atomic int64_t count;

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

/* Where a test refuses memory (Tests/Support/CIOCPInternals/faults.c). */
extern _Bool allocation_refused(const void *caller) __attribute__((weak));

static _Bool refused(const void *caller)
{
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
    return allocation_refused != NULL && allocation_refused(caller);
}

void *malloc(size_t size)
{
    return refused(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    return refused(__builtin_return_address(0)) ? NULL : __libc_calloc(number, size);
}

void *realloc(void *old, size_t size)
{
    return refused(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return refused(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size)
{
    *result = refused(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
    return *result != NULL ? 0 : ENOMEM;
}

int64_t allocation_count(void)
{
    return atomic_load_explicit(&count, memory_order_relaxed);
}

#endif
