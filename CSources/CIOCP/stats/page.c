#include "page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATS_MAGIC UINT64_C(0x7374617073636f69) /* "iocpstat", little endian */
enum { STATS_VERSION = 1 };

_Static_assert(sizeof(iocp_stats_header) <= IOCP_CACHE_LINE_BYTES, "cells start on the second cache line");

static size_t page_size(uint32_t worker_count)
{
    return IOCP_CACHE_LINE_BYTES + (size_t)worker_count * sizeof(iocp_stats_cell);
}

int iocp_stats_page_open(iocp_stats_page *page, uint32_t worker_count, const char *driver)
{
    *page = (iocp_stats_page){.fd = memfd_create("iocp-stats", MFD_CLOEXEC), .size_bytes = page_size(worker_count)};
    if (page->fd < 0)
        return -errno;
    uint8_t *start = MAP_FAILED;
    if (fchmod(page->fd, S_IRUSR | S_IWUSR) == 0 && ftruncate(page->fd, (off_t)page->size_bytes) == 0)
        start = mmap(NULL, page->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, page->fd, 0);
    if (start == MAP_FAILED) {
        const int result = -errno;
        close(page->fd);
        page->fd = -1;
        return result;
    }
    page->header = (iocp_stats_header *)start;
    page->cells = (iocp_stats_cell *)(start + IOCP_CACHE_LINE_BYTES);
    *page->header = (iocp_stats_header){.version = STATS_VERSION,
                                        .cell_bytes = sizeof(iocp_stats_cell),
                                        .worker_count = worker_count,
                                        .pid = getpid()};
    strncpy(page->header->driver, driver, sizeof page->header->driver - 1);
    /* Last: a reader that sees the magic sees the rest. */
    __atomic_store_n(&page->header->magic, STATS_MAGIC, __ATOMIC_RELEASE);
    return 0;
}

void iocp_stats_page_close(iocp_stats_page *page)
{
    if (page->header != NULL)
        munmap(page->header, page->size_bytes);
    if (page->fd >= 0)
        close(page->fd);
    *page = (iocp_stats_page){.fd = -1};
}

iocp_worker_stats iocp_stats_cell_read(const iocp_stats_cell *cell)
{
    iocp_worker_stats copy;
    copy.cpu = __atomic_load_n(&cell->stats.cpu, __ATOMIC_RELAXED);
    copy.node = __atomic_load_n(&cell->stats.node, __ATOMIC_RELAXED);
#define READ_FIELD(name, meaning) copy.name = __atomic_load_n(&cell->stats.name, __ATOMIC_RELAXED);
    IOCP_STATS_FIELDS(READ_FIELD)
#undef READ_FIELD
    return copy;
}

/* --- another process' page --------------------------------------------------------------------------------- */

/* The header is copied once: the other process may write anything into its page at any time, and a count read again
 * after it was checked could have grown. */
struct iocp_stats_view {
    size_t size_bytes;
    const uint8_t *start;
    iocp_stats_header header;
};

static int view_check(const iocp_stats_header *header, size_t size_bytes)
{
    if (size_bytes < IOCP_CACHE_LINE_BYTES || header->magic != STATS_MAGIC)
        return -EPROTO;
    if (header->version != STATS_VERSION || header->cell_bytes != sizeof(iocp_stats_cell))
        return -EPROTO;
    if (header->worker_count > IOCP_WORKERS_MAX || page_size(header->worker_count) > size_bytes)
        return -EPROTO;
    return memchr(header->driver, 0, sizeof header->driver) != NULL ? 0 : -EPROTO;
}

int iocp_stats_view_open(int fd, iocp_stats_view **view)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (status.st_size < IOCP_CACHE_LINE_BYTES)
        return -EPROTO;
    const size_t size_bytes = (size_t)status.st_size;
    const uint8_t *start = mmap(NULL, size_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (start == MAP_FAILED)
        return -errno;
    const iocp_stats_header header = *(const iocp_stats_header *)start;
    int result = view_check(&header, size_bytes);
    if (result == 0) {
        *view = malloc(sizeof **view);
        result = *view != NULL ? 0 : -ENOMEM;
    }
    if (result < 0) {
        munmap((void *)start, size_bytes);
        return result;
    }
    **view = (iocp_stats_view){.size_bytes = size_bytes, .start = start, .header = header};
    return 0;
}

void iocp_stats_view_close(iocp_stats_view *view)
{
    munmap((void *)view->start, view->size_bytes);
    free(view);
}

int32_t iocp_stats_view_pid(const iocp_stats_view *view)
{
    return view->header.pid;
}

uint32_t iocp_stats_view_worker_count(const iocp_stats_view *view)
{
    return view->header.worker_count;
}

const char *iocp_stats_view_driver(const iocp_stats_view *view)
{
    return view->header.driver;
}

iocp_worker_stats iocp_stats_view_worker(const iocp_stats_view *view, uint32_t worker_index)
{
    if (worker_index >= view->header.worker_count)
        return (iocp_worker_stats){0};
    const iocp_stats_cell *cells = (const iocp_stats_cell *)(view->start + IOCP_CACHE_LINE_BYTES);
    return iocp_stats_cell_read(&cells[worker_index]);
}
