/* Reads another process' stats page, without trusting it.
 *
 * That process may write anything into its page at any time, and cut it short. So the page is never mapped here: its
 * bytes are copied, checked, and only then looked at. The directory is copied once, when the view is opened. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "counters.h"
#include "directory.h"

enum { CELL_VALUES_BYTES = 8 }; /* where a cell's fields start: behind cpu and node */

struct iocp_stats_view {
    int fd;
    iocp_stats_header header;
    uint8_t *cells;
    iocp_stats_fields known;
    iocp_stats_directory fields;
    iocp_stats_directory histograms;
    iocp_stats_directory counters; /* as of the latest copy */
    uint64_t *numbers;
};

/* A sum and the buckets. */
static uint32_t histogram_bytes(const iocp_stats_header *header)
{
    return 8 * (1 + header->bucket_count);
}

/* The sizes that a page claims are bounded before anything is computed from them. */
static int header_check(const iocp_stats_header *header)
{
    if (header->magic != IOCP_STATS_MAGIC || header->version != IOCP_STATS_VERSION)
        return -EPROTO;
    if (header->worker_count == 0 || header->worker_count > IOCP_WORKERS_MAX)
        return -EPROTO;
    if (header->field_count == 0 || header->field_count > IOCP_STATS_FIELDS_MAX)
        return -EPROTO;
    if (header->entry_bytes < sizeof(iocp_stats_entry) || header->entry_bytes > IOCP_STATS_ENTRY_BYTES_MAX)
        return -EPROTO;
    if (header->histogram_count > IOCP_STATS_HISTOGRAMS_MAX || header->bucket_count > IOCP_STATS_BUCKETS_MAX)
        return -EPROTO;
    if (header->histogram_count > 0 && header->bucket_count == 0)
        return -EPROTO;
    if (header->counter_room > IOCP_STATS_COUNTERS_MAX)
        return -EPROTO;
    const uint32_t histograms_bytes = header->histogram_count * histogram_bytes(header);
    if (header->cell_bytes < CELL_VALUES_BYTES + 8 * header->field_count + histograms_bytes ||
        header->cell_bytes > IOCP_STATS_CELL_BYTES_MAX)
        return -EPROTO;
    return iocp_stats_is_name(header->driver, sizeof header->driver, "-_") ? 0 : -EPROTO;
}

static bool has_same_shape(const iocp_stats_header *one, const iocp_stats_header *other)
{
    return one->worker_count == other->worker_count && one->field_count == other->field_count &&
           one->entry_bytes == other->entry_bytes && one->cell_bytes == other->cell_bytes &&
           one->histogram_count == other->histogram_count && one->bucket_count == other->bucket_count &&
           one->counter_room == other->counter_room;
}

/* --- the directories ---------------------------------------------------------------------------------------- */

static size_t numbers_bytes(const iocp_stats_header *header)
{
    return 8 * (size_t)header->counter_room * (1 + (size_t)header->worker_count);
}

/* The application may have named more since the latest copy. */
static int counters_refresh(iocp_stats_view *view)
{
    const iocp_stats_header *header = &view->header;
    const iocp_stats_place place = {iocp_stats_counters_offset(header), header->counter_room, .may_end_early = true};
    const int result =
        iocp_stats_directory_fill(&view->counters, view->fd, header->entry_bytes, place, iocp_stats_find_none);
    if (result < 0)
        return result;
    return iocp_stats_copy_out(view->fd, view->numbers, numbers_bytes(header), iocp_stats_numbers_offset(header));
}

static int directories_fill(iocp_stats_view *view)
{
    const iocp_stats_header *header = &view->header;
    const iocp_stats_place fields = {IOCP_CACHE_LINE_BYTES, header->field_count};
    const iocp_stats_place histograms = {iocp_stats_histograms_offset(header), header->histogram_count};
    int result = iocp_stats_directory_fill(&view->fields, view->fd, header->entry_bytes, fields, iocp_stats_find_field);
    if (result == 0)
        result = iocp_stats_directory_fill(
            &view->histograms, view->fd, header->entry_bytes, histograms, iocp_stats_find_histogram);
    for (uint32_t i = 0; i < view->fields.count; i++) {
        const uint32_t known = view->fields.known_index[i];
        if (known != IOCP_STATS_FIELD_NONE)
            view->known.words[known / 64] |= UINT64_C(1) << known % 64;
    }
    return result;
}

/* --- opening ----------------------------------------------------------------------------------------------- */

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
    const int result = iocp_stats_copy_out(view->fd, &header, sizeof header, 0);
    if (result < 0)
        return result;
    if (header_check(&header) < 0 || !has_same_shape(&header, &view->header))
        return -EPROTO;
    const size_t cells_bytes = (size_t)header.worker_count * header.cell_bytes;
    const int copied = iocp_stats_copy_out(view->fd, view->cells, cells_bytes, iocp_stats_cells_offset(&header));
    return copied < 0 ? copied : counters_refresh(view);
}

