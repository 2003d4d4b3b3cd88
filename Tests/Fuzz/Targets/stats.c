/* The reader of a stats page whose bytes another process chose, and goes on changing. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../CSources/CIOCP/stats/page.h"
#include "include/FuzzTargets.h"
#include "input.h"

static void require_name(const char *name, size_t room_bytes, const char *others)
{
    FUZZ_REQUIRE(strlen(name) >= 1 && strlen(name) < room_bytes, "a name that does not end");
    for (const char *letter = name; *letter != 0; letter++)
        FUZZ_REQUIRE((*letter >= 'a' && *letter <= 'z') || (*letter >= '0' && *letter <= '9') ||
                         strchr(others, *letter) != NULL,
                     "a name that a terminal could obey");
}

static void read_directory(const iocp_stats_view *view)
{
    const uint32_t field_count = iocp_stats_view_field_count(view);
    FUZZ_REQUIRE(field_count >= 1 && field_count <= IOCP_STATS_FIELDS_MAX, "as many fields as there cannot be");
    iocp_stats_fields known = {0};
    for (uint32_t i = 0; i < field_count; i++) {
        const iocp_stats_field *field = iocp_stats_view_field(view, i);
        require_name(field->name, IOCP_STATS_NAME_BYTES, "_");
        for (uint32_t k = 0; k < i; k++)
            FUZZ_REQUIRE(strcmp(field->name, iocp_stats_view_field(view, k)->name) != 0, "two fields of one name");
        FUZZ_REQUIRE(field->kind <= IOCP_STATS_KIND_HISTOGRAM && field->unit <= IOCP_STATS_UNIT_SET &&
                         field->total <= IOCP_STATS_TOTAL_NEWEST,
                     "a code that has no meaning");
        const uint32_t index = iocp_stats_view_field_known(view, i);
        const iocp_stats_field *own = iocp_stats_field_at(index);
        FUZZ_REQUIRE((index == IOCP_STATS_FIELD_NONE) == (own == NULL), "a known field that there is not");
        FUZZ_REQUIRE(own == NULL || (strcmp(own->name, field->name) == 0 && own->kind == field->kind &&
                                     own->unit == field->unit),
                     "a field was taken for another");
        if (own != NULL)
            known.words[index / 64] |= UINT64_C(1) << index % 64;
    }
    const iocp_stats_fields said = iocp_stats_view_known(view);
    FUZZ_REQUIRE(memcmp(&known, &said, sizeof known) == 0, "the mask of known fields is another");
    const uint32_t histogram_count = iocp_stats_view_histogram_count(view);
    FUZZ_REQUIRE(histogram_count <= IOCP_STATS_HISTOGRAMS_MAX, "as many histograms as there cannot be");
    for (uint32_t i = 0; i < histogram_count; i++) {
        require_name(iocp_stats_view_histogram(view, i)->name, IOCP_STATS_NAME_BYTES, "_");
        (void)iocp_stats_view_histogram_value(view, i, i);
        const uint32_t index = iocp_stats_view_histogram_known(view, i);
        FUZZ_REQUIRE((index == IOCP_STATS_FIELD_NONE) == (iocp_stats_histogram_at(index) == NULL),
                     "a known histogram that there is not");
    }
    const uint32_t counter_count = iocp_stats_view_counter_count(view);
    FUZZ_REQUIRE(counter_count <= IOCP_STATS_COUNTERS_MAX, "as many counters as there cannot be");
    for (uint32_t i = 0; i < counter_count; i++) {
        require_name(iocp_stats_view_counter(view, i)->name, IOCP_STATS_NAME_BYTES, "_");
        (void)iocp_stats_view_counted(view, i, i);
    }
    FUZZ_REQUIRE(iocp_stats_view_field(view, field_count) == NULL &&
                     iocp_stats_view_field_known(view, field_count) == IOCP_STATS_FIELD_NONE,
                 "there is a field behind the last one");
}

static void read_worker(const iocp_stats_view *view, uint32_t worker)
{
    const iocp_worker_stats stats = iocp_stats_view_worker(view, worker);
    uint64_t sum_of_known = 0;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < iocp_stats_view_field_count(view); i++) {
        const uint32_t index = iocp_stats_view_field_known(view, i);
        const uint64_t value = iocp_stats_view_value(view, worker, i);
        FUZZ_REQUIRE(index == IOCP_STATS_FIELD_NONE || iocp_worker_stats_value(&stats, index) == value,
                     "a field has two values");
        sum_of_known += index == IOCP_STATS_FIELD_NONE ? 0 : value;
    }
    for (uint32_t i = 0; i < IOCP_STATS_FIELD_COUNT; i++)
        sum += iocp_worker_stats_value(&stats, i);
    FUZZ_REQUIRE(sum == sum_of_known, "a field that the page lacks is not 0");
}

static void read_everything(const iocp_stats_view *view)
{
    const uint32_t worker_count = iocp_stats_view_worker_count(view);
    FUZZ_REQUIRE(worker_count >= 1 && worker_count <= IOCP_WORKERS_MAX, "as many workers as there cannot be");
    require_name(iocp_stats_view_driver(view), 16, "-_");
    read_directory(view);
    for (uint32_t i = 0; i < worker_count; i++)
        read_worker(view, i);
    const iocp_worker_stats none = iocp_stats_view_worker(view, worker_count);
    const iocp_worker_stats zero = {0};
    FUZZ_REQUIRE(memcmp(&none, &zero, sizeof zero) == 0 && iocp_stats_view_value(view, worker_count, 0) == 0,
                 "there is a worker behind the last one");
}

/* Input: how many zeros follow the page, the page, and behind half of the input what it is overwritten with; then it is
 * cut to half of those zeros. */
void fuzz_stats(const uint8_t *bytes, size_t count)
{
    fuzz_input input = {bytes, count};
    const size_t room_bytes = (size_t)fuzz_word(&input, 2) * 4;
    const bool changes = fuzz_byte(&input) & 1;
    const size_t page_bytes = changes ? input.left / 2 : input.left;
    const int fd = memfd_create("iocp-fuzz", MFD_CLOEXEC);
    FUZZ_REQUIRE(fd >= 0 && ftruncate(fd, (off_t)(page_bytes + room_bytes)) == 0, "no page");
    FUZZ_REQUIRE(pwrite(fd, input.next, page_bytes, 0) == (ssize_t)page_bytes, "no page");
    iocp_stats_view *view = NULL;
    const int result = iocp_stats_view_open(fd, &view);
    FUZZ_REQUIRE(result == 0 || result == -EPROTO, "a page is read or refused");
    if (result == 0) {
        read_everything(view);
        if (changes) {
            const uint32_t worker_count = iocp_stats_view_worker_count(view);
            const uint32_t field_count = iocp_stats_view_field_count(view);
            FUZZ_REQUIRE(pwrite(fd, input.next + page_bytes, input.left - page_bytes, 0) >= 0, "no page");
            read_everything(view);
            const int again = iocp_stats_view_refresh(view);
            FUZZ_REQUIRE(again == 0 || again == -EPROTO, "a page is read again or refused");
            FUZZ_REQUIRE(iocp_stats_view_worker_count(view) == worker_count &&
                             iocp_stats_view_field_count(view) == field_count,
                         "a count that was checked has changed");
            read_everything(view);
            /* Cut short anywhere: half of the page, or of what follows it. */
            FUZZ_REQUIRE(ftruncate(fd, (off_t)(room_bytes / 2)) == 0, "no page");
            (void)iocp_stats_view_refresh(view);
            read_everything(view);
        }
        iocp_stats_view_close(view);
    }
    close(fd);
}
