/* The stats page: written by a port's workers, and read by other processes, which do not trust it. */
#include "page.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
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
    /* Only who may look into this process reaches the file at all, through /proc/PID/fd (ptrace(2), "access mode
     * checking"). So it may be read by all of them: after a setuid(2) the process' user is not the file's owner. */
    if (fchmod(page->fd, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH) == 0 && ftruncate(page->fd, (off_t)page->size_bytes) == 0)
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

/* The other process may write anything into its page at any time, and cut it short. So it is never mapped here: its
 * bytes are copied, checked, and only then looked at. */
struct iocp_stats_view {
    int fd;
    iocp_stats_header header;
    iocp_stats_cell *cells;
};

/* Copies count bytes of the page. -EPROTO for a page that ends before them, or is no file. */
static int copy_out(int fd, void *bytes, size_t count, size_t offset)
{
    for (size_t done = 0; done < count;) {
        const ssize_t got = pread(fd, (uint8_t *)bytes + done, count - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return -EPROTO;
        done += (size_t)got;
    }
    return 0;
}

/* A name is printed on somebody's terminal, so it may consist of nothing but what names of drivers do. */
static bool is_driver_name(const char name[16])
{
    size_t length = 0;
    while (length < 16 && name[length] != 0) {
        const char letter = name[length++];
        if (!(letter >= 'a' && letter <= 'z') && !(letter >= '0' && letter <= '9') && letter != '-' && letter != '_')
            return false;
    }
    return length > 0 && length < 16;
}

static int header_check(const iocp_stats_header *header)
{
    if (header->magic != STATS_MAGIC || header->version != STATS_VERSION ||
        header->cell_bytes != sizeof(iocp_stats_cell))
        return -EPROTO;
    if (header->worker_count == 0 || header->worker_count > IOCP_WORKERS_MAX)
        return -EPROTO;
    return is_driver_name(header->driver) ? 0 : -EPROTO;
}

/* A memfd, or another file of the same kind. What else has such a name may be a pipe that never answers, a device whose
 * reading does something, or a file system of that user's own making. */
static int kind_check(int fd)
{
    struct stat status;
    struct statfs system;
    if (fstat(fd, &status) < 0 || fstatfs(fd, &system) < 0)
        return -errno;
    return S_ISREG(status.st_mode) && system.f_type == TMPFS_MAGIC ? 0 : -EPROTO;
}

int iocp_stats_view_refresh(iocp_stats_view *view)
{
    iocp_stats_header header;
    const int result = copy_out(view->fd, &header, sizeof header, 0);
    if (result < 0)
        return result;
    if (header_check(&header) < 0 || header.worker_count != view->header.worker_count)
        return -EPROTO;
    return copy_out(view->fd, view->cells, header.worker_count * sizeof *view->cells, IOCP_CACHE_LINE_BYTES);
}

static int view_fill(iocp_stats_view *view, int fd)
{
    int result = kind_check(fd);
    if (result == 0)
        result = copy_out(fd, &view->header, sizeof view->header, 0);
    if (result == 0)
        result = header_check(&view->header);
    if (result < 0)
        return result;
    view->cells = aligned_alloc(IOCP_CACHE_LINE_BYTES, view->header.worker_count * sizeof *view->cells);
    if (view->cells == NULL)
        return -ENOMEM;
    view->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return view->fd < 0 ? -errno : iocp_stats_view_refresh(view);
}

int iocp_stats_view_open(int fd, iocp_stats_view **view)
{
    iocp_stats_view *opened = malloc(sizeof *opened);
    if (opened == NULL)
        return -ENOMEM;
    *opened = (iocp_stats_view){.fd = -1};
    const int result = view_fill(opened, fd);
    if (result < 0) {
        iocp_stats_view_close(opened);
        return result;
    }
    *view = opened;
    return 0;
}

/* Opened as a name first, which does nothing to what it names; then, if that is a page's kind of file, the same file for
 * reading. */
int iocp_stats_view_open_path(const char *path, iocp_stats_view **view)
{
    const int name = open(path, O_PATH | O_CLOEXEC);
    if (name < 0)
        return -errno;
    int result = kind_check(name);
    if (result == 0) {
        char again[32];
        snprintf(again, sizeof again, "/proc/self/fd/%d", name);
        const int fd = open(again, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        result = fd < 0 ? -errno : iocp_stats_view_open(fd, view);
        if (fd >= 0)
            close(fd);
    }
    close(name);
    return result;
}

void iocp_stats_view_close(iocp_stats_view *view)
{
    if (view->fd >= 0)
        close(view->fd);
    free(view->cells);
    free(view);
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
    return view->cells[worker_index].stats;
}
