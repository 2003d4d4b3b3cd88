#include "stats_fields.h"

#include <stddef.h>

typedef struct field {
    const char *name;
    size_t offset_bytes;
} field;

#define ROW(name, meaning) {#name, offsetof(iocp_worker_stats, name)},
static const field fields[] = {IOCP_STATS_FIELDS(ROW)};

uint32_t internals_stats_field_count(void)
{
    return sizeof fields / sizeof *fields;
}

const char *internals_stats_field_name(uint32_t field)
{
    return fields[field].name;
}

uint64_t internals_stats_field_get(const iocp_worker_stats *stats, uint32_t field)
{
    return *(const uint64_t *)((const uint8_t *)stats + fields[field].offset_bytes);
}

void internals_stats_field_set(iocp_stats_page *page, uint32_t worker, uint32_t number, uint64_t value)
{
    uint32_t at = 0;
#define SET_FIELD(name, meaning)                             \
    if (at++ == number)                                      \
        IOCP_STATS_SET(&page->cells[worker], name, value);
    IOCP_STATS_FIELDS(SET_FIELD)
}

void internals_stats_field_add(iocp_stats_page *page, uint32_t worker, uint32_t number, uint64_t amount)
{
    uint32_t at = 0;
#define ADD_FIELD(name, meaning)                             \
    if (at++ == number)                                      \
        IOCP_STATS_ADD(&page->cells[worker], name, amount);
    IOCP_STATS_FIELDS(ADD_FIELD)
}
