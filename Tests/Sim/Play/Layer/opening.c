/* What arrives through the played layer: whole messages, opened where they lie or in a block of their own. */
#include <stdlib.h>
#include <string.h>

#include "kind.h"

enum {
    ALERT_UNEXPECTED = 10, /* RFC 8446, 6, as the core's failures are */
    ALERT_BAD_RECORD = 20,
    FAILS_TO_OPEN = 256, /* one in so many */
};

/* The peer is told what it did wrong, where there is room to say so. */
static int refuse(layer_state *state, uint32_t alert)
{
    (void)layer_say_short(state, PROTOCOL_ALERT, alert);
    return -(int)(IOCP_LAYER_REFUSED + alert);
}

static void open_up(layer_state *state, iocp_layer_opened *opened)
{
    state->is_open = true;
    opened->is_open = true;
    opened->is_resumed = state->hello_flags & PROTOCOL_RESUMED;
    opened->is_old = state->hello_flags & PROTOCOL_OLD;
    ledger_layer_opened(layer_ledger(state), state, opened);
}

static int take_hello(layer_state *state, const uint8_t *message, iocp_layer_opened *opened)
{
    if (state->heard_hello || message[1] == 0)
        return refuse(state, ALERT_UNEXPECTED);
    state->heard_hello = true;
    state->hello_flags = message[2];
    state->peer_key = message[PROTOCOL_HEADER_BYTES];
    if (state->context->kind == &layer_accepting)
        return layer_say_hello(state);
    if (!state->said_hello || layer_say_short(state, PROTOCOL_READY, 0) < 0)
        return -IOCP_LAYER_BROKEN;
    open_up(state, opened);
    return 0;
}

/* A peer that asks and does not read is let wait, or given up. */
static int answer_ping(layer_state *state, uint32_t count_bytes)
{
    uint8_t message[PROTOCOL_HEADER_BYTES + PROTOCOL_PONG_BYTES_MAX];
    if (count_bytes > PROTOCOL_PONG_BYTES_MAX)
        return refuse(state, ALERT_UNEXPECTED);
    memset(message, 0xa5, sizeof message);
    const int result = layer_say(state, message, PROTOCOL_PONG, count_bytes, false);
    return result == 0 || random_one_in(layer_random(state), 2) ? 0 : -IOCP_LAYER_BROKEN;
}

/* Opened bytes stand at the first record's place, each further record's behind those before it. */
static void take_data(layer_state *state, uint8_t *message, iocp_layer_opened *opened)
{
    uint8_t *body = message + PROTOCOL_HEADER_BYTES;
    const uint32_t count_bytes = protocol_count(message);
    if (count_bytes == 0)
        return;
    protocol_mask(state->peer_key, message[3], body, count_bytes);
    if (opened->count_bytes == 0)
        opened->bytes = body;
    memmove(opened->bytes + opened->count_bytes, body, count_bytes);
    opened->count_bytes += count_bytes;
}

static int take_open(layer_state *state, uint8_t *message, iocp_layer_opened *opened)
{
    switch ((protocol_kind)message[0]) {
    case PROTOCOL_DATA:
        take_data(state, message, opened);
        return 0;
    case PROTOCOL_KEY:
        state->peer_key = message[1];
        return 0;
    case PROTOCOL_PING:
        return answer_ping(state, protocol_count(message));
    case PROTOCOL_PADDING:
        return 0;
    case PROTOCOL_END:
        state->peer_ended = true;
        opened->has_ended = true;
        return 0;
    case PROTOCOL_HELLO:
    case PROTOCOL_READY:
    case PROTOCOL_PONG:
    case PROTOCOL_ALERT:
        break;
    }
    return refuse(state, ALERT_UNEXPECTED);
}

