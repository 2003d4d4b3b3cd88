/* The files of the worker's end of the played layer, among themselves. */
#ifndef SIM_LAYER_KIND_H
#define SIM_LAYER_KIND_H

#include "../ledger.h"

static inline sim_random *layer_random(layer_state *state)
{
    return &state->context->layers->random;
}

static inline struct ledger *layer_ledger(const layer_state *state)
{
    return state->context->layers->ledger;
}

/* kind.c. One message, whose body follows its header's place. Each of these returns 0 or what iocp_layer_write says. */
int layer_say(layer_state *state, uint8_t *message, protocol_kind kind, uint32_t value, bool sealing);
int layer_say_short(layer_state *state, protocol_kind kind, uint32_t value);
int layer_say_padding(layer_state *state, uint32_t count_bytes, bool sealing);
/* 0, or a negated failure. */
int layer_say_hello(layer_state *state);
/* Remembers why it failed; returns that, negated. */
int layer_fail(layer_state *state, int failure);

/* opening.c and sealing.c: functions of an iocp_layer_kind. */
int layer_open(void *opaque, uint8_t *bytes, uint32_t count_bytes, iocp_layer_opened *opened);
uint32_t layer_record_bytes(const void *opaque);
int layer_seal(void *opaque, const iocp_send_part *parts, uint32_t part_count);

#endif
