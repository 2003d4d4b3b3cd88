/* The loop of one core: everything a wait does, and the only place that enters the kernel. */
#include <errno.h>

#include "events.h"
#include "expiry.h"
#include "failure.h"
#include "flush.h"
#include "jobs.h"
#include "letters.h"
#include "measuring.h"
#include "opening.h"
#include "outbox.h"
#include "stopping.h"
#include "travel.h"

/* --- sources ------------------------------------------------------------------------------------------------ */

static void take_events(iocp_worker *worker)
{
    while (worker->event_next < worker->event_count && iocp_worker_has_room(worker))
        iocp_worker_handle(worker, &worker->events[worker->event_next++]);
}

static void take_timers(iocp_worker *worker)
{
    while (iocp_worker_has_room(worker)) {
        const uint32_t index = iocp_deadlines_pop(&worker->timers.wheel, worker->now_ns);
        if (index == IOCP_DEADLINE_NONE)
            return;
        iocp_worker_timer_due(worker, index);
    }
}

static void take_deadlines(iocp_worker *worker)
{
    while (iocp_worker_has_room(worker)) {
        const uint32_t entry = iocp_deadlines_pop(&worker->deadlines, worker->now_ns);
        if (entry == IOCP_DEADLINE_NONE)
            break;
        if (entry < worker->table.slot_count)
            iocp_worker_deadline(worker, &worker->table.slots[entry]);
        else if (entry < iocp_worker_first_timer_deadline(worker))
            iocp_worker_accept_again(worker, entry - iocp_worker_first_listener_deadline(worker));
        else
            iocp_worker_timer_due(worker, entry - iocp_worker_first_timer_deadline(worker));
    }
    take_timers(worker); /* after those that have just become near */
}

/* --- the wait ----------------------------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* How long the driver may sleep. */
static uint64_t sleep_ns(iocp_worker *worker, uint64_t until_ns)
{
    if (worker->out_count > 0 || iocp_worker_flush_incomplete(worker) || iocp_worker_has_jobs(worker) ||
        iocp_worker_layers_wait(worker) || worker->resting.count > 0)
        return 0;
    uint64_t sleep = least(iocp_deadlines_wait_ns(&worker->deadlines, worker->now_ns),
                           iocp_deadlines_wait_ns(&worker->timers.wheel, worker->now_ns));
    sleep = least(sleep, iocp_worker_measure_backlogs_in_ns(worker));
    if (until_ns != UINT64_MAX)
        sleep = least(sleep, until_ns > worker->now_ns ? until_ns - worker->now_ns : 0);
    if (worker->accepting.held.count > 0 || worker->accepting.arrived.first != NULL || worker->leaving.count > 0 ||
        iocp_worker_has_dispatches(worker))
        sleep = least(sleep, IOCP_ADMISSION_RETRY_NS);
    if (worker->stop == IOCP_STOP_CLOSING) {
        const uint64_t stop_at_ns = iocp_worker_drain_ends_ns(worker);
        if (stop_at_ns > worker->now_ns)
            sleep = least(sleep, stop_at_ns - worker->now_ns);
    }
    /* All that is counted from the wait before: the application's turn since then is over. */
    const uint64_t turn_ns = worker->entered_ns > worker->now_ns ? worker->entered_ns - worker->now_ns : 0;
    if (sleep != UINT64_MAX)
        sleep -= least(sleep, turn_ns);
    return sleep;
}