/* One whole message. */
static int take(layer_state *state, uint8_t *message, iocp_layer_opened *opened)
{
    if (message[3] != state->peer_number++)
        return refuse(state, ALERT_BAD_RECORD);
    if (message[0] == PROTOCOL_ALERT)
        return -(int)(IOCP_LAYER_PEER_REFUSED + message[1]);
    if (state->is_open)
        return take_open(state, message, opened);
    if (message[0] == PROTOCOL_HELLO)
        return take_hello(state, message, opened);
    if (message[0] != PROTOCOL_READY || !state->heard_hello)
        return refuse(state, ALERT_UNEXPECTED);
    open_up(state, opened);
    return 0;
}

/* All whole messages of `count_bytes`. Returns 0 or a failure; *taken_bytes are gone. */
static int take_all(layer_state *state, uint8_t *bytes, uint32_t count_bytes, uint32_t *taken_bytes,
                    iocp_layer_opened *opened)
{
    *taken_bytes = 0;
    while (*taken_bytes < count_bytes && !state->peer_ended) {
        uint8_t *message = bytes + *taken_bytes;
        const uint32_t left = count_bytes - *taken_bytes;
        if (!state->heard_hello && message[0] != PROTOCOL_HELLO && message[0] != PROTOCOL_ALERT)
            return -IOCP_LAYER_UNKNOWN;
        if (!protocol_is_kind(message[0]))
            return refuse(state, ALERT_BAD_RECORD);
        if (left < PROTOCOL_HEADER_BYTES || left - PROTOCOL_HEADER_BYTES < protocol_body_bytes(message))
            return 0;
        *taken_bytes += PROTOCOL_HEADER_BYTES + protocol_body_bytes(message);
        const int result = take(state, message, opened);
        if (result < 0)
            return result;
    }
    return 0;
}

static void keep(layer_state *state, const uint8_t *bytes, uint32_t count_bytes)
{
    free(state->kept);
    state->kept = NULL;
    state->kept_bytes = count_bytes;
    if (count_bytes == 0)
        return;
    state->kept = malloc(count_bytes);
    if (state->kept == NULL)
        abort();
    memcpy(state->kept, bytes, count_bytes);
}

/* Behind what was kept, in a block of its own. */
static uint8_t *join(const layer_state *state, const uint8_t *bytes, uint32_t count_bytes)
{
    uint8_t *block = malloc(state->kept_bytes + count_bytes);
    if (block == NULL)
        abort();
    if (state->kept_bytes > 0)
        memcpy(block, state->kept, state->kept_bytes);
    memcpy(block + state->kept_bytes, bytes, count_bytes);
    return block;
}

/* A block is handed out from its start, where it can be freed. */
static void own(uint8_t *block, iocp_layer_opened *opened)
{
    if (opened->count_bytes == 0) {
        free(block);
        return;
    }
    memmove(block, opened->bytes, opened->count_bytes);
    opened->bytes = block;
    opened->owned = true;
}

int layer_open(void *opaque, uint8_t *bytes, uint32_t count_bytes, iocp_layer_opened *opened)
{
    layer_state *state = opaque;
    ledger_layer_fed(layer_ledger(state), state, bytes, count_bytes);
    const bool joins = state->kept_bytes > 0 || random_one_in(layer_random(state), 8);
    uint8_t *block = joins ? join(state, bytes, count_bytes) : NULL;
    uint8_t *place = block != NULL ? block : bytes;
    const uint32_t place_bytes = block != NULL ? state->kept_bytes + count_bytes : count_bytes;
    uint32_t taken_bytes;
    int result = take_all(state, place, place_bytes, &taken_bytes, opened);
    if (result == 0 && random_one_in(layer_random(state), FAILS_TO_OPEN))
        result = -IOCP_LAYER_BROKEN;
    keep(state, place + taken_bytes, place_bytes - taken_bytes);
    if (block != NULL)
        own(block, opened);
    ledger_layer_hands(layer_ledger(state), state, bytes, opened);
    return result < 0 ? layer_fail(state, -result) : 0;
}
