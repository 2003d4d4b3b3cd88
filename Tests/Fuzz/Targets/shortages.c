#include "shortages.h"

#ifdef FUZZ_WRAPS

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/types.h>

static uint32_t until_refusal; /* 0: nothing is short */
static uint64_t mapped_bytes;

void shortages_begin(uint32_t nth)
{
    until_refusal = nth;
}

void shortages_end(void)
{
    until_refusal = 0;
}

uint64_t shortages_mapped_bytes(void)
{
    return mapped_bytes;
}

static bool refused(int error)
{
    if (until_refusal == 0 || --until_refusal > 0)
        return false;
    errno = error;
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap(void *start, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *start, size_t size);
int __real_eventfd(unsigned value, int flags);
int __real_memfd_create(const char *name, unsigned flags);
int __real_ftruncate(int fd, off_t size);

void *__wrap_malloc(size_t size)
{
    return refused(ENOMEM) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused(ENOMEM) ? NULL : __real_calloc(count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refused(ENOMEM) ? NULL : __real_aligned_alloc(alignment, size);
}

void *__wrap_mmap(void *start, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *mapped = refused(ENOMEM) ? MAP_FAILED : __real_mmap(start, size, protection, flags, fd, offset);
    mapped_bytes += mapped != MAP_FAILED ? size : 0;
    return mapped;
}

int __wrap_munmap(void *start, size_t size)
{
    mapped_bytes -= size;
    return __real_munmap(start, size);
}

int __wrap_eventfd(unsigned value, int flags)
{
    return refused(EMFILE) ? -1 : __real_eventfd(value, flags);
}

int __wrap_memfd_create(const char *name, unsigned flags)
{
    return refused(EMFILE) ? -1 : __real_memfd_create(name, flags);
}

int __wrap_ftruncate(int fd, off_t size)
{
    return refused(ENOMEM) ? -1 : __real_ftruncate(fd, size);
}

#else

void shortages_begin(uint32_t nth)
{
    (void)nth;
}

void shortages_end(void)
{
}

uint64_t shortages_mapped_bytes(void)
{
    return 0;
}

#endif
