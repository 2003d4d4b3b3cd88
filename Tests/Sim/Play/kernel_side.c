#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ledger.h"

static void violated(void *context, const char *rule, const char *what, iocp_token connection)
{
    ledger_violated(context, rule, what, connection);
}

static void named(void *context, iocp_token connection, uint32_t stream)
{
    ledger *ledger = context;
    ledger_life *life = ledger_life_of(ledger, connection);
    LEDGER_REQUIRE(ledger, life->stream == 0 && !life->over, "G4", "a connection has two sockets",
                   connection);
    life->stream = stream;
    life->layer.speech = speech_of(&ledger->layers, stream);
    if (life->layer.speech != NULL)
        life->layer.context = (layer_context *)life->layer.speech->context;
    ledger_check_turn(ledger, life);
    const uint32_t most = ledger->config->connections_per_address;
    LEDGER_REQUIRE(ledger, most == 0 || iocp_sim_accepted_with(ledger->sim, connection) <= most, "G6",
                   "an address has more connections than it may", connection);
    life->acknowledged_ns = iocp_sim_now_ns(ledger->sim);
}

static void acknowledged(void *context, iocp_token connection, uint32_t count_bytes)
{
    const ledger *ledger = context;
    ledger_life *life = ledger_find(context, connection);
    if (life == NULL)
        return;
    if (life->layer.speech != NULL)
        life->layer.speech->read_bytes += count_bytes;
    life->question.acknowledged_since = true;
    const uint64_t now_ns = iocp_sim_now_ns(ledger->sim);
    const uint64_t silence_ns = now_ns - life->acknowledged_ns;
    life->longest_silence_ns = silence_ns > life->longest_silence_ns ? silence_ns : life->longest_silence_ns;
    life->acknowledged_ns = now_ns;
}

static void asked(void *context, iocp_token connection, int answer, bool sending)
{
    ledger_question *question = &ledger_life_of(context, connection)->question;
    question->unanswered = answer == -EBUSY || answer == -EAGAIN;
    question->sending = sending;
    if (question->unanswered)
        return;
    question->acknowledged_between = question->acknowledged_since;
    question->acknowledged_since = false;
}

static void broke(void *context, iocp_token connection)
{
    ledger_life_of(context, connection)->broken = true;
}

/* The bytes of sends, in the order of the calls, one after the other. */
void ledger_take_plain(const ledger *ledger, ledger_life *life, const uint8_t *bytes, uint32_t count_bytes)
{
    while (count_bytes > 0) {
        LEDGER_REQUIRE(ledger, life->stretch_head < life->stretch_count, "G2", "more bytes were sent than queued",
                       life->token);
        ledger_stretch *stretch = &life->stretches[life->stretch_head];
        const uint32_t step = stretch->count_bytes < count_bytes ? stretch->count_bytes : count_bytes;
        LEDGER_REQUIRE(ledger, iocp_sim_stream_matches(stretch->stream, stretch->position, bytes, step), "G2",
                       "other bytes were sent than queued", life->token);
        stretch->position += step;
        stretch->count_bytes -= step;
        if (stretch->count_bytes == 0)
            life->stretch_head++;
        bytes += step;
        count_bytes -= step;
    }
}

static void taken(void *context, iocp_token connection, const uint8_t *bytes, uint32_t count_bytes)
{
    ledger *ledger = context;
    ledger_life *life = ledger_find(ledger, connection);
    LEDGER_REQUIRE(ledger, life != NULL && !life->over, "G4", "bytes were sent after CLOSED", connection);
    life->taken_bytes += count_bytes;
    if (life->layer.speech != NULL)
        speech_hear(life->layer.speech, ledger, life, bytes, count_bytes);
    else
        ledger_take_plain(ledger, life, bytes, count_bytes);
}