static int view_fill(iocp_stats_view *view, int fd)
{
    int result = kind_check(fd);
    if (result == 0)
        result = iocp_stats_copy_out(fd, &view->header, sizeof view->header, 0);
    if (result == 0)
        result = header_check(&view->header);
    if (result < 0)
        return result;
    view->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    result = view->fd < 0 ? -errno : directories_fill(view);
    if (result < 0)
        return result;
    view->cells = malloc((size_t)view->header.worker_count * view->header.cell_bytes);
    view->numbers = calloc(1, numbers_bytes(&view->header) + 1);
    return view->cells == NULL || view->numbers == NULL ? -ENOMEM : iocp_stats_view_refresh(view);
}

int iocp_stats_view_open(int fd, iocp_stats_view **view)
{
    iocp_stats_view *opened = calloc(1, sizeof *opened);
    if (opened == NULL)
        return -ENOMEM;
    opened->fd = -1;
    const int result = view_fill(opened, fd);
    if (result < 0) {
        iocp_stats_view_close(opened);
        return result;
    }
    *view = opened;
    return 0;
}

/* Opened as a name first, which does nothing to what it names; then, if that is a page's kind of file, the same file
 * for reading. */
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
    free(view->numbers);
    free(view);
}

/* --- what was copied --------------------------------------------------------------------------------------- */

uint32_t iocp_stats_view_worker_count(const iocp_stats_view *view)
{
    return view->header.worker_count;
}

const char *iocp_stats_view_driver(const iocp_stats_view *view)
{
    return view->header.driver;
}

uint32_t iocp_stats_view_field_count(const iocp_stats_view *view)
{
    return view->header.field_count;
}

const iocp_stats_field *iocp_stats_view_field(const iocp_stats_view *view, uint32_t index)
{
    return iocp_stats_directory_row(&view->fields, index);
}

uint32_t iocp_stats_view_field_known(const iocp_stats_view *view, uint32_t index)
{
    return iocp_stats_directory_known(&view->fields, index);
}

iocp_stats_fields iocp_stats_view_known(const iocp_stats_view *view)
{
    return view->known;
}

uint32_t iocp_stats_view_histogram_count(const iocp_stats_view *view)
{
    return view->histograms.count;
}

const iocp_stats_field *iocp_stats_view_histogram(const iocp_stats_view *view, uint32_t index)
{
    return iocp_stats_directory_row(&view->histograms, index);
}

uint32_t iocp_stats_view_histogram_known(const iocp_stats_view *view, uint32_t index)
{
    return iocp_stats_directory_known(&view->histograms, index);
}

static const uint8_t *cell_of(const iocp_stats_view *view, uint32_t worker_index)
{
    return view->cells + (size_t)worker_index * view->header.cell_bytes;
}

uint64_t iocp_stats_view_value(const iocp_stats_view *view, uint32_t worker_index, uint32_t index)
{
    uint64_t value = 0;
    if (worker_index < view->header.worker_count && index < view->header.field_count)
        memcpy(&value, cell_of(view, worker_index) + CELL_VALUES_BYTES + 8 * index, sizeof value);
    return value;
}

iocp_worker_stats iocp_stats_view_worker(const iocp_stats_view *view, uint32_t worker_index)
{
    iocp_worker_stats stats = {0};
    if (worker_index >= view->header.worker_count)
        return stats;
    memcpy(&stats.cpu, cell_of(view, worker_index), sizeof stats.cpu);
    memcpy(&stats.node, cell_of(view, worker_index) + sizeof stats.cpu, sizeof stats.node);
    for (uint32_t i = 0; i < view->header.field_count; i++)
        iocp_worker_stats_set_value(&stats, view->fields.known_index[i], iocp_stats_view_value(view, worker_index, i));
    return stats;
}

/* A page may have other ranges than this build: those that are larger than its last are counted in that. */
iocp_stats_histogram iocp_stats_view_histogram_value(const iocp_stats_view *view, uint32_t worker_index, uint32_t index)
{
    iocp_stats_histogram histogram = {0};
    if (worker_index >= view->header.worker_count || index >= view->histograms.count)
        return histogram;
    const size_t offset = CELL_VALUES_BYTES + 8 * (size_t)view->header.field_count;
    const uint8_t *bytes = cell_of(view, worker_index) + offset + (size_t)index * histogram_bytes(&view->header);
    memcpy(&histogram.sum, bytes, sizeof histogram.sum);
    for (uint32_t i = 0; i < view->header.bucket_count; i++) {
        uint64_t count;
        memcpy(&count, bytes + 8 * (1 + (size_t)i), sizeof count);
        histogram.buckets[i < IOCP_STATS_BUCKETS ? i : IOCP_STATS_BUCKETS - 1] += count;
    }
    return histogram;
}

uint32_t iocp_stats_view_counter_count(const iocp_stats_view *view)
{
    return view->counters.count;
}

const iocp_stats_field *iocp_stats_view_counter(const iocp_stats_view *view, uint32_t index)
{
    return iocp_stats_directory_row(&view->counters, index);
}

uint64_t iocp_stats_view_counted(const iocp_stats_view *view, uint32_t row, uint32_t index)
{
    const iocp_stats_header *header = &view->header;
    return row <= header->worker_count && index < view->counters.count
               ? view->numbers[(size_t)row * header->counter_room + index]
               : 0;
}
