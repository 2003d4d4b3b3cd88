#include "stats_fields.h"

#include <sys/mman.h>
#include <unistd.h>

void internals_stats_field_set(iocp_stats_page *page, uint32_t worker, uint32_t number, uint64_t value)
{
#define SET_FIELD(name, kind, unit, total, summary)          \
    if (number == IOCP_STATS_INDEX_##name)                   \
        IOCP_STATS_SET(&page->cells[worker], name, value);
    IOCP_STATS_FIELDS(SET_FIELD)
}

void internals_stats_field_add(iocp_stats_page *page, uint32_t worker, uint32_t number, uint64_t amount)
{
#define ADD_FIELD(name, kind, unit, total, summary)          \
    if (number == IOCP_STATS_INDEX_##name)                   \
        IOCP_STATS_ADD(&page->cells[worker], name, amount);
    IOCP_STATS_FIELDS(ADD_FIELD)
}

int internals_stats_page_of(const uint8_t *bytes, uint32_t count)
{
    const int fd = memfd_create("foreign-page", MFD_CLOEXEC);
    if (fd >= 0 && write(fd, bytes, count) != (ssize_t)count) {
        close(fd);
        return -1;
    }
    return fd;
}
