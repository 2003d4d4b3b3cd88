/* The stats page of this process, as its port makes it. */
#include "page.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static iocp_stats_header header_of(uint32_t worker_count, const char *driver)
{
    iocp_stats_header header = {.version = IOCP_STATS_VERSION,
                                .cell_bytes = sizeof(iocp_stats_cell),
                                .worker_count = worker_count,
                                .pid = getpid(),
                                .field_count = IOCP_STATS_FIELD_COUNT,
                                .entry_bytes = sizeof(iocp_stats_entry),
                                .histogram_count = IOCP_STATS_HISTOGRAM_COUNT,
                                .bucket_count = IOCP_STATS_BUCKETS,
                                .counter_room = IOCP_STATS_COUNTERS_MAX};
    strncpy(header.driver, driver, sizeof header.driver - 1);
    return header;
}

static void write_directory(iocp_stats_entry *entries, uint32_t count, const iocp_stats_field *row(uint32_t index))
{
    for (uint32_t i = 0; i < count; i++) {
        const iocp_stats_field *field = row(i);
        entries[i] = (iocp_stats_entry){.kind = field->kind, .unit = field->unit, .total = field->total};
        strncpy(entries[i].name, field->name, sizeof entries[i].name - 1);
    }
}

int iocp_stats_page_open(iocp_stats_page *page, uint32_t worker_count, const char *driver)
{
    const iocp_stats_header header = header_of(worker_count, driver);
    const size_t histograms_offset = iocp_stats_histograms_offset(&header);
    const size_t numbers_offset = iocp_stats_numbers_offset(&header);
    const size_t numbers_bytes = (1 + (size_t)worker_count) * IOCP_STATS_COUNTERS_MAX * sizeof(uint64_t);
    *page = (iocp_stats_page){.fd = memfd_create("iocp-stats", MFD_CLOEXEC),
                              .size_bytes = numbers_offset + numbers_bytes};
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
    page->cells = (iocp_stats_cell *)(start + iocp_stats_cells_offset(&header));
    page->counters = (iocp_stats_entry *)(start + iocp_stats_counters_offset(&header));
    page->numbers = (uint64_t *)(start + numbers_offset);
    write_directory((iocp_stats_entry *)(start + IOCP_CACHE_LINE_BYTES), IOCP_STATS_FIELD_COUNT, iocp_stats_field_at);
    write_directory(
        (iocp_stats_entry *)(start + histograms_offset), IOCP_STATS_HISTOGRAM_COUNT, iocp_stats_histogram_at);
    *page->header = header;
    /* Last: a reader that sees the magic sees the rest. */
    __atomic_store_n(&page->header->magic, IOCP_STATS_MAGIC, __ATOMIC_RELEASE);
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
#define READ_FIELD(name, kind, unit, total, summary) copy.name = __atomic_load_n(&cell->stats.name, __ATOMIC_RELAXED);
    IOCP_STATS_FIELDS(READ_FIELD)
#undef READ_FIELD
    return copy;
}

iocp_stats_histogram iocp_stats_cell_histogram(const iocp_stats_cell *cell, uint32_t index)
{
    iocp_stats_histogram copy = {0};
    if (index >= IOCP_STATS_HISTOGRAM_COUNT)
        return copy;
    const iocp_stats_histogram *histogram = &cell->histograms[index];
    copy.sum = __atomic_load_n(&histogram->sum, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < IOCP_STATS_BUCKETS; i++)
        copy.buckets[i] = __atomic_load_n(&histogram->buckets[i], __ATOMIC_RELAXED);
    return copy;
}
