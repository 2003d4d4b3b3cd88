/* Which listeners and connects have a layer, and that each gives its references back. */
#include <stdlib.h>

#include "../ledger.h"

/* Of seeds one in so many. Of inputs those whose seed ends with this byte, so that what was found before plays on. */
enum { PLAYED_ONE_IN = 3, PLAYED_INPUT = 'L' };

void layers_begin(layers *layers, struct ledger *ledger, uint64_t seed, sim_input *input)
{
    *layers = (struct layers){.ledger = ledger, .random = {seed ^ UINT64_C(0x6c61796572730000), NULL}};
    layers->played = input != NULL ? seed >> 56 == PLAYED_INPUT : random_one_in(&layers->random, PLAYED_ONE_IN);
    layers->random.input = input;
}

layer_context *layers_choose(layers *layers, bool connects)
{
    if (!layers->played || random_one_in(&layers->random, 4))
        return NULL;
    sim_random *random = &layers->random;
    if (layers->contexts != NULL && random_one_in(random, 2))
        for (layer_context *context = layers->contexts; context != NULL; context = context->next)
            if ((context->kind == &layer_connecting) == connects)
                return context;
    layer_context *context = calloc(1, sizeof *context);
    if (context == NULL)
        abort();
    *context = (layer_context){.layers = layers,
                               .next = layers->contexts,
                               .kind = connects ? &layer_connecting : &layer_accepting,
                               .references = 1};
    if (!random_one_in(random, 4))
        context->begin_timeout_ns = (1 + (uint64_t)random_magnitude(random, 2000)) * 1000000;
    layers->contexts = context;
    return context;
}

bool layers_wait_for_ever(const layers *layers)
{
    for (const layer_context *context = layers->contexts; context != NULL; context = context->next)
        if (context->kind == &layer_accepting && context->begin_timeout_ns == 0)
            return true;
    return false;
}

iocp_layer layer_of(layer_context *context)
{
    if (context == NULL)
        return (iocp_layer){0};
    return (iocp_layer){.kind = context->kind, .context = context, .begin_timeout_ns = context->begin_timeout_ns};
}

void ledger_layer_refers(layer_context *context, int change)
{
    layers *layers = context->layers;
    LEDGER_REQUIRE(layers->ledger, context->references > 1 || change > 0, "G6", "a layer's context was released too often",
                   0);
    context->references += (uint32_t)change;
    layers->counts.connections += change > 0 && !layers->listens;
}

/* --- the end ------------------------------------------------------------------------------------------------ */

static void end_states(layers *layers)
{
    while (layers->states != NULL) {
        layer_state *state = layers->states;
        LEDGER_REQUIRE(layers->ledger, state->has_ended, "G1", "a layer never ended", state->token);
        layers->states = state->next;
        free(state);
    }
}

static void end_contexts(layers *layers)
{
    while (layers->contexts != NULL) {
        layer_context *context = layers->contexts;
        LEDGER_REQUIRE(layers->ledger, context->references == 1, "G6", "a layer's context is still held", 0);
        layers->contexts = context->next;
        free(context);
    }
}

void layers_end(layers *layers)
{
    end_states(layers);
    end_contexts(layers);
    for (uint32_t i = 0; i < layers->speech_count; i++)
        speech_free(layers->speeches[i]);
    free(layers->speeches);
    layers->speeches = NULL;
    layers->speech_count = 0;
}
