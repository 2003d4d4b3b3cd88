/* What threads share in the core, stressed by many of them: the mailbox, counted bytes, the stats page.
 *
 *   threads [PERCENT]    of the letters; all of them take a second on a real machine; exits 0 if every promise was kept, else 1
 *
 * Proves: every letter that was accepted is taken once and in its producer's order, and no sleep misses a wake; the last
 * of many holders, and no other, ends counted bytes, and sees what all holders wrote; a reader of a stats page sees names
 * whole and counters that never fall. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../CSources/CIOCP/include/iocp_connection.h"
#include "../../../CSources/CIOCP/include/iocp_stats.h"
#include "../../../CSources/CIOCP/stats/counters.h"
#include "../../Support/CIOCPInternals/include/mailboxes.h"

static int failures;

static void expect(bool kept, const char *promise)
{
    if (kept)
        return;
    failures++;
    printf("BROKEN: %s\n", promise);
}

/* --- the mailbox ---------------------------------------------------------------------------------------------- */

static void crowd(const char *name, internals_crowd crowd)
{
    const int result = internals_crowd_run(&crowd);
    printf("%s: %llu letters, %llu refused, %llu sleeps, %llu wakes\n", name, (unsigned long long)crowd.taken,
           (unsigned long long)(crowd.refused_full + crowd.refused_closed), (unsigned long long)crowd.sleeps,
           (unsigned long long)crowd.wakes);
    expect(result == 0, "the crowd starts");
    expect(crowd.taken == crowd.accepted, "every accepted letter is taken, once");
    expect(crowd.out_of_order == 0, "the letters of a producer keep their order");
    expect(crowd.lost_wakes == 0, "nobody sleeps beside a letter");
    expect(crowd.wakes <= crowd.sleeps, "one wake for a sleep");
    expect(crowd.accepted_too_late == 0, "a closed mailbox accepts nothing");
    expect(crowd.other_answers == 0, "a full mailbox has room again, within a minute");
}

static void test_mailbox(uint32_t percent)
{
    static const uint64_t closings[] = {1, 777, 40000};
    crowd("a crowd", (internals_crowd){.mailbox_entries = 1024,
                                       .producer_count = 8,
                                       .posts_each = 1000 * percent,
                                       .close_after = UINT64_MAX});
    crowd("a tiny mailbox", (internals_crowd){.mailbox_entries = 16,
                                              .producer_count = 8,
                                              .posts_each = 200 * percent,
                                              .close_after = UINT64_MAX,
                                              .nap_every = 3});
    crowd("a sleeper", (internals_crowd){.mailbox_entries = 64,
                                         .producer_count = 1,
                                         .posts_each = 300 * percent,
                                         .close_after = UINT64_MAX});
    for (size_t i = 0; i < sizeof closings / sizeof *closings; i++)
        crowd("a mailbox that closes", (internals_crowd){.mailbox_entries = 256,
                                                         .producer_count = 8,
                                                         .posts_each = 200 * percent,
                                                         .close_after = closings[i]});
    uint32_t told_least = 0;
    uint32_t told_most = 0;
    expect(internals_wakes_per_sleep(8, 5 * percent, &told_least, &told_most) == 0 && told_least == 1 && told_most == 1,
           "of many producers at once one is told to wake");
}

/* --- counted bytes -------------------------------------------------------------------------------------------- */

enum { HOLDERS = 8, TURNS = 2000 };

typedef struct holding {
    iocp_shared_bytes *shared;
    uint64_t wrote[HOLDERS]; /* each holder its own, before it lets go; plain, so that only the count orders them */
    uint64_t turn;
    _Atomic uint32_t ended;
    uint32_t incomplete;
} holding;

static pthread_barrier_t turn_begins, turn_ends;
static holding held;

static void note_end(void *owner)
{
    holding *ended = owner;
    for (int i = 0; i < HOLDERS; i++)
        ended->incomplete += ended->wrote[i] != ended->turn;
    atomic_fetch_add_explicit(&ended->ended, 1, memory_order_relaxed);
}

static void *hold(void *argument)
{
    const size_t index = (size_t)argument;
    for (uint64_t turn = 1; turn <= TURNS; turn++) {
        pthread_barrier_wait(&turn_begins);
        for (int i = 0; i < 20; i++) {
            iocp_shared_bytes_retain(held.shared);
            iocp_shared_bytes_release(held.shared);
        }
        held.wrote[index] = turn;
        iocp_shared_bytes_release(held.shared);
        pthread_barrier_wait(&turn_ends);
    }
    return NULL;
}

