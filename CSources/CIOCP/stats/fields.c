/* The table of fields as data: descriptors, words, values by index and totals. */
#include "../include/iocp_stats_fields.h"

#include <stddef.h>
#include <string.h>

#include "page.h"

enum { VALUES_OFFSET_BYTES = 2 * sizeof(uint32_t) }; /* cpu and node stand before the fields */

#define CHECK_NAME(name, kind, unit, total, summary)                                                                   \
    _Static_assert(sizeof #name <= IOCP_STATS_NAME_BYTES, "the directory has room for the name");                      \
    _Static_assert(offsetof(iocp_worker_stats, name) == VALUES_OFFSET_BYTES + 8 * IOCP_STATS_INDEX_##name,             \
                   "the fields lie in the order of the table, without gaps");
IOCP_STATS_FIELDS(CHECK_NAME)

#define CHECK_HISTOGRAM(name, unit, summary)                                                                           \
    _Static_assert(sizeof #name <= IOCP_STATS_NAME_BYTES, "the directory has room for the name");
IOCP_STATS_HISTOGRAMS(CHECK_HISTOGRAM)

_Static_assert(IOCP_STATS_FIELD_COUNT <= 128, "iocp_stats_fields has a bit for each");
_Static_assert(IOCP_STATS_HISTOGRAM_COUNT <= IOCP_STATS_HISTOGRAMS_MAX, "readers have room for every histogram");
_Static_assert(offsetof(iocp_stats_cell, histograms) == VALUES_OFFSET_BYTES + 8 * IOCP_STATS_FIELD_COUNT,
               "the histograms lie behind the fields, without a gap");
_Static_assert(sizeof(iocp_stats_cell) <= IOCP_STATS_CELL_BYTES_MAX, "readers take the cell");

#define ROW(name, kind, unit, total, summary)                                                                          \
    {#name, IOCP_STATS_KIND_##kind, IOCP_STATS_UNIT_##unit, IOCP_STATS_TOTAL_##total, summary},
static const iocp_stats_field fields[] = {IOCP_STATS_FIELDS(ROW)};

const iocp_stats_field *iocp_stats_field_at(uint32_t index)
{
    return index < IOCP_STATS_FIELD_COUNT ? &fields[index] : NULL;
}

#define HISTOGRAM_ROW(name, unit, summary)                                                                             \
    {#name, IOCP_STATS_KIND_HISTOGRAM, IOCP_STATS_UNIT_##unit, IOCP_STATS_TOTAL_SUM, summary},
static const iocp_stats_field histograms[] = {IOCP_STATS_HISTOGRAMS(HISTOGRAM_ROW)};

const iocp_stats_field *iocp_stats_histogram_at(uint32_t index)
{
    return index < IOCP_STATS_HISTOGRAM_COUNT ? &histograms[index] : NULL;
}

uint32_t iocp_stats_field_index(const char *name)
{
    for (uint32_t i = 0; i < IOCP_STATS_FIELD_COUNT; i++) {
        if (strcmp(fields[i].name, name) == 0)
            return i;
    }
    return IOCP_STATS_FIELD_NONE;
}

#define WORD(code, word) word,
#define WORD_OF(words, code) ((words)[(code) < sizeof(words) / sizeof *(words) ? (code) : 0])

const char *iocp_stats_kind_name(iocp_stats_kind kind)
{
    static const char *const words[] = {IOCP_STATS_KINDS(WORD)};
    return WORD_OF(words, kind);
}

const char *iocp_stats_unit_name(iocp_stats_unit unit)
{
    static const char *const words[] = {IOCP_STATS_UNITS(WORD)};
    return WORD_OF(words, unit);
}

const char *iocp_stats_total_name(iocp_stats_total total)
{
    static const char *const words[] = {IOCP_STATS_TOTALS(WORD)};
    return WORD_OF(words, total);
}

_Static_assert(IOCP_FEATURE_COUNT <= 64, "a field has a bit for each");

#define FEATURE_NAME(name, summary) #name,
#define FEATURE_SUMMARY(name, summary) summary,

const char *iocp_feature_name(uint32_t feature)
{
    static const char *const names[] = {IOCP_FEATURES(FEATURE_NAME)};
    return feature < IOCP_FEATURE_COUNT ? names[feature] : NULL;
}

const char *iocp_feature_summary(uint32_t feature)
{
    static const char *const summaries[] = {IOCP_FEATURES(FEATURE_SUMMARY)};
    return feature < IOCP_FEATURE_COUNT ? summaries[feature] : NULL;
}

uint64_t iocp_worker_stats_value(const iocp_worker_stats *stats, uint32_t index)
{
    uint64_t value = 0;
    if (index < IOCP_STATS_FIELD_COUNT)
        memcpy(&value, (const uint8_t *)stats + VALUES_OFFSET_BYTES + 8 * index, sizeof value);
    return value;
}

void iocp_worker_stats_set_value(iocp_worker_stats *stats, uint32_t index, uint64_t value)
{
    if (index < IOCP_STATS_FIELD_COUNT)
        memcpy((uint8_t *)stats + VALUES_OFFSET_BYTES + 8 * index, &value, sizeof value);
}

#define TOTAL_NONE(name)
#define TOTAL_SUM(name) total->name += worker->name;
#define TOTAL_NEWEST(name) total->name = worker->name > total->name ? worker->name : total->name;
#define TOTAL_FIELD(name, kind, unit, rule, summary) TOTAL_##rule(name)

void iocp_worker_stats_add(iocp_worker_stats *total, const iocp_worker_stats *worker)
{
    IOCP_STATS_FIELDS(TOTAL_FIELD)
}
