/* A stretch of bytes in somebody's memory: what a send is made of. */
#ifndef IOCP_MEMORY_RANGE_H
#define IOCP_MEMORY_RANGE_H

#include <stddef.h>
#include <stdint.h>

/* Laid out as struct iovec, so that a driver passes an array of them to the kernel as it is. */
typedef struct iocp_range {
    const uint8_t *start;
    size_t count_bytes;
} iocp_range;

static inline size_t iocp_ranges_bytes(const iocp_range *ranges, uint32_t count)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += ranges[i].count_bytes;
    return sum;
}

#endif
