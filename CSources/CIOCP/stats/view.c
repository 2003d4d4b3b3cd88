/* Reads another process' stats page, without trusting it.
 *
 * That process may write anything into its page at any time, and cut it short. So the page is never mapped here: its
 * bytes are copied, checked, and only then looked at. The directory is copied once, when the view is opened. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "page.h"

enum { CELL_VALUES_BYTES = 8 }; /* where a cell's fields start: behind cpu and node */

struct iocp_stats_view {
    int fd;
    iocp_stats_header header;
    uint8_t *cells;
    uint64_t known;                                 /* bit i: field i of this build is there */
    uint32_t known_index[IOCP_STATS_FIELDS_MAX];    /* or IOCP_STATS_FIELD_NONE */
    iocp_stats_field fields[IOCP_STATS_FIELDS_MAX]; /* names point into entries */
    iocp_stats_entry entries[IOCP_STATS_FIELDS_MAX];
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

/* A name is printed on somebody's terminal, so it may consist of nothing but lower-case letters, digits and `others`.
 * It has one letter at least, and ends within its room. */
static bool is_name(const char *name, size_t room_bytes, const char *others)
{
    size_t length = 0;
    while (length < room_bytes && name[length] != 0) {
        const char letter = name[length++];
        if (!(letter >= 'a' && letter <= 'z') && !(letter >= '0' && letter <= '9') && strchr(others, letter) == NULL)
            return false;
    }
    return length > 0 && length < room_bytes;
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
    if (header->cell_bytes < CELL_VALUES_BYTES + 8 * header->field_count ||
        header->cell_bytes > IOCP_STATS_CELL_BYTES_MAX)
        return -EPROTO;
    return is_name(header->driver, sizeof header->driver, "-_") ? 0 : -EPROTO;
}

static bool has_same_shape(const iocp_stats_header *one, const iocp_stats_header *other)
{
    return one->worker_count == other->worker_count && one->field_count == other->field_count &&
           one->entry_bytes == other->entry_bytes && one->cell_bytes == other->cell_bytes;
}

/* --- the directory ----------------------------------------------------------------------------------------- */

/* A code that this build does not know becomes 0: unknown, or no total. */
static uint8_t code_below(uint8_t code, uint8_t count)
{
    return code < count ? code : 0;
}

#define ONE(code, word) +1
static iocp_stats_field field_of(const iocp_stats_entry *entry)
{
    return (iocp_stats_field){.name = entry->name,
                              .kind = (iocp_stats_kind)code_below(entry->kind, IOCP_STATS_KINDS(ONE)),
                              .unit = (iocp_stats_unit)code_below(entry->unit, IOCP_STATS_UNITS(ONE)),
                              .total = (iocp_stats_total)code_below(entry->total, IOCP_STATS_TOTALS(ONE)),
                              .summary = ""};
}

static bool has_name(const iocp_stats_view *view, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(view->fields[i].name, name) == 0)
            return true;
    }
    return false;
}

/* A field whose name this build uses for another kind or unit is not this build's. */
static uint32_t known_index(const iocp_stats_field *field)
{
    const iocp_stats_field *own = iocp_stats_field_at(iocp_stats_field_index(field->name));
    if (own == NULL || own->kind != field->kind || own->unit != field->unit)
        return IOCP_STATS_FIELD_NONE;
    return iocp_stats_field_index(field->name);
}

static int directory_fill(iocp_stats_view *view)
{
    for (uint32_t i = 0; i < view->header.field_count; i++) {
        iocp_stats_entry *entry = &view->entries[i];
        const size_t offset = IOCP_CACHE_LINE_BYTES + (size_t)i * view->header.entry_bytes;
        const int result = copy_out(view->fd, entry, sizeof *entry, offset);
        if (result < 0)
            return result;
        if (!is_name(entry->name, sizeof entry->name, "_") || has_name(view, i, entry->name))
            return -EPROTO;
        view->fields[i] = field_of(entry);
        view->known_index[i] = known_index(&view->fields[i]);
        if (view->known_index[i] != IOCP_STATS_FIELD_NONE) {
            view->fields[i] = *iocp_stats_field_at(view->known_index[i]);
            view->known |= UINT64_C(1) << view->known_index[i];
        }
    }
    return 0;
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
    const int result = copy_out(view->fd, &header, sizeof header, 0);
    if (result < 0)
        return result;
    if (header_check(&header) < 0 || !has_same_shape(&header, &view->header))
        return -EPROTO;
    return copy_out(view->fd, view->cells, (size_t)header.worker_count * header.cell_bytes,
                    iocp_stats_cells_offset(&header));
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
    view->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    result = view->fd < 0 ? -errno : directory_fill(view);
    if (result < 0)
        return result;
    view->cells = malloc((size_t)view->header.worker_count * view->header.cell_bytes);
    return view->cells == NULL ? -ENOMEM : iocp_stats_view_refresh(view);
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
    return index < view->header.field_count ? &view->fields[index] : NULL;
}

uint32_t iocp_stats_view_field_known(const iocp_stats_view *view, uint32_t index)
{
    return index < view->header.field_count ? view->known_index[index] : IOCP_STATS_FIELD_NONE;
}

uint64_t iocp_stats_view_known(const iocp_stats_view *view)
{
    return view->known;
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
        iocp_worker_stats_set_value(&stats, view->known_index[i], iocp_stats_view_value(view, worker_index, i));
    return stats;
}
