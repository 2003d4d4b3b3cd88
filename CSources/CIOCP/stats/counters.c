/* The counters that the application names itself. */
#include "counters.h"

#include <errno.h>
#include <string.h>

bool iocp_stats_is_name(const char *name, size_t room_bytes, const char *others)
{
    size_t length = 0;
    while (length < room_bytes && name[length] != 0) {
        const char letter = name[length++];
        if (!(letter >= 'a' && letter <= 'z') && !(letter >= '0' && letter <= '9') && strchr(others, letter) == NULL)
            return false;
    }
    return length > 0 && length < room_bytes;
}

int iocp_stats_page_counter(iocp_stats_page *page, const char *name, iocp_stats_kind kind, uint32_t *index)
{
    if ((kind != IOCP_STATS_KIND_COUNTER && kind != IOCP_STATS_KIND_GAUGE) ||
        !iocp_stats_is_name(name, IOCP_STATS_NAME_BYTES, "_"))
        return -EINVAL;
    for (*index = 0; *index < IOCP_STATS_COUNTERS_MAX; *index += 1) {
        iocp_stats_entry *entry = &page->counters[*index];
        if (entry->kind == IOCP_STATS_KIND_UNKNOWN) {
            strncpy(entry->name, name, sizeof entry->name - 1);
            entry->unit = IOCP_STATS_UNIT_COUNT;
            entry->total = IOCP_STATS_TOTAL_SUM;
            /* Last: a reader that sees a kind sees the name. */
            __atomic_store_n(&entry->kind, kind, __ATOMIC_RELEASE);
            return 0;
        }
        if (strncmp(entry->name, name, sizeof entry->name) == 0)
            return entry->kind == kind ? 0 : -EEXIST;
    }
    return -ENOSPC;
}

void iocp_stats_number_add(const iocp_stats_page *page, uint32_t row, uint32_t index, uint64_t amount)
{
    uint64_t *number = iocp_stats_number(page, row, index);
    __atomic_store_n(number, *number + amount, __ATOMIC_RELAXED);
}

void iocp_stats_number_add_shared(const iocp_stats_page *page, uint32_t index, uint64_t amount)
{
    __atomic_fetch_add(iocp_stats_number(page, page->header->worker_count, index), amount, __ATOMIC_RELAXED);
}

uint64_t iocp_stats_number_read(const iocp_stats_page *page, uint32_t row, uint32_t index)
{
    return __atomic_load_n(iocp_stats_number(page, row, index), __ATOMIC_RELAXED);
}
