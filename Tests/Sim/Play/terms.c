/* A connection's own terms: its marks, the hold on its receives, and word of few unsent bytes. */
#include "application.h"

#include <errno.h>

static bool is_live(const ledger_life *life)
{
    return !life->closing && !life->aborted && !life->over;
}

static void hold_back(application *application, ledger_life *life)
{
    const bool holds_back = random_one_in(&application->random, 2);
    const int result = iocp_connection_hold_back(application->worker, life->token, holds_back);
    if (result == 0)
        life->holds_back = holds_back;
    LEDGER_REQUIRE(application->ledger, result == -ENOTCONN || (result == 0 && is_live(life)), "G4",
                   "a switch answered with no known error", life->token);
}

static void set_marks(application *application, ledger_life *life)
{
    sim_random *random = &application->random;
    const uint32_t most_bytes = application->ledger->config->send_cap_bytes;
    iocp_send_marks marks = {.cap_bytes = 1 + random_magnitude(random, most_bytes)};
    marks.high_bytes = 1 + random_below(random, marks.cap_bytes + 1);
    marks.low_bytes = random_below(random, marks.high_bytes + 1);
    const bool in_order =
        marks.low_bytes < marks.high_bytes && marks.high_bytes <= marks.cap_bytes && marks.cap_bytes <= most_bytes;
    const int result = iocp_connection_set_marks(application->worker, life->token, &marks);
    LEDGER_REQUIRE(application->ledger, result == -ENOTCONN || result == (in_order ? 0 : -EINVAL), "G6",
                   "marks out of order were taken, or others not", life->token);
    if (result != 0)
        return;
    life->marks = marks;
    if (iocp_connection_unsent_bytes(application->worker, life->token) >= marks.high_bytes)
        ledger_press(life);
}

static uint64_t any_timeout(sim_random *random)
{
    return random_one_in(random, 2) ? 0 : (1 + (uint64_t)random_magnitude(random, 2000)) * 1000000;
}

static void set_timeouts(application *application, ledger_life *life)
{
    sim_random *random = &application->random;
    const iocp_timeouts timeouts = {.idle_ns = any_timeout(random),
                                    .receive_ns = any_timeout(random),
                                    .send_ns = any_timeout(random),
                                    .receive_progress_bytes = random_below(random, 3)};
    const int result = iocp_connection_set_timeouts(application->worker, life->token, &timeouts);
    LEDGER_REQUIRE(application->ledger,
                   result == -ENOTCONN || result == (timeouts.receive_progress_bytes > 0 ? 0 : -EINVAL), "G6",
                   "timeouts out of bounds were taken, or others not", life->token);
    if (result == 0)
        life->timeouts = timeouts;
}

static void notice(application *application, ledger_life *life)
{
    const uint64_t key = application->next_key++;
    const uint32_t below_bytes = 1 + random_magnitude(&application->random, life->marks.cap_bytes);
    const int result = iocp_notify_unsent(application->worker, life->token, below_bytes, key);
    const bool one_is_owed = life->notice_count > 0;
    LEDGER_REQUIRE(application->ledger,
                   result == -ENOTCONN || (result == -EALREADY && one_is_owed) ||
                       (result == 0 && life->notice_count < 2),
                   "G1", "a second notification was taken, or the first was not", life->token);
    if (result == 0)
        ledger_notice_asked(life, below_bytes, key);
}

/* Until the drain is over a stop leaves it alone: only its application, its peer or a timeout ends it. */
static void stay(application *application, ledger_life *life)
{
    const ledger *ledger = application->ledger;
    const bool in_drain = ledger->said_stopping && iocp_worker_now_ns(application->worker) < ledger->drained_ns;
    /* A FIN without half-close, and an overflow that closes, may end it before the ledger knows. */
    if (life->stays && in_drain && ledger->config->half_close && ledger->config->overflow_policy != IOCP_OVERFLOW_CLOSE)
        LEDGER_REQUIRE(ledger,
                       ledger_may_end(ledger, life) || iocp_connection_is_open(application->worker, life->token), "G7",
                       "a stop closed a connection that stays", life->token);
    const bool stays = random_one_in(&application->random, 2);
    const int result = iocp_connection_stay(application->worker, life->token, stays);
    LEDGER_REQUIRE(ledger, result == -ENOTCONN || (result == 0 && is_live(life)), "G4",
                   "a wish to stay answered with no known error", life->token);
    if (result < 0)
        return;
    life->stays = stays;
    if (!stays && !iocp_connection_is_open(application->worker, life->token)) {
        LEDGER_REQUIRE(ledger, ledger->said_stopping, "G7", "to stay no longer closed a connection before a stop",
                       life->token);
        ledger_closes(ledger, life);
    }
}

/* Neither the peer's FIN nor a stop ends it meanwhile; where both came, the end of the work ends it. */
static void await(application *application, ledger_life *life)
{
    const bool awaits = !random_one_in(&application->random, 4);
    const int result = iocp_connection_await(application->worker, life->token, awaits);
    LEDGER_REQUIRE(application->ledger, result == -ENOTCONN || (result == 0 && is_live(life)), "G4",
                   "a wish to await work answered with no known error", life->token);
    if (result == 0)
        life->awaits = awaits;
}

void application_use_terms(application *application, ledger_life *life)
{
    switch (random_below(&application->random, 7)) {
    case 6:
        await(application, life);
        return;
    case 5:
        stay(application, life);
        return;
    case 4:
        set_timeouts(application, life);
        return;
    case 0:
        hold_back(application, life);
        return;
    case 1:
        set_marks(application, life);
        return;
    default:
        notice(application, life);
        return;
    }
}
