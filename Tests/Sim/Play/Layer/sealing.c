/* What is sent through the played layer: records, each but the last as long as it may be. */
#include <string.h>

#include "kind.h"

enum { FAILS_TO_SEAL = 256 }; /* one in so many */

uint32_t layer_record_bytes(const void *opaque)
{
    return ((const layer_state *)opaque)->record_bytes;
}

/* A record that is being filled, behind its header. */
typedef struct unsealed {
    uint8_t message[PROTOCOL_HEADER_BYTES + PROTOCOL_RECORD_BYTES_MAX];
    uint32_t count_bytes;
} unsealed;

static int leave(layer_state *state, unsealed *record)
{
    if (record->count_bytes == 0)
        return 0;
    /* With the padding before it, as much as sealing may add to a record. */
    if (state->pads &&
        layer_say_padding(state, random_below(layer_random(state), PROTOCOL_PADDING_BYTES_MAX + 1), true) < 0)
        return -IOCP_LAYER_BROKEN;
    protocol_mask(state->key, state->number, record->message + PROTOCOL_HEADER_BYTES, record->count_bytes);
    const int result = layer_say(state, record->message, PROTOCOL_DATA, record->count_bytes, true);
    record->count_bytes = 0;
    return result;
}

static int seal_part(layer_state *state, unsealed *record, const iocp_send_part *part)
{
    for (size_t done = 0; done < part->count_bytes;) {
        const size_t room = state->record_bytes - record->count_bytes;
        const size_t step = part->count_bytes - done < room ? part->count_bytes - done : room;
        memcpy(record->message + PROTOCOL_HEADER_BYTES + record->count_bytes, (const uint8_t *)part->bytes + done, step);
        record->count_bytes += (uint32_t)step;
        done += step;
        if (record->count_bytes == state->record_bytes && leave(state, record) < 0)
            return -IOCP_LAYER_BROKEN;
    }
    return 0;
}

/* The one record more that there is room for. */
static int change_key(layer_state *state)
{
    uint8_t header[PROTOCOL_HEADER_BYTES];
    const uint8_t key = (uint8_t)random_below(layer_random(state), 256);
    if (layer_say_padding(state, PROTOCOL_PADDING_BYTES_MAX, true) < 0 ||
        layer_say(state, header, PROTOCOL_KEY, key, true) < 0)
        return -IOCP_LAYER_BROKEN;
    state->key = key;
    return 0;
}

int layer_seal(void *opaque, const iocp_send_part *parts, uint32_t part_count)
{
    layer_state *state = opaque;
    unsealed record;
    record.count_bytes = 0;
    LEDGER_REQUIRE(layer_ledger(state), state->is_open && state->failure == 0 && !state->has_finished && !state->has_ended,
                   "G4", "a layer is to seal that is not open, or not any more", state->token);
    const bool fails = random_one_in(layer_random(state), FAILS_TO_SEAL);
    int result = random_one_in(layer_random(state), 4) ? change_key(state) : 0;
    for (uint32_t i = 0; i < part_count && result == 0; i++)
        result = seal_part(state, &record, &parts[i]);
    if (result == 0 && !fails)
        result = leave(state, &record);
    if (result == 0 && !fails)
        return 0;
    state->broke_sealing = true;
    return layer_fail(state, IOCP_LAYER_BROKEN);
}
