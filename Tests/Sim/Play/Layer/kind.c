/* The worker's end of the played layer: an iocp_layer_kind that keeps its side of the contract, and watches that the core
 * keeps the other. */
#include <stdlib.h>
#include <string.h>

#include "kind.h"

enum {
    REFUSES_TO_BEGIN = 24,    /* one in so many */
    RECORD_BYTES_USUAL = 256, /* of most, at least */
};

/* --- saying ------------------------------------------------------------------------------------------------- */

/* One message whose body follows its header in `message`. */
int layer_say(layer_state *state, uint8_t *message, protocol_kind kind, uint32_t value, bool sealing)
{
    protocol_header(message, kind, value, state->number);
    const uint32_t count_bytes = PROTOCOL_HEADER_BYTES + protocol_body_bytes(message);
    const uint64_t before = iocp_connection_unsent_bytes(state->worker, state->token);
    const int result = iocp_layer_write(state->worker, state->token, message, count_bytes);
    ledger_layer_wrote(layer_ledger(state), state, before, count_bytes, result, sealing);
    state->number += result == 0;
    return result;
}

int layer_say_short(layer_state *state, protocol_kind kind, uint32_t value)
{
    uint8_t header[PROTOCOL_HEADER_BYTES];
    return layer_say(state, header, kind, value, false);
}

int layer_say_padding(layer_state *state, uint32_t count_bytes, bool sealing)
{
    uint8_t message[PROTOCOL_HEADER_BYTES + PROTOCOL_PADDING_BYTES_MAX];
    memset(message, 0x5a, sizeof message);
    return layer_say(state, message, PROTOCOL_PADDING, count_bytes, sealing);
}

void layer_speak(layer_state *state)
{
    if (state->is_open && !state->has_ended && !state->has_finished && state->failure == 0)
        (void)layer_say_padding(state, random_below(layer_random(state), PROTOCOL_PADDING_BYTES_MAX + 1), false);
}

int layer_say_hello(layer_state *state)
{
    uint8_t message[PROTOCOL_HEADER_BYTES + PROTOCOL_HELLO_BYTES_MAX];
    memset(message, 0x5a, sizeof message);
    message[PROTOCOL_HEADER_BYTES] = state->key;
    const uint32_t count_bytes = 1 + random_below(layer_random(state), PROTOCOL_HELLO_BYTES_MAX);
    state->said_hello = layer_say(state, message, PROTOCOL_HELLO, count_bytes, false) == 0;
    return state->said_hello ? 0 : -IOCP_LAYER_BROKEN;
}

int layer_fail(layer_state *state, int failure)
{
    state->failure = failure;
    ledger_layer_failed(layer_ledger(state), state);
    return -failure;
}

/* --- begin and end ------------------------------------------------------------------------------------------ */

static layer_state *begin(layer_context *context, iocp_worker *worker, iocp_token token)
{
    layers *layers = context->layers;
    if (!ledger_layer_begins(layers->ledger, context, token, random_one_in(&layers->random, REFUSES_TO_BEGIN)))
        return NULL;
    layer_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        abort();
    *state = (layer_state){.context = context, .worker = worker, .token = token, .next = layers->states};
    layers->states = state;
    state->key = (uint8_t)random_below(&layers->random, 256);
    state->pads = random_one_in(&layers->random, 2);
    const uint32_t least = random_one_in(&layers->random, 4) ? 1 : RECORD_BYTES_USUAL;
    state->record_bytes = least + random_magnitude(&layers->random, PROTOCOL_RECORD_BYTES_MAX - least);
    ledger_layer_began(layers->ledger, state);
    return state;
}

static void *begin_accepting(void *context, iocp_worker *worker, iocp_token token)
{
    return begin(context, worker, token);
}

/* What it could not say ends it at its peer's first byte. */
static void *begin_connecting(void *context, iocp_worker *worker, iocp_token token)
{
    layer_state *state = begin(context, worker, token);
    if (state != NULL)
        (void)layer_say_hello(state);
    return state;
}

static void end(void *opaque)
{
    layer_state *state = opaque;
    LEDGER_REQUIRE(layer_ledger(state), !state->has_ended, "G1", "a layer ended twice", state->token);
    state->has_ended = true;
    free(state->kept);
    state->kept = NULL;
}

/* Nothing where it never opened, failed, or has said so. */
static void finish(void *opaque)
{
    layer_state *state = opaque;
    LEDGER_REQUIRE(layer_ledger(state), !state->has_ended, "G1", "a layer is to finish that has ended", state->token);
    if (!state->is_open || state->failure != 0 || state->has_finished)
        return;
    state->has_finished = true;
    state->end_unsaid = layer_say_short(state, PROTOCOL_END, 0) < 0;
}

/* --- the kinds ---------------------------------------------------------------------------------------------- */

static void retain(void *opaque)
{
    ledger_layer_refers(opaque, 1);
}

static void release(void *opaque)
{
    ledger_layer_refers(opaque, -1);
}

#define KIND(text, beginning)                                                                                          \
    {                                                                                                                  \
        .name = text, .record_overhead_bytes = LAYER_OVERHEAD_BYTES, .begin = beginning, .open = layer_open,           \
        .record_bytes = layer_record_bytes, .seal = layer_seal, .finish = finish, .end = end, .retain = retain,                    \
        .release = release,                                                                                            \
    }

const iocp_layer_kind layer_accepting = KIND("played, accepting", begin_accepting);
const iocp_layer_kind layer_connecting = KIND("played, connecting", begin_connecting);
