/* What a peer of a connection with a layer says: the protocol, or something that is none. */
#include <stdlib.h>
#include <string.h>

#include "../ledger.h"

enum { PINGS_MAX = 32 };

/* How a peer behaves. The first is the usual one. */
typedef enum speech_manner {
    SAYS_ALL,
    STOPS_IN_HANDSHAKE,   /* then FIN, or silence until the layer's time is over */
    IS_A_STRANGER,        /* speaks no such protocol */
    REFUSES_IN_HANDSHAKE,
    LEAVES_WITHOUT_END,   /* FIN behind a whole record, or within one */
    BREAKS_A_RECORD,
    REFUSES_LATER,
    TALKS_ON,             /* behind its END */
    MANNER_COUNT,
} speech_manner;

/* --- saying ------------------------------------------------------------------------------------------------- */

static uint8_t *room(speech *speech, uint32_t count_bytes)
{
    if (speech->wire_bytes + count_bytes > speech->wire_capacity) {
        speech->wire_capacity = 2 * (speech->wire_bytes + count_bytes);
        speech->wire = realloc(speech->wire, speech->wire_capacity);
        if (speech->wire == NULL)
            abort();
    }
    speech->wire_bytes += count_bytes;
    return speech->wire + speech->wire_bytes - count_bytes;
}

/* Returns where the body is to stand. */
static uint8_t *say(speech *speech, protocol_kind kind, uint32_t value)
{
    uint8_t header[PROTOCOL_HEADER_BYTES];
    protocol_header(header, kind, value, speech->number++);
    uint8_t *message = room(speech, PROTOCOL_HEADER_BYTES + protocol_body_bytes(header));
    memcpy(message, header, sizeof header);
    return message + PROTOCOL_HEADER_BYTES;
}

static void say_hello(speech *speech, sim_random *random)
{
    const uint32_t count_bytes = 1 + random_below(random, PROTOCOL_HELLO_BYTES_MAX);
    const uint32_t flags = random_below(random, 4);
    speech->key = (uint8_t)random_below(random, 256);
    uint8_t *body = say(speech, PROTOCOL_HELLO, count_bytes | flags << 8);
    memset(body, 0x5a, count_bytes);
    body[0] = speech->key;
}

static void wait_for_message(speech *speech, uint32_t index)
{
    speech->gate_at[index] = speech->wire_bytes;
    speech->has_gate[index] = true;
}

/* One that cannot wait says all at once. */
static void say_handshake(speech *speech, sim_random *random)
{
    const bool waits = !random_one_in(random, 4);
    if (speech->accepts && waits)
        wait_for_message(speech, 0);
    say_hello(speech, random);
    if (!speech->accepts && waits)
        wait_for_message(speech, 0);
    if (speech->accepts && waits && random_one_in(random, 2))
        wait_for_message(speech, 1);
    if (!speech->accepts)
        (void)say(speech, PROTOCOL_READY, 0);
}

static void say_record(speech *speech, sim_random *random, uint64_t position, uint32_t count_bytes)
{
    if (random_one_in(random, 32)) {
        const uint8_t key = (uint8_t)random_below(random, 256);
        (void)say(speech, PROTOCOL_KEY, key);
        speech->key = key;
    }
    if (random_one_in(random, 32)) {
        const uint32_t padding_bytes = random_below(random, 256);
        memset(say(speech, PROTOCOL_PADDING, padding_bytes), 0x5a, padding_bytes);
    }
    const uint8_t number = speech->number;
    uint8_t *body = say(speech, PROTOCOL_DATA, count_bytes);
    iocp_sim_stream_copy(speech->stream, position, body, count_bytes);
    protocol_mask(speech->key, number, body, count_bytes);
}

static void say_ping(speech *speech, sim_random *random)
{
    (void)say(speech, PROTOCOL_PING, random_magnitude(random, PROTOCOL_PONG_BYTES_MAX));
}

/* The first plain_bytes of its stream, in records of any size; at times it asks more than it says. */
static void say_records(speech *speech, sim_random *random, uint64_t plain_bytes)
{
    const uint32_t most = 1 + random_magnitude(random, PROTOCOL_RECORD_BYTES_MAX - 1);
    const uint32_t one_in = random_one_in(random, 8) ? 2 : 32;
    uint32_t pings = random_magnitude(random, PINGS_MAX);
    for (uint64_t position = 0; position < plain_bytes;) {
        const uint64_t left = plain_bytes - position;
        const uint32_t step = random_magnitude(random, left < most ? (uint32_t)left : most);
        say_record(speech, random, position, step);
        position += step;
        if (pings > 0 && random_one_in(random, one_in)) {
            say_ping(speech, random);
            pings--;
        }
    }
    if (random_one_in(random, 16))
        for (uint32_t left = random_below(random, PINGS_MAX); left > 0; left--)
            (void)say(speech, PROTOCOL_PING, PROTOCOL_PONG_BYTES_MAX);
}

