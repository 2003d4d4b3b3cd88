/* The reader of a stats page whose bytes another process chose, and goes on changing. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../CSources/CIOCP/stats/page.h"
#include "include/FuzzTargets.h"
#include "input.h"

static void read_everything(const iocp_stats_view *view)
{
    const uint32_t worker_count = iocp_stats_view_worker_count(view);
    FUZZ_REQUIRE(worker_count >= 1 && worker_count <= IOCP_WORKERS_MAX, "as many workers as there cannot be");
    const char *driver = iocp_stats_view_driver(view);
    FUZZ_REQUIRE(strlen(driver) >= 1 && strlen(driver) < 16, "the driver's name does not end");
    for (const char *letter = driver; *letter != 0; letter++)
        FUZZ_REQUIRE((*letter >= 'a' && *letter <= 'z') || (*letter >= '0' && *letter <= '9') || *letter == '-' ||
                         *letter == '_',
                     "a name that a terminal could obey");
    for (uint32_t i = 0; i < iocp_stats_view_worker_count(view); i++)
        (void)iocp_stats_view_worker(view, i);
    const iocp_worker_stats none = iocp_stats_view_worker(view, iocp_stats_view_worker_count(view));
    const iocp_worker_stats zero = {0};
    FUZZ_REQUIRE(memcmp(&none, &zero, sizeof zero) == 0, "there is a worker behind the last one");
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
            FUZZ_REQUIRE(pwrite(fd, input.next + page_bytes, input.left - page_bytes, 0) >= 0, "no page");
            read_everything(view);
            const int again = iocp_stats_view_refresh(view);
            FUZZ_REQUIRE(again == 0 || again == -EPROTO, "a page is read again or refused");
            FUZZ_REQUIRE(iocp_stats_view_worker_count(view) == worker_count, "a count that was checked has changed");
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
