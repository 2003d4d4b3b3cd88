/* Receive buffers: provided, filled, spent, free. */
#define _GNU_SOURCE
#include "buffers.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "baseline.h"

_Static_assert((BUFFERS_COUNT & (BUFFERS_COUNT - 1)) == 0, "the kernel's ring is a power of two");
_Static_assert(3 * BUFFERS_PROVIDED <= BUFFERS_COUNT, "no turn is without a buffer");

/* Page-aligned and, until touched, without memory. */
static void *map(size_t bytes)
{
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        baseline_fail("receive buffers", errno);
    return start;
}

static void provide(buffers *self)
{
    int count = 0;
    while (self->provided < BUFFERS_PROVIDED && self->free.count > 0) {
        uint16_t id = self->free.ids[--self->free.count];
        self->consumed_bytes[id] = 0;
        io_uring_buf_ring_add(self->queue, self->bytes + (size_t)id * BUFFER_BYTES, BUFFER_BYTES, id,
                              io_uring_buf_ring_mask(BUFFERS_COUNT), count++);
        self->provided++;
    }
    if (count > 0)
        io_uring_buf_ring_advance(self->queue, count);
}

void buffers_open(buffers *self, ring *ring)
{
    self->queue = map(BUFFERS_COUNT * sizeof(struct io_uring_buf));
    self->bytes = map((size_t)BUFFERS_COUNT * BUFFER_BYTES);
    for (uint16_t id = BUFFERS_COUNT; id > 0;)
        self->free.ids[self->free.count++] = --id;

    io_uring_buf_ring_init(self->queue);
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)self->queue, .ring_entries = BUFFERS_COUNT, .bgid = BUFFERS_GROUP};
    /* Named `pad` in liburing 2.3 and `flags` since: the same 16 bits after bgid. */
    *(uint16_t *)((char *)&registration + offsetof(struct io_uring_buf_reg, bgid) + sizeof registration.bgid) =
        RING_PBUF_RING_INC;
    int result = io_uring_register_buf_ring(&ring->uring, &registration, 0);
    if (result != 0)
        baseline_fail("incremental receive buffers (Linux 6.12)", -result);
    provide(self);
}

const char *buffers_take(buffers *self, const struct io_uring_cqe *completion)
{
    uint16_t id = (uint16_t)(completion->flags >> IORING_CQE_BUFFER_SHIFT);
    const char *bytes = self->bytes + (size_t)id * BUFFER_BYTES + self->consumed_bytes[id];
    if (completion->res > 0)
        self->consumed_bytes[id] += (uint32_t)completion->res;
    if (!(completion->flags & RING_CQE_F_BUF_MORE)) {
        buffers_stack *spent = &self->spent[self->turn & 1];
        spent->ids[spent->count++] = id;
        self->provided--;
    }
    return bytes;
}

void buffers_turn_end(buffers *self)
{
    self->turn++;
    buffers_stack *spent = &self->spent[self->turn & 1];
    while (spent->count > 0)
        self->free.ids[self->free.count++] = spent->ids[--spent->count];
    provide(self);
}