static void test_shared(void)
{
    pthread_t threads[HOLDERS];
    pthread_barrier_init(&turn_begins, NULL, HOLDERS + 1);
    pthread_barrier_init(&turn_ends, NULL, HOLDERS + 1);
    for (size_t i = 0; i < HOLDERS; i++)
        if (pthread_create(&threads[i], NULL, hold, (void *)i) != 0)
            abort(); /* the barriers would wait forever */
    uint32_t wrong = 0;
    for (uint64_t turn = 1; turn <= TURNS; turn++) {
        held.turn = turn;
        atomic_store(&held.ended, 0);
        held.shared = iocp_shared_bytes_borrow(&held, sizeof held, &held, note_end);
        for (int i = 1; i < HOLDERS; i++)
            iocp_shared_bytes_retain(held.shared);
        pthread_barrier_wait(&turn_begins);
        pthread_barrier_wait(&turn_ends);
        wrong += atomic_load(&held.ended) != 1;
    }
    for (size_t i = 0; i < HOLDERS; i++)
        pthread_join(threads[i], NULL);
    printf("counted bytes: %d turns of %d holders\n", TURNS, HOLDERS);
    expect(wrong == 0, "counted bytes end once, with their last holder");
    expect(held.incomplete == 0, "who ends counted bytes sees what all holders wrote");
}

/* --- the stats page ------------------------------------------------------------------------------------------- */

enum { PAGES = 30, NAMED = IOCP_STATS_COUNTERS_MAX };

typedef struct reading {
    int fd;
    _Atomic bool over;
    _Atomic uint64_t looks;
    uint64_t failed;
    uint64_t misnamed;
    uint64_t fallen;
} reading;

static void name_of(uint32_t index, char name[IOCP_STATS_NAME_BYTES])
{
    snprintf(name, IOCP_STATS_NAME_BYTES, "a_counter_with_a_long_name_%03u", index % 1000);
}

static void *read_pages(void *argument)
{
    reading *reading = argument;
    iocp_stats_view *view = NULL;
    uint64_t before = 0;
    uint64_t sum_before = 0;
    if (iocp_stats_view_open(reading->fd, &view) < 0) {
        reading->failed++;
        return NULL;
    }
    while (!atomic_load(&reading->over)) {
        atomic_fetch_add(&reading->looks, 1);
        reading->failed += iocp_stats_view_refresh(view) < 0;
        for (uint32_t i = 0; i < iocp_stats_view_counter_count(view); i++) {
            char expected[IOCP_STATS_NAME_BYTES];
            name_of(i, expected);
            reading->misnamed += strcmp(iocp_stats_view_counter(view, i)->name, expected) != 0;
        }
        const uint64_t now = iocp_stats_view_worker(view, 0).received_bytes;
        const uint64_t sum = iocp_stats_view_histogram_value(view, 0, 0).sum;
        reading->fallen += now < before || sum < sum_before;
        before = now;
        sum_before = sum;
    }
    iocp_stats_view_close(view);
    return NULL;
}

static void test_stats(void)
{
    uint64_t looks = 0;
    reading sum = {0};
    uint32_t pause = 1;
    for (uint32_t round = 0; round < PAGES; round++) {
        iocp_stats_page page;
        expect(iocp_stats_page_open(&page, 1, "sim") == 0, "a page opens");
        reading reading = {.fd = page.fd};
        pthread_t reader;
        if (pthread_create(&reader, NULL, read_pages, &reading) != 0)
            abort();
        for (uint32_t i = 0; i < NAMED; i++) {
            char name[IOCP_STATS_NAME_BYTES];
            uint32_t index;
            name_of(i, name);
            expect(iocp_stats_page_counter(&page, name, IOCP_STATS_KIND_COUNTER, &index) == 0 && index == i,
                   "a counter is named");
            /* The next one comes at any place of a look: names and looks must meet. */
            pause = pause * 1664525 + 1013904223;
            const uint64_t looks_before = atomic_load(&reading.looks);
            while (atomic_load(&reading.looks) == looks_before && reading.failed == 0)
                sched_yield();
            for (uint32_t k = 0; k < pause >> 22; k++) {
                IOCP_STATS_ADD(page.cells, received_bytes, 1);
                iocp_stats_record(page.cells, 0, k);
                iocp_stats_number_add(&page, 0, index, 1);
            }
        }
        atomic_store(&reading.over, true);
        pthread_join(reader, NULL);
        iocp_stats_page_close(&page);
        looks += atomic_load(&reading.looks);
        sum.failed += reading.failed;
        sum.misnamed += reading.misnamed;
        sum.fallen += reading.fallen;
    }
    printf("the stats page: %llu looks at %d pages that were written\n", (unsigned long long)looks, PAGES);
    expect(looks > PAGES, "a reader looks while somebody writes");
    expect(sum.failed == 0, "a page can be read while counters are named");
    expect(sum.misnamed == 0, "a name is whole once it is seen");
    expect(sum.fallen == 0, "a counter never falls");
}

int main(int count, char **words)
{
    const unsigned long percent = count > 1 ? strtoul(words[1], NULL, 10) : 100;
    test_mailbox(percent > 0 && percent <= 100 ? (uint32_t)percent : 100);
    test_shared();
    test_stats();
    printf(failures == 0 ? "threads: every promise was kept\n" : "threads: %d promises were broken\n", failures);
    return failures != 0;
}
