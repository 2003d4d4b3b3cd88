/* Copies the directories of another process' page, and checks them. */
#include "directory.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "counters.h"

int iocp_stats_copy_out(int fd, void *bytes, size_t count, size_t offset)
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

static bool has_name(const iocp_stats_directory *directory, const char *name)
{
    for (uint32_t i = 0; i < directory->count; i++) {
        if (strcmp(directory->rows[i].name, name) == 0)
            return true;
    }
    return false;
}

const iocp_stats_field *iocp_stats_find_field(const char *name, uint32_t *index)
{
    *index = iocp_stats_field_index(name);
    return iocp_stats_field_at(*index);
}

const iocp_stats_field *iocp_stats_find_histogram(const char *name, uint32_t *index)
{
    for (*index = 0; *index < IOCP_STATS_HISTOGRAM_COUNT; *index += 1) {
        if (strcmp(iocp_stats_histogram_at(*index)->name, name) == 0)
            return iocp_stats_histogram_at(*index);
    }
    return NULL;
}

const iocp_stats_field *iocp_stats_find_none(const char *name, uint32_t *index)
{
    (void)name;
    *index = IOCP_STATS_FIELD_NONE;
    return NULL;
}

int iocp_stats_directory_fill(iocp_stats_directory *directory, int fd, uint32_t entry_bytes, iocp_stats_place place,
                              iocp_stats_find *find)
{
    directory->count = 0;
    for (uint32_t i = 0; i < place.count; i++, directory->count++) {
        iocp_stats_entry *entry = &directory->entries[i];
        const size_t offset = place.offset + (size_t)i * entry_bytes;
        int result = iocp_stats_copy_out(fd, entry, sizeof *entry, offset);
        if (result < 0)
            return result;
        if (place.may_end_early && entry->kind == IOCP_STATS_KIND_UNKNOWN)
            return 0;
        /* It may have been named within the copy, which has its kind then, and not the whole name: a copy that begins behind
         * a kind has both. */
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (place.may_end_early && (result = iocp_stats_copy_out(fd, entry, sizeof *entry, offset)) < 0)
            return result;
        if (!iocp_stats_is_name(entry->name, sizeof entry->name, "_") || has_name(directory, entry->name))
            return -EPROTO;
        iocp_stats_field *row = &directory->rows[i];
        *row = field_of(entry);
        const iocp_stats_field *own = find(row->name, &directory->known_index[i]);
        if (own == NULL || own->kind != row->kind || own->unit != row->unit)
            directory->known_index[i] = IOCP_STATS_FIELD_NONE;
        else
            *row = *own;
    }
    return 0;
}
