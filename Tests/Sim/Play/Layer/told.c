/* The ledger of connections with a layer: what the application is told of one, how it ends, and sums. */
#include "../ledger.h"

/* What may arrive for a layer that waits for its turn; the core's limit, written down a second time. */
enum { UNREAD_BYTES_MAX = 64 * 1024 };

bool ledger_layer_has_ended(const ledger_life *life)
{
    return life->layer.state != NULL && life->layer.state->peer_ended;
}

/* FIN, or what a receive finds behind a broken transport, before the layer's own end. */
static bool may_be_cut(const ledger *ledger, const ledger_life *life)
{
    return !ledger_layer_has_ended(life) && (life->broken || life->ending > IOCP_SIM_FIN ||
                                             iocp_sim_peer_finished(ledger->sim, life->token));
}

/* More arrived than is kept for it. */
static bool may_be_flooded(const ledger_life *life)
{
    const layer_state *state = life->layer.state;
    const uint64_t fed_bytes = state != NULL ? state->fed_bytes : 0;
    return (state == NULL || !state->is_open) && life->layer.speech->arrived_bytes - fed_bytes > UNREAD_BYTES_MAX;
}

bool ledger_layer_may_end(const ledger *ledger, const ledger_life *life)
{
    if (life->layer.context == NULL)
        return false;
    return life->layer.refused || may_be_flooded(life) || (life->layer.state != NULL && life->layer.state->failure != 0) ||
           may_be_cut(ledger, life);
}

void ledger_layer_check_opened(const ledger *ledger, const ledger_life *life)
{
    LEDGER_REQUIRE(ledger, life->layer.context == NULL || (life->layer.state != NULL && life->layer.state->is_open), "G1",
                   "OPENED before the layer was open", life->token);
}

void ledger_layer_check_received(const ledger *ledger, ledger_life *life, const iocp_completion *completion)
{
    layer_state *state = life->layer.state;
    const bool owned = completion->detail == IOCP_LEASE_NONE;
    if (life->layer.context == NULL) {
        LEDGER_REQUIRE(ledger, !owned, "G9", "bytes without a lease, and without a layer", life->token);
        return;
    }
    LEDGER_REQUIRE(ledger, state != NULL && state->handed_head != state->handed_tail, "G2",
                   "bytes came that no layer opened", life->token);
    const layer_handed *handed = &state->handed[state->handed_head++ % LAYER_HANDED_MAX];
    LEDGER_REQUIRE(ledger, (uint32_t)completion->result == handed->count_bytes, "G2", "more or less came than was opened",
                   life->token);
    LEDGER_REQUIRE(ledger, owned || !handed->owned, "G9", "a block of a layer's came as a lease", life->token);
    /* What waited for its turn lies in a block of the core's, which is handed out from its start. */
    const uint8_t *expected = handed->owned || !owned ? handed->bytes : handed->place;
    LEDGER_REQUIRE(ledger, completion->bytes == expected, "G9", "other bytes came than were opened", life->token);
}

void ledger_layer_check_peer_finished(const ledger *ledger, const ledger_life *life)
{
    LEDGER_REQUIRE(ledger,
                   life->layer.context == NULL || ledger_layer_has_ended(life), "G2",
                   "a layer that was cut looks like a peer that finished", life->token);
}

/* --- how it ends -------------------------------------------------------------------------------------------- */

static bool is_late(const ledger *ledger, const ledger_life *life)
{
    const uint64_t timeout_ns = life->layer.context->begin_timeout_ns;
    return timeout_ns > 0 && iocp_sim_now_ns(ledger->sim) >= life->layer.speech->met_ns + timeout_ns;
}

/* Whether the layer has been given all that came before its peer's FIN. */
static bool has_opened_all(const ledger_life *life)
{
    const layer_state *state = life->layer.state;
    return life->layer.speech->arrived_bytes == (state != NULL ? state->fed_bytes : 0);
}

/* Why a connection may end before its layer is open. */
static bool may_never_open(const ledger *ledger, const ledger_life *life)
{
    const layer_state *state = life->layer.state;
    return life->layer.refused || may_be_flooded(life) || (state != NULL && state->failure != 0) ||
           (may_be_cut(ledger, life) && has_opened_all(life)) || is_late(ledger, life) || life->closing || life->aborted ||
           ledger->said_stopping || ledger->failure != 0;
}

/* One that did not open ends for a reason; one that is open says so in its layer first. */
void ledger_layer_check_finish(const ledger *ledger, const ledger_life *life)
{
    const layer_state *state = life->layer.state;
    if (life->layer.context == NULL || life->broken)
        return;
    if (state == NULL || !state->is_open) {
        LEDGER_REQUIRE(ledger, may_never_open(ledger, life), "G7", "a connection ended before its layer was open",
                       life->token);
        return;
    }
    LEDGER_REQUIRE(ledger, state->failure != 0 || state->end_unsaid || life->layer.speech->heard_end, "G7",
                   "FIN without the layer's end before it", life->token);
}

