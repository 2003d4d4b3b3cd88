/* The ledger of connections with a layer: what the core asks of one, and what its peer is. */
#include <errno.h>
#include <string.h>

#include "../ledger.h"

/* What the core promises, written down a second time. */
enum {
    STEPS_PER_TURN = 2,        /* of handshakes, in one turn of the loop */
    UNREAD_BYTES_MAX = 64 * 1024, /* what may arrive for one that waits for its turn */
    OWN_BYTES_MAX = 64 * 1024, /* what a layer may have unsent beyond a connection's cap (iocp_layer_write) */
};

static ledger_life *life_of(ledger *ledger, const layer_state *state)
{
    ledger_life *life = ledger_find(ledger, state->token);
    LEDGER_REQUIRE(ledger, life != NULL && !life->over, "G4", "the layer of a connection that is over was called",
                   state->token);
    return life;
}

bool ledger_layer_begins(ledger *ledger, const layer_context *context, iocp_token connection, bool refuses)
{
    ledger_life *life = ledger_find(ledger, connection);
    LEDGER_REQUIRE(ledger, life != NULL && life->layer.context == context, "G4", "a layer began that is another's",
                   connection);
    LEDGER_REQUIRE(ledger, life->layer.state == NULL && !life->layer.refused, "G1", "a layer began twice", connection);
    life->layer.refused = refuses;
    return !refuses;
}

void ledger_layer_began(ledger *ledger, layer_state *state)
{
    life_of(ledger, state)->layer.state = state;
}

/* A handshake takes a step. So few of them do in one turn of the loop, which enters the kernel once. */
static void count_step(ledger *ledger, const layer_state *state)
{
    layers *layers = &ledger->layers;
    const uint64_t turn = iocp_port_stats(iocp_worker_port(ledger->worker), 0).enters;
    layers->steps = turn == layers->turn ? layers->steps + 1 : 1;
    layers->turn = turn;
    LEDGER_REQUIRE(ledger, layers->steps <= STEPS_PER_TURN, "G6", "more handshakes took a step than may in a turn",
                   state->token);
}

void ledger_layer_fed(ledger *ledger, layer_state *state, const uint8_t *bytes, uint32_t count_bytes)
{
    const speech *speech = life_of(ledger, state)->layer.speech;
    LEDGER_REQUIRE(ledger, !state->has_ended && state->failure == 0 && !state->peer_ended, "G4",
                   "a layer is to open bytes behind its end", state->token);
    LEDGER_REQUIRE(ledger,
                   count_bytes > 0 && state->fed_bytes + count_bytes <= speech->wire_bytes &&
                       memcmp(speech->wire + state->fed_bytes, bytes, count_bytes) == 0,
                   "G2", "a layer was given other bytes than arrived", state->token);
    state->fed_bytes += count_bytes;
    if (state->is_open)
        return;
    LEDGER_REQUIRE(ledger, count_bytes <= UNREAD_BYTES_MAX, "G6", "more waited for a turn than may", state->token);
    count_step(ledger, state);
}

void ledger_layer_hands(const ledger *ledger, layer_state *state, const uint8_t *place, const iocp_layer_opened *opened)
{
    if (opened->count_bytes == 0)
        return;
    LEDGER_REQUIRE(ledger, state->handed_tail - state->handed_head < LAYER_HANDED_MAX, "G2",
                   "opened bytes are not handed out", state->token);
    state->handed[state->handed_tail++ % LAYER_HANDED_MAX] = (layer_handed){
        .place = place, .bytes = opened->bytes, .count_bytes = opened->count_bytes, .owned = opened->owned};
}

void ledger_layer_opened(ledger *ledger, const layer_state *state, const iocp_layer_opened *opened)
{
    layer_counts *counts = &ledger->layers.counts;
    (void)state;
    counts->opened++;
    counts->resumed += opened->is_resumed;
    counts->old += opened->is_old;
}

void ledger_layer_failed(ledger *ledger, const layer_state *state)
{
    layer_counts *counts = &ledger->layers.counts;
    const bool by_peer = state->failure >= IOCP_LAYER_PEER_REFUSED && state->failure < IOCP_LAYER_REFUSED;
    counts->refused_by_peer += by_peer && !state->is_open;
    counts->broken += state->is_open;
}

void ledger_layer_wrote(ledger *ledger, const layer_state *state, uint64_t before, uint32_t count_bytes, int result,
                        bool sealing)
{
    ledger_life *life = life_of(ledger, state);
    const iocp_port_config *config = ledger->config;
    const uint64_t cap_bytes = life->opened ? life->marks.cap_bytes : config->send_cap_bytes;
    const uint64_t after = iocp_connection_unsent_bytes(ledger->worker, state->token);
    LEDGER_REQUIRE(ledger, !sealing || result == 0, "G6", "a send that was accepted finds no room in its layer",
                   state->token);
    LEDGER_REQUIRE(ledger, result == 0 || result == -ENOBUFS || result == -EAGAIN || result == -ENOTCONN, "G6",
                   "a layer's write answered with no known error", state->token);
    LEDGER_REQUIRE(ledger, result != -EAGAIN || before + count_bytes > cap_bytes + OWN_BYTES_MAX, "G6",
                   "a layer may not write although there is little unsent", state->token);
    LEDGER_REQUIRE(ledger, after == before + (result == 0 ? count_bytes : 0), "G2", "a layer's write is not all or nothing",
                   state->token);
    if (result != 0)
        return;
    LEDGER_REQUIRE(ledger, sealing || after <= cap_bytes + OWN_BYTES_MAX, "G6", "a layer wrote more than it may",
                   state->token);
    life->queued_bytes += count_bytes;
    if (sealing)
        life->layer.sealed_bytes += count_bytes;
    else
        life->layer.own_bytes += count_bytes;
    ledger_note_pressure(ledger);
    if (after < (life->opened ? life->marks.high_bytes : config->send_high_bytes))
        return;
    if (life->opened)
        ledger_press(life);
    else
        life->press_count++; /* nobody is told unless it is open by then */
}

uint64_t ledger_layer_excess_bytes(const ledger_life *life)
{
    return life->layer.context != NULL ? OWN_BYTES_MAX + life->layer.sealed_bytes : 0;
}

/* --- peers -------------------------------------------------------------------------------------------------- */

static bool met(void *context, uint32_t stream, uint16_t port_be, uint64_t *total_bytes, bool *finishes)
{
    ledger *ledger = context;
    layers *layers = &ledger->layers;
    const layer_context *layer = port_be != 0 ? ledger_layer_at(ledger, port_be) : layers->connecting;
    if (layer == NULL)
        return false;
    *total_bytes = speech_new(layers, layer, stream, *total_bytes, finishes)->wire_bytes;
    return true;
}

static void spoken(void *context, uint32_t stream, uint64_t position, uint8_t *bytes, uint32_t count_bytes)
{
    speech *speech = speech_of(&((ledger *)context)->layers, stream);
    memcpy(bytes, speech->wire + position, count_bytes);
    speech->arrived_bytes = position + count_bytes;
}

static uint64_t may_send(void *context, uint32_t stream)
{
    return speech_may_send(speech_of(&((ledger *)context)->layers, stream));
}

void ledger_layer_observe(iocp_sim_observer *observer)
{
    observer->met = met;
    observer->spoken = spoken;
    observer->may_send = may_send;
}
