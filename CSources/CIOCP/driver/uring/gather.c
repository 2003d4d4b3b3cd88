/* How many completions one entry to the kernel waits for.
 *
 * Since Linux 6.13 an entry runs at most max(20, wanted) pieces of task work. A worker that wants one completion per
 * entry therefore settles into turns of a few messages when 1,000 connections are busy. A busy worker wants more than
 * its sends bring, and a minimum wait bounds a wrong guess. A worker that sleeps now and then must not do so: it would
 * sleep for completions that do not come.
 *
 * A worker is busy while a leaky count of its waits is at least BUSY: each wait that finds work adds one, each other
 * wait takes IDLENESS away. So more than four of five waits have to find work. What was measured
 * (docs/BENCHMARKS.md), with 1,000 busy connections, at a quarter of the peak, and with 64 messages ahead:
 *
 * - always gathering: at a quarter of the peak 15.0 us of CPU and a p50 of 164 us;
 * - after 16 waits in a row that found work: 0.007 to 0.23 entries a message, 12.8 us, 122 us;
 * - IDLENESS 1, most waits find work: 0.006 to 0.023 entries, and 64 ahead cost 1.12 of the CPU;
 * - IDLENESS 4, in force: 0.006 to 0.008 entries, and 64 ahead cost no more. 100 busy connections cost 3 % more than by
 *   the second rule. */
#include "uring.h"

enum { BUSY = 16, BUSYNESS_MAX = 2 * BUSY, IDLENESS = 4 };

enum { GROWTH_LEAST = 8, MIN_WAIT_US = 20 };

void iocp_uring_note_wait(iocp_uring *uring, bool found_work)
{
    if (found_work)
        uring->busyness += uring->busyness < BUSYNESS_MAX;
    else
        uring->busyness -= uring->busyness < IDLENESS ? uring->busyness : IDLENESS;
}

iocp_uring_threshold iocp_uring_gather_threshold(const iocp_uring *uring, bool has_task_work, uint32_t send_count)
{
    if (!uring->min_wait || send_count == 0)
        return (iocp_uring_threshold){.want = 1};
    if (has_task_work && uring->busyness >= BUSY)
        return (iocp_uring_threshold){.want = send_count + send_count / 2 + GROWTH_LEAST, .min_wait_us = MIN_WAIT_US};
    /* Sends that end within this submission, and say so, satisfy the wait by themselves: wanting them costs no sleep.
     */
    return (iocp_uring_threshold){.want = uring->inline_count > 0 ? uring->inline_count : 1};
}