bool ledger_layer_check_reason(ledger *ledger, const ledger_life *life, const iocp_completion *completion)
{
    layer_counts *counts = &ledger->layers.counts;
    const layer_state *state = life->layer.state;
    const bool is_open = state != NULL && state->is_open;
    switch (-completion->result) {
    case IOCP_LAYER_CUT:
        counts->closed_cut++;
        return is_open && may_be_cut(ledger, life);
    case IOCP_LAYER_UNBEGUN:
        return life->layer.context != NULL && !is_open && may_be_cut(ledger, life);
    case IOCP_LAYER_TIMED_OUT:
        counts->timed_out++;
        return life->layer.context != NULL && !is_open && is_late(ledger, life);
    case IOCP_LAYER_NO_ROOM:
        return life->layer.refused || (life->layer.context != NULL && may_be_flooded(life));
    default:
        return state != NULL && state->failure != 0 && -completion->result == state->failure;
    }
}

void ledger_layer_check_over(const ledger *ledger, const ledger_life *life)
{
    const layer_state *state = life->layer.state;
    LEDGER_REQUIRE(ledger, state == NULL || state->has_ended, "G1", "a connection is over, and its layer has not ended",
                   life->token);
}

/* --- turns -------------------------------------------------------------------------------------------------- */

/* Whether bytes arrived for a layer that is not open, and wait for its turn. */
static bool waits(const ledger *ledger, const ledger_life *life)
{
    iocp_connection_counters counters;
    const layer_state *state = life->layer.state;
    const iocp_port_config *config = ledger->config;
    if (life->layer.context == NULL || life->over || life->ending != 0 || life->closing || life->aborted || life->broken ||
        life->squeezed || life->layer.refused || may_be_flooded(life) || is_late(ledger, life) || ledger->failure != 0)
        return false;
    if (config->idle_timeout_ns > 0 || config->receive_timeout_ns > 0 || config->send_timeout_ns > 0)
        return false; /* it may be on its way out */
    if (state != NULL && (state->is_open || state->failure != 0 || state->has_ended))
        return false;
    return iocp_connection_counters_get(ledger->worker, life->token, &counters) == 0 &&
           counters.received_bytes > (state != NULL ? state->fed_bytes : 0);
}

bool ledger_layer_waits(const ledger *ledger, const ledger_life *life)
{
    return waits(ledger, life) && !ledger->said_stopping;
}

void ledger_layer_note_waiting(ledger *ledger)
{
    ledger->layers.sleeps = iocp_sim_sleep_count(ledger->sim);
    for (uint32_t i = 0; i < ledger->config->connections_per_worker; i++) {
        ledger_life *life = &ledger->lives[i];
        life->layer.waits = ledger_layer_waits(ledger, life);
        life->layer.waits_at = life->layer.state != NULL ? life->layer.state->fed_bytes : 0;
    }
}

/* A wait does not sleep while one waits for its turn. */
static void check_turn(const ledger *ledger, const ledger_life *life)
{
    const uint64_t fed_bytes = life->layer.state != NULL ? life->layer.state->fed_bytes : 0;
    LEDGER_REQUIRE(ledger,
                   !life->layer.waits || life->layer.waits_at != fed_bytes || !ledger_layer_waits(ledger, life) ||
                       iocp_sim_sleep_count(ledger->sim) == ledger->layers.sleeps,
                   "G7", "a wait slept while a handshake waited for its turn", life->token);
}

/* --- sums --------------------------------------------------------------------------------------------------- */

void ledger_layer_check_step(const ledger *ledger)
{
    for (uint32_t i = 0; i < ledger->config->connections_per_worker; i++) {
        const ledger_life *life = &ledger->lives[i];
        const layer_state *state = life->layer.state;
        check_turn(ledger, life);
        if (state == NULL)
            continue;
        LEDGER_REQUIRE(ledger, state->handed_head == state->handed_tail, "G2", "opened bytes were not handed out",
                       life->token);
        const bool waits = ledger->config->deliver_after_first_bytes && state->context->kind == &layer_accepting;
        LEDGER_REQUIRE(ledger, !state->is_open || life->opened || life->over || waits, "G1",
                       "a layer is open, and OPENED never came", life->token);
    }
}

void ledger_layer_check_stats(const ledger *ledger, const iocp_worker_stats *stats)
{
    const layer_counts *counts = &ledger->layers.counts;
    const uint64_t unopened = counts->connections - counts->opened;
    LEDGER_REQUIRE(ledger, stats->handshakes == counts->opened, "G1", "the stats page misses a handshake", 0);
    LEDGER_REQUIRE(ledger,
                   stats->resumed_handshakes == counts->resumed && stats->old_version_handshakes == counts->old, "G1",
                   "the stats page mistakes a handshake", 0);
    LEDGER_REQUIRE(ledger, stats->failed_handshakes == unopened, "G1", "the stats page misses a handshake that failed", 0);
    LEDGER_REQUIRE(ledger, stats->handshakes_refused_by_peer == counts->refused_by_peer, "G1",
                   "the stats page misses a refusal", 0);
    LEDGER_REQUIRE(ledger, stats->broken_layers == counts->broken, "G1", "the stats page misses a layer that broke", 0);
    LEDGER_REQUIRE(ledger,
                   stats->cut_layers >= counts->closed_cut && stats->cut_layers <= counts->opened - counts->broken, "G1",
                   "the stats page misses a layer that was cut", 0);
    LEDGER_REQUIRE(ledger, stats->timed_out_handshakes >= counts->timed_out && stats->timed_out_handshakes <= unopened,
                   "G1", "the stats page misses a handshake that was late", 0);
}