/* Nothing waits for a silent send's end: it takes all there is, and no completion is due after it. */
static void silent(void *context, iocp_token connection, uint32_t count_bytes)
{
    ledger *ledger = context;
    const ledger_life *life = ledger_life_of(ledger, connection);
    LEDGER_REQUIRE(ledger, life->taken_bytes + count_bytes == life->queued_bytes, "G1",
                   "a silent send with more behind it", connection);
    LEDGER_REQUIRE(ledger,
                   life->notify_count == 0 || life->notifies[life->notify_count - 1].queued_bytes <= life->taken_bytes,
                   "G1", "a silent send before a notification", connection);
    LEDGER_REQUIRE(ledger, !life->closing && !life->finishing, "G7", "a silent send before a FIN", connection);
    /* At the low mark WRITABLE is on its way already: it came with other marks. */
    LEDGER_REQUIRE(ledger, !life->pressed || life->queued_bytes - life->taken_bytes <= life->marks.low_bytes, "G1",
                   "a silent send while WRITABLE is owed", connection);
    LEDGER_REQUIRE(ledger,
                   life->notice_count == 0 || life->queued_bytes - life->taken_bytes <
                                                  life->notices[life->notice_count - 1].below_bytes,
                   "G1", "a silent send while UNSENT_FELL is owed", connection);
}

/* What is sent on a connection that is not to be held back says nothing about what it receives. */
static void withdrew(void *context, iocp_token connection)
{
    const ledger *ledger = context;
    const ledger_life *life = ledger_find(context, connection);
    if (life == NULL || !life->opened || life->holds_back || life->paused || ledger->whole_buffers)
        return;
    LEDGER_REQUIRE(ledger, !ledger->config->half_close || ledger_may_lose(ledger, life), "G6",
                   "a receive was held back that was not to be", connection);
}

static void ended(void *context, iocp_token connection, iocp_sim_ending ending)
{
    ledger *ledger = context;
    ledger_life *life = ledger_life_of(ledger, connection);
    const uint64_t now_ns = iocp_sim_now_ns(ledger->sim);
    const bool all_taken = life->taken_bytes == life->queued_bytes;
    LEDGER_REQUIRE(ledger, life->ending <= IOCP_SIM_FIN, "G7", "a connection was closed twice", connection);
    life->ended_early |= !ledger->said_stopping && !life->finishing;
    if (life->ending == 0 && ending != IOCP_SIM_CLOSED_RST)
        ledger_layer_check_finish(ledger, life);
    life->ending = ending;
    switch (ending) {
    case IOCP_SIM_FIN:
    case IOCP_SIM_CLOSED_FIN:
        LEDGER_REQUIRE(ledger, all_taken || life->broken, "G2", "FIN was sent before queued bytes", connection);
        return;
    case IOCP_SIM_CLOSED_DIRTY:
        LEDGER_REQUIRE(ledger, all_taken || life->broken, "G2", "a close lost queued bytes", connection);
        LEDGER_REQUIRE(ledger,
                       life->broken || !life->opened || now_ns - life->opened_ns >= ledger->config->linger_timeout_ns,
                       "G7", "a graceful close over unread bytes sends RST", connection);
        return;
    case IOCP_SIM_CLOSED_RST:
        return; /* CLOSED tells why */
    }
}

/* What is lent is not the kernel's to write to. */
static void provided(void *context, const uint8_t *start, uint32_t count_bytes)
{
    const ledger *ledger = context;
    for (uint32_t i = 0; i < ledger->lease_count; i++)
        LEDGER_REQUIRE(ledger, ledger->leases[i].bytes < start || ledger->leases[i].bytes >= start + count_bytes, "G9",
                       "a buffer was given to the kernel while its bytes are lent", 0);
}

static void failed(void *context, const char *operation, int error)
{
    ledger *ledger = context;
    ledger->unasked |= strcmp(operation, "unacknowledged") == 0 && error == EOPNOTSUPP;
    failures_count(&ledger->failures, operation, error);
    if (strcmp(operation, "wait") == 0 && error != EINTR)
        ledger->failure = error;
}

static void trace(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "%s\n", line);
}

iocp_sim_observer ledger_observer(ledger *ledger)
{
    iocp_sim_observer observer = {.context = ledger,
                                  .violated = violated,
                                  .named = named,
                                  .taken = taken,
                                  .acknowledged = acknowledged,
                                  .asked = asked,
                                  .silent = silent,
                                  .withdrew = withdrew,
                                  .broke = broke,
                                  .ended = ended,
                                  .provided = provided,
                                  .failed = failed,
                                  .trace = ledger->tracing ? trace : NULL};
    if (ledger->layers.played)
        ledger_layer_observe(&observer);
    return observer;
}