static void say_garbage(speech *speech, sim_random *random)
{
    const uint32_t count_bytes = 1 + random_magnitude(random, 4096);
    iocp_sim_stream_copy(speech->stream + 1, random_below(random, 4096), room(speech, count_bytes), count_bytes);
}

/* --- manners ------------------------------------------------------------------------------------------------ */

static void cut(speech *speech, sim_random *random, uint64_t from)
{
    speech->wire_bytes = from + random_below(random, (uint32_t)(speech->wire_bytes - from) + 1);
}

static void break_record(speech *speech, sim_random *random)
{
    switch (random_below(random, 3)) {
    case 0:
        speech->number++; /* one is missing */
        (void)say(speech, PROTOCOL_DATA, 0);
        return;
    case 1:
        say_hello(speech, random); /* what is no message any more */
        return;
    default:
        *room(speech, 1) = (uint8_t)random_below(random, PROTOCOL_HELLO);
        return;
    }
}

static void say_as(speech *speech, sim_random *random, speech_manner manner, uint64_t plain_bytes, bool *finishes)
{
    if (manner == IS_A_STRANGER) {
        say_garbage(speech, random);
        return;
    }
    say_handshake(speech, random);
    const uint64_t handshake_bytes = speech->wire_bytes;
    if (manner == STOPS_IN_HANDSHAKE)
        cut(speech, random, 0);
    if (manner == REFUSES_IN_HANDSHAKE) {
        speech->wire_bytes = 0;
        speech->number = 0;
        if (random_one_in(random, 2))
            say_hello(speech, random);
        (void)say(speech, PROTOCOL_ALERT, random_below(random, 256));
    }
    if (manner == STOPS_IN_HANDSHAKE || manner == REFUSES_IN_HANDSHAKE)
        return;
    say_records(speech, random, plain_bytes);
    switch (manner) {
    case LEAVES_WITHOUT_END:
        if (random_one_in(random, 2))
            cut(speech, random, handshake_bytes);
        *finishes = true;
        return;
    case BREAKS_A_RECORD:
        break_record(speech, random);
        say_garbage(speech, random);
        return;
    case REFUSES_LATER:
        (void)say(speech, PROTOCOL_ALERT, random_below(random, 256));
        return;
    case TALKS_ON:
        (void)say(speech, PROTOCOL_END, 0);
        say_garbage(speech, random);
        return;
    case SAYS_ALL:
    case STOPS_IN_HANDSHAKE:
    case IS_A_STRANGER:
    case REFUSES_IN_HANDSHAKE:
    case MANNER_COUNT:
        break;
    }
    /* One that goes on half open may say END long before FIN, or never. */
    if (*finishes || random_one_in(random, 2))
        (void)say(speech, PROTOCOL_END, 0);
}

/* --- a peer ------------------------------------------------------------------------------------------------- */

speech *speech_new(layers *layers, const layer_context *context, uint32_t stream, uint64_t plain_bytes, bool *finishes)
{
    sim_random *random = &layers->random;
    speech *speech = calloc(1, sizeof *speech);
    if (stream >= layers->speech_count) {
        const uint32_t count = 2 * stream + 64;
        layers->speeches = realloc(layers->speeches, count * sizeof *layers->speeches);
        if (layers->speeches == NULL)
            abort();
        memset(layers->speeches + layers->speech_count, 0, (count - layers->speech_count) * sizeof *layers->speeches);
        layers->speech_count = count;
    }
    if (speech == NULL)
        abort();
    layers->speeches[stream] = speech;
    speech->context = context;
    speech->accepts = context->kind == &layer_connecting;
    speech->met_ns = iocp_sim_now_ns(layers->ledger->sim);
    speech->stream = stream;
    const speech_manner manner = random_one_in(random, 3) ? (speech_manner)random_below(random, MANNER_COUNT) : SAYS_ALL;
    say_as(speech, random, manner, plain_bytes, finishes);
    return speech;
}

speech *speech_of(const layers *layers, uint32_t stream)
{
    return stream < layers->speech_count ? layers->speeches[stream] : NULL;
}

static bool has_read(const speech *speech, uint32_t index)
{
    return speech->message_count > index && speech->message_ends[index] <= speech->read_bytes;
}

uint64_t speech_may_send(const speech *speech)
{
    for (uint32_t i = 0; i < 2; i++)
        if (speech->has_gate[i] && !has_read(speech, i) && speech->gate_at[i] < speech->wire_bytes)
            return speech->gate_at[i];
    return speech->wire_bytes;
}

void speech_free(speech *speech)
{
    if (speech == NULL)
        return;
    free(speech->wire);
    free(speech->pending);
    free(speech);
}
