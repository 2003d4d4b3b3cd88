/* Sends that do not lie ready in one place: parts, and drafts that are written piece by piece, given up, refused or
 * disturbed. */
#include <errno.h>
#include <string.h>

#include "application.h"

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Cuts bytes into parts at random, some of them empty. Returns how many there are. */
static uint32_t cut(application *application, const uint8_t *bytes, uint32_t count, iocp_send_part *parts)
{
    sim_random *random = &application->random;
    const uint32_t most = random_one_in(random, 8) ? IOCP_SEND_PARTS_MAX : 4;
    uint32_t part_count = 0;
    uint32_t at = 0;
    while (at < count) {
        const uint32_t rest = count - at;
        const uint32_t step = part_count + 1 == most ? rest : least(rest, random_magnitude(random, count));
        parts[part_count++] = (iocp_send_part){.bytes = bytes + at, .count_bytes = step};
        at += step;
    }
    return part_count;
}

static void send_parts(application *application, ledger_life *life)
{
    uint8_t bytes[APPLICATION_SEND_BYTES_MAX];
    iocp_send_part parts[IOCP_SEND_PARTS_MAX + 1];
    const uint32_t count = random_magnitude(
        &application->random, least(application->habits.send_bytes_max, APPLICATION_SEND_BYTES_MAX));
    const uint32_t stream = application_next_stream(application);
    iocp_sim_stream_copy(stream, 0, bytes, count);
    const uint32_t part_count = cut(application, bytes, count, parts);
    const uint64_t before = application_unsent(application, life);
    const int result = iocp_send_parts(application->worker, life->token, parts, part_count);
    if (result == 0)
        ledger_queue(application->ledger, life, stream, 0, count);
    application_check_answer(application, life, result);
    application_check_whole(application, life, result, count, before);
    LEDGER_REQUIRE(application->ledger,
                   iocp_send_parts(application->worker, life->token, parts, IOCP_SEND_PARTS_MAX + 1) == -EINVAL, "G6",
                   "more parts were taken than one send may have", life->token);
}

/* --- drafts ------------------------------------------------------------------------------------------------- */

/* One send while it is written. */
typedef struct draft {
    ledger_life *life;
    uint32_t stream;
    uint32_t count;     /* bytes that are part of it */
    uint32_t attempted; /* and those that it was to have when it was refused */
} draft;

static int append(application *application, draft *draft)
{
    uint8_t bytes[APPLICATION_SEND_BYTES_MAX];
    const uint32_t left = APPLICATION_SEND_BYTES_MAX - draft->count;
    const uint32_t count = least(left, random_magnitude(&application->random, application->habits.send_bytes_max));
    iocp_sim_stream_copy(draft->stream, draft->count, bytes, count);
    const int result = iocp_draft_append(application->worker, bytes, count);
    draft->attempted = draft->count + count;
    draft->count += result == 0 ? count : 0;
    return result;
}

/* Fills more than it keeps: what is not kept must not leave. */
static int fill(application *application, draft *draft)
{
    sim_random *random = &application->random;
    const uint32_t left = APPLICATION_SEND_BYTES_MAX - draft->count;
    const uint32_t wanted = random_one_in(random, 4) ? IOCP_DRAFT_ROOM_BYTES_MAX
                                                     : random_magnitude(random, IOCP_DRAFT_ROOM_BYTES_MAX);
    const uint32_t capacity = least(left, wanted);
    uint8_t *start;
    const int result = iocp_draft_reserve(application->worker, capacity, &start);
    draft->attempted = draft->count + capacity;
    if (result < 0 || capacity == 0)
        return result;
    const uint32_t kept = random_one_in(random, 2) ? capacity : random_magnitude(random, capacity);
    iocp_sim_stream_copy(draft->stream, draft->count, start, kept);
    memset(start + kept, 0xee, capacity - kept);
    if (random_one_in(random, 16))
        return 0; /* not kept at all: the next call gives it back */
    draft->count += kept;
    return iocp_draft_keep(application->worker, kept);
}

static void require_busy(const application *application, int result, iocp_token connection)
{
    LEDGER_REQUIRE(application->ledger, result == -EBUSY || result == -ENOTCONN || result == -EPIPE, "G2",
                   "something was sent while a draft was open", connection);
}

/* What its writer may do in the middle. */
static void disturb(application *application, const draft *draft)
{
    sim_random *random = &application->random;
    ledger_life *other = application_any_open(application);
    if (other == NULL || !random_one_in(random, 4))
        return;
    iocp_worker *worker = application->worker;
    require_busy(application, iocp_send(worker, other->token, "x", 1), other->token);
    require_busy(application, iocp_send_parts(worker, other->token, &(iocp_send_part){"x", 1}, 1), other->token);
    require_busy(application, iocp_send_shared(worker, other->token, application->shared), other->token);
    require_busy(application, iocp_send_notify(worker, other->token, 1), other->token);
    require_busy(application, iocp_draft_open(worker, other->token), other->token);
    if (random_one_in(random, 4))
        application_use_terms(application, draft->life);
    if (random_one_in(random, 16))
        application_end_somehow(application, draft->life);
}

static void write_draft(application *application, ledger_life *life)
{
    iocp_worker *worker = application->worker;
    sim_random *random = &application->random;
    draft draft = {.life = life, .stream = application_next_stream(application)};
    const uint64_t before = application_unsent(application, life);
    int result = iocp_draft_open(worker, life->token);
    if (result < 0) {
        application_check_answer(application, life, result);
        return;
    }
    for (uint32_t left = 1 + random_below(random, 3); left > 0 && result == 0; left--) {
        result = random_one_in(random, 2) ? append(application, &draft) : fill(application, &draft);
        disturb(application, &draft);
    }
    if (random_one_in(random, 4)) {
        iocp_draft_discard(worker);
        LEDGER_REQUIRE(application->ledger, iocp_draft_send(worker) == -EINVAL, "G2", "a draft was sent that is gone",
                       life->token);
        if (result < 0)
            application_check_answer(application, life, result);
        LEDGER_REQUIRE(application->ledger,
                       iocp_connection_unsent_bytes(worker, life->token) == before + life->layer.own_bytes, "G9",
                       "a draft was queued that was given up", life->token);
        return;
    }
    const int sent = iocp_draft_send(worker);
    LEDGER_REQUIRE(application->ledger, result == 0 || sent == result, "G2",
                   "a part of a draft was sent that was refused", life->token);
    if (sent == 0)
        ledger_queue(application->ledger, life, draft.stream, 0, draft.count);
    application_check_answer(application, life, sent);
    application_check_whole(application, life, sent, sent == 0 ? draft.count : draft.attempted, before);
}

void application_fill_whole(application *application, ledger_life *life, uint32_t stream, uint32_t count)
{
    iocp_worker *worker = application->worker;
    uint8_t *start;
    const uint64_t before = application_unsent(application, life);
    int result = iocp_draft_open(worker, life->token);
    if (result == 0 && (result = iocp_draft_reserve(worker, count, &start)) == 0) {
        iocp_sim_stream_copy(stream, 0, start, count);
        result = iocp_draft_keep(worker, count);
    }
    if (result == 0 && (result = iocp_draft_send(worker)) == 0)
        ledger_queue(application->ledger, life, stream, 0, count);
    iocp_draft_discard(worker);
    application_check_answer(application, life, result);
    application_check_whole(application, life, result, count, before);
}

void application_write(application *application, ledger_life *life)
{
    if (random_one_in(&application->random, 2))
        send_parts(application, life);
    else
        write_draft(application, life);
}