static int ask_driver(iocp_worker *worker, uint64_t timeout_ns)
{
    return worker->operations->wait(worker->driver, worker->events, IOCP_DRIVER_EVENTS_MAX, timeout_ns);
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Looks instead of sleeping, up to timeout_ns. Returns as the driver's wait: with nothing after a letter, a wake, an
 * interrupt or the time, so what a wake was for is looked at before the next sleep. */
static int spin(iocp_worker *worker, uint64_t timeout_ns)
{
    const uint64_t start_ns = iocp_worker_clock_ns(worker);
    for (uint64_t now_ns = start_ns;;) {
        const int count = ask_driver(worker, 0);
        if (count != 0 || iocp_mailbox_has_letter(&worker->mailbox) || iocp_mailbox_is_interrupted(&worker->mailbox) ||
            iocp_chain_has_new(&worker->dispatches))
            return count;
        const uint64_t before_ns = now_ns;
        now_ns = iocp_worker_clock_ns(worker);
        /* A played clock stands still while nobody sleeps. */
        if (now_ns - start_ns >= timeout_ns || now_ns == before_ns)
            return 0;
        relax();
    }
}

/* Asleep only when no letter waits. Returns as the driver's wait. */
static int sleep_or_poll(iocp_worker *worker, uint64_t timeout_ns)
{
    if (timeout_ns == 0 || !iocp_mailbox_sleep(&worker->mailbox))
        return ask_driver(worker, 0);
    if (iocp_chain_has_new(&worker->dispatches)) {
        iocp_mailbox_awake(&worker->mailbox);
        return ask_driver(worker, 0);
    }
    IOCP_STATS_SET(worker->stats, asleep, 1);
    const int count = ask_driver(worker, timeout_ns);
    iocp_mailbox_awake(&worker->mailbox);
    IOCP_STATS_SET(worker->stats, asleep, 0);
    return count;
}

/* One wait of the driver's, asleep only when nothing is pending. Returns 0 or -errno. */
static int wait_once(iocp_worker *worker, uint64_t until_ns)
{
    iocp_worker_measure_backlogs(worker);
    iocp_worker_balance(worker);
    iocp_worker_measure_residence(worker);
    iocp_worker_flush(worker);
    iocp_worker_layers_begin_turn(worker);
    IOCP_STATS_SET(worker->stats, unsent_bytes, worker->unsent_bytes);
    const uint64_t spin_ns = worker->setup.config->spin_ns;
    const uint64_t before_ns = worker->now_ns;
    const uint64_t timeout_ns = sleep_ns(worker, until_ns);
    const bool spins = worker->spins && timeout_ns > 0;
    iocp_worker_measure_library(worker);
    const int count = spins ? spin(worker, least(spin_ns, timeout_ns)) : sleep_or_poll(worker, timeout_ns);
    worker->now_ns = iocp_worker_clock_ns(worker);
    IOCP_STATS_SET(worker->stats, heartbeat_ns, worker->now_ns);
    /* Something came within the time of a spin, so it is worth one; a worker at rest spins once, and sleeps. */
    worker->spins = spin_ns > 0 && worker->now_ns - before_ns <= spin_ns &&
                    (count > 0 || iocp_mailbox_has_letter(&worker->mailbox));
    worker->event_next = 0;
    worker->event_count = count > 0 ? (uint32_t)count : 0;
    iocp_worker_measure_wait(worker, worker->event_count);
    return count < 0 ? count : 0;
}

/* What a wait returns that has nothing more to deliver, ever. */
static int end_result(const iocp_worker *worker)
{
    return worker->failure < 0 ? worker->failure : -ECANCELED;
}

int iocp_worker_wait(iocp_worker *worker, iocp_completion *completions, uint32_t capacity, uint64_t timeout_ns)
{
    const int refusal = iocp_worker_refusal(worker);
    if (refusal < 0)
        return refusal;
    if (capacity < IOCP_WAIT_CAPACITY_MIN)
        return -EINVAL;
    if (worker->finished)
        return end_result(worker);
    iocp_thread_rebind();
    worker->out = completions;
    worker->out_capacity = capacity;
    worker->out_count = 0;

    worker->entered_ns = iocp_worker_measure_turn(worker);
    const uint64_t until_ns = iocp_clock_after(worker->entered_ns, timeout_ns);
    int result = 0;
    iocp_worker_hand_out_spilled(worker);
    /* No flush while completions are owed: it acts on what the application has not seen yet. */
    while (worker->out_count == 0) {
        if (worker->event_next < worker->event_count) {
            take_events(worker); /* left over from a batch that did not fit */
        } else {
            iocp_worker_take_leaves(worker);
            iocp_worker_take_dispatches(worker); /* before the letters, which are later than those of moves that are over */
            iocp_worker_take_letters(worker);
            iocp_worker_run_jobs(worker); /* before the stop is followed, which waits for them */
            take_deadlines(worker); /* for which the batch before had no room */
            iocp_worker_follow_stop(worker);
            if (worker->failure < 0 && worker->leaving.count > 0)
                iocp_worker_end_departures(worker);
            if (iocp_worker_has_stopped(worker))
                break;
            if (worker->failure < 0)
                continue; /* a post is just being put */
            result = wait_once(worker, until_ns);
            if (__builtin_expect(result < 0 && result != -EINTR, 0)) {
                iocp_worker_break(worker, result);
                result = 0;
                continue;
            }
            take_events(worker);
        }
        if (worker->event_next == worker->event_count)
            iocp_worker_layers_go_on(worker);
        /* After the events: what came in time, but waited for a handler that took long, is no silence. */
        if (worker->event_next == worker->event_count)
            take_deadlines(worker);
        if (iocp_mailbox_take_interrupt(&worker->mailbox))
            break;
        /* A poll, too, hands over everything that was queued. */
        if (result < 0 || (worker->now_ns >= until_ns && !iocp_worker_flush_incomplete(worker)))
            break;
    }

    const uint32_t count = worker->out_count;
    worker->out_capacity = 0; /* what is emitted between waits goes to the spill */
    iocp_worker_measure_delivery(worker, count);
    if (count > 0)
        return (int)count;
    if (iocp_worker_has_stopped(worker) && iocp_worker_end_dispatches(worker)) {
        worker->finished = true;
        return end_result(worker);
    }
    return result < 0 ? result : -ETIME;
}
