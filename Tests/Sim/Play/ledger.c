#include "ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ledger_violated(const ledger *ledger, const char *rule, const char *what, iocp_token connection)
{
    char line[256];
    const int count =
        snprintf(line, sizeof line, "seed %llu: %s broken: %s (connection %u.%llu)\n", (unsigned long long)ledger->seed,
                 rule, what, iocp_token_slot(connection), (unsigned long long)iocp_token_generation(connection));
    (void)!write(STDERR_FILENO, line, (size_t)count);
    if (ledger->traps)
        abort();
    _exit(1);
}

/* --- lives -------------------------------------------------------------------------------------------------- */

static void life_begin(ledger_life *life, iocp_token token)
{
    ledger_life begun = {.token = token,
                         .stretches = life->stretches,
                         .stretch_capacity = life->stretch_capacity,
                         .notifies = life->notifies,
                         .notify_capacity = life->notify_capacity,
                         .former_order = life->over_order};
    *life = begun;
}

/* A name that comes back too early would be found by what was meant for the life before (G4). */
static void enter_name(ledger *ledger, iocp_token token)
{
    iocp_token *names = ledger->names[iocp_token_slot(token)];
    for (uint32_t i = 0; i < LEDGER_NAMES; i++)
        LEDGER_REQUIRE(ledger, names[i] != token, "G4", "a name came back too early", token);
    memmove(&names[1], &names[0], (LEDGER_NAMES - 1) * sizeof *names);
    names[0] = token;
}

void ledger_reset(ledger *ledger, uint64_t seed)
{
    for (uint32_t i = 0; i < LEDGER_SLOTS_MAX; i++)
        life_begin(&ledger->lives[i], 0);
    for (uint32_t i = 0; i < LEDGER_SLOTS_MAX; i++)
        ledger->lives[i].over_order = ledger->lives[i].former_order = 0;
    memset(ledger->names, 0, sizeof ledger->names);
    ledger->over_count = 0;
    memset(ledger->timers, 0, sizeof ledger->timers);
    memset(&ledger->failures, 0, sizeof ledger->failures);
    ledger->seed = seed;
    ledger->worker = NULL;
    ledger->has_neighbour = false;
    ledger->lease_count = 0;
    ledger->post_head = 0;
    ledger->post_tail = 0;
    ledger->stopped = false;
    ledger->said_stopping = false;
    ledger->posts_before_stop = 0;
    ledger->drained_ns = UINT64_MAX;
    ledger->listener_count = 0;
    ledger->closed_lately = 0;
    ledger->connect_count = 0;
    ledger->failure = 0;
    ledger->unasked = false;
    ledger->quiet_count = 0;
    ledger->completion_count = 0;
    ledger->closed_count = 0;
}

ledger_life *ledger_life_of(ledger *ledger, iocp_token token)
{
    const uint32_t slot = iocp_token_slot(token);
    LEDGER_REQUIRE(ledger, token != 0 && slot < LEDGER_SLOTS_MAX, "G4", "a name that is no connection's", token);
    ledger_life *life = &ledger->lives[slot];
    if (life->token == token)
        return life;
    LEDGER_REQUIRE(ledger, life->over || (!life->opened && !life->connecting), "G3",
                   "a slot has a new connection, and the former was not closed", life->token);
    life_begin(life, token);
    enter_name(ledger, token);
    return life;
}

bool ledger_may_be_back(const ledger *ledger, iocp_token token)
{
    const uint32_t slot = iocp_token_slot(token);
    if (ledger->lives[slot].token == token)
        return !ledger->lives[slot].over;
    for (uint32_t i = 0; i < LEDGER_NAMES; i++)
        if (ledger->names[slot][i] == token)
            return false;
    return true;
}

void ledger_life_ends(ledger *ledger, ledger_life *life)
{
    life->over = true;
    life->over_order = ++ledger->over_count;
}

void ledger_check_turn(const ledger *ledger, const ledger_life *life)
{
    /* Before its first bytes a connection ends unseen; a client that is held or refused for its address has a slot
     * unseen; one that connects takes its slot before what was accepted in the same batch is seen here. */
    if (ledger->has_neighbour || ledger->config->deliver_after_first_bytes || ledger->config->connections_per_address > 0 ||
        life->former_order == 0 || iocp_sim_accepted_with(ledger->sim, life->token) == 0)
        return;
    for (uint32_t i = 0; i < ledger->config->connections_per_worker; i++) {
        const ledger_life *other = &ledger->lives[i];
        LEDGER_REQUIRE(ledger, !other->over || other->over_order > life->former_order, "G4",
                       "a slot was taken out of its turn", life->token);
    }
}

ledger_life *ledger_find(ledger *ledger, iocp_token token)
{
    ledger_life *life = &ledger->lives[iocp_token_slot(token) % LEDGER_SLOTS_MAX];
    return life->token == token ? life : NULL;
}

/* --- what was asked ----------------------------------------------------------------------------------------- */

static void *grown(void *entries, uint32_t *capacity, size_t size)
{
    *capacity = *capacity > 0 ? *capacity * 2 : 16;
    entries = realloc(entries, *capacity * size);
    if (entries == NULL)
        abort();
    return entries;
}

bool ledger_may_end(const ledger *ledger, const ledger_life *life)
{
    const iocp_port_config *config = ledger->config;
    if (life->closing || life->aborted || life->doomed || life->broken || life->overflowed || life->squeezed ||
        life->ending > IOCP_SIM_FIN || ledger->failure != 0)
        return true;
    if (life->taken_bytes < life->lent_bytes || ledger_layer_may_end(ledger, life))
        return true;
    if (life->timeouts.idle_ns > 0 || life->timeouts.receive_ns > 0 || life->timeouts.send_ns > 0)
        return true;
    /* The peer's FIN begins a close, too, which its peer has to let end in time. */
    return !config->half_close && iocp_sim_now_ns(ledger->sim) - life->opened_ns >= config->linger_timeout_ns;
}

bool ledger_may_lose(const ledger *ledger, const ledger_life *life)
{
    return ledger->said_stopping || ledger_may_end(ledger, life);
}

void ledger_closes(const ledger *ledger, ledger_life *life)
{
    life->closing = true;
    life->closing_ns = iocp_worker_now_ns(ledger->worker);
    life->closing_quiet_count = ledger->quiet_count;
}

void ledger_queue(ledger *ledger, ledger_life *life, uint32_t stream, uint64_t position, uint32_t count_bytes)
{
    LEDGER_REQUIRE(ledger, !life->over && !life->closing && !life->aborted && !life->finishing, "G4",
                   "a send was accepted that had to be refused", life->token);
    if (count_bytes == 0)
        return;
    if (life->stretch_head == life->stretch_count)
        life->stretch_head = life->stretch_count = 0;
    if (life->stretch_count == life->stretch_capacity)
        life->stretches = grown(life->stretches, &life->stretch_capacity, sizeof *life->stretches);
    life->stretches[life->stretch_count++] =
        (ledger_stretch){.stream = stream, .position = position, .count_bytes = count_bytes};
    if (life->layer.context == NULL)
        life->queued_bytes += count_bytes; /* a layer tells what it writes */
}

void ledger_notify_asked(ledger_life *life, uint64_t key)
{
    if (life->notify_head == life->notify_count)
        life->notify_head = life->notify_count = 0;
    if (life->notify_count == life->notify_capacity)
        life->notifies = grown(life->notifies, &life->notify_capacity, sizeof *life->notifies);
    life->notifies[life->notify_count++] = (ledger_notify){.key = key, .queued_bytes = life->queued_bytes};
}

void ledger_press(ledger_life *life)
{
    life->pressed = true;
    life->press_count++;
}

void ledger_notice_asked(ledger_life *life, uint32_t below_bytes, uint64_t key)
{
    life->notices[life->notice_count++] =
        (ledger_notice){.key = key, .queued_bytes = life->queued_bytes, .below_bytes = below_bytes};
}

ledger_lease ledger_lease_take(ledger *ledger, uint32_t index)
{
    const ledger_lease lease = ledger->leases[index];
    LEDGER_REQUIRE(ledger, iocp_sim_stream_matches(lease.stream, lease.position, lease.bytes, lease.count_bytes), "G9",
                   "lent bytes changed", 0);
    ledger->leases[index] = ledger->leases[--ledger->lease_count];
    return lease;
}

void ledger_stop_asked(ledger *ledger, uint64_t drained_ns)
{
    if (!ledger->stopped)
        ledger->posts_before_stop = ledger->post_tail;
    ledger->stopped = true;
    if (drained_ns < ledger->drained_ns)
        ledger->drained_ns = drained_ns;
}

void ledger_post_accepted(ledger *ledger, uint64_t value)
{
    LEDGER_REQUIRE(ledger, ledger->post_tail - ledger->post_head < LEDGER_POSTS_MAX, "G6",
                   "a mailbox took more than it has room for", 0);
    ledger->posted_ns[ledger->post_tail % LEDGER_POSTS_MAX] = iocp_sim_now_ns(ledger->sim);
    ledger->posts[ledger->post_tail++ % LEDGER_POSTS_MAX] = value;
}

void ledger_timer_started(ledger *ledger, uint32_t index, iocp_timer timer, uint64_t due_ns, bool bound)
{
    ledger->timers[index] = (ledger_timer){.timer = timer, .due_ns = due_ns, .armed = true, .bound = bound};
}

/* --- sums --------------------------------------------------------------------------------------------------- */

void ledger_check_deaf(ledger *ledger)
{
    enum { PROMPT = 12 };
    for (uint32_t i = 0; i < ledger->config->connections_per_worker; i++) {
        ledger_life *life = &ledger->lives[i];
        const bool deaf = life->opened && !life->over && life->paused && life->broken && !life->closing &&
                          !life->aborted && !iocp_sim_peer_finished(ledger->sim, life->token);
        life->deaf_count = deaf ? life->deaf_count + 1 : 0;
        LEDGER_REQUIRE(ledger, life->deaf_count < PROMPT, "G3", "a paused connection does not hear of a reset",
                       life->token);
    }
}

/* Unsent bytes may touch the reserve when so many of them are queued, or in so many pieces: each keeps one chunk at
 * most, or two of the connection's own once it moved. */
void ledger_note_pressure(ledger *ledger)
{
    enum { CHUNKS_OF_A_PIECE = 2, RESERVE_SHARE = 4 };
    const iocp_port_config *config = ledger->config;
    uint64_t unsent_bytes = 0;
    for (uint32_t i = 0; i < config->connections_per_worker; i++)
        unsent_bytes += iocp_connection_unsent_bytes(ledger->worker, ledger->lives[i].token);
    if (iocp_worker_hold(ledger->worker).send_nodes * CHUNKS_OF_A_PIECE <=
            config->send_chunks_per_worker - config->send_chunks_per_worker / RESERVE_SHARE &&
        unsent_bytes <= config->worker_unsent_bytes - config->worker_unsent_bytes / RESERVE_SHARE)
        return;
    for (uint32_t i = 0; i < config->connections_per_worker; i++) {
        ledger_life *life = &ledger->lives[i];
        life->squeezed |= iocp_connection_unsent_bytes(ledger->worker, life->token) > 0;
    }
}

uint32_t ledger_lent_count(const ledger *ledger)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < ledger->lease_count; i++)
        count += ledger->leases[i].id != IOCP_LEASE_NONE;
    return count;
}

void ledger_check_step(const ledger *ledger)
{
    const iocp_worker_holdings held = iocp_worker_hold(ledger->worker);
    uint32_t open_count = 0;
    for (uint32_t i = 0; i < ledger->config->connections_per_worker; i++) {
        const ledger_life *life = &ledger->lives[i];
        open_count += life->connecting || (life->opened && !life->over);
        if (!life->opened || life->over)
            continue;
        const uint64_t unsent_bytes = iocp_connection_unsent_bytes(ledger->worker, life->token);
        /* What the kernel took is known to the worker a little later. A connection that closes has dropped all. */
        LEDGER_REQUIRE(ledger, unsent_bytes <= life->queued_bytes, "G2", "more unsent bytes than were queued",
                       life->token);
        LEDGER_REQUIRE(ledger, ledger_may_lose(ledger, life) || unsent_bytes >= life->queued_bytes - life->taken_bytes,
                       "G2", "queued bytes were forgotten", life->token);
    }
    /* Far more than a few turns take, and far less than a worker sleeps that nobody wakes. */
    const uint64_t late_ns = UINT64_C(10000000000);
    LEDGER_REQUIRE(ledger,
                   ledger->post_head == ledger->post_tail ||
                       iocp_sim_now_ns(ledger->sim) < ledger->posted_ns[ledger->post_head % LEDGER_POSTS_MAX] + late_ns,
                   "G5", "a post did not wake the worker", 0);
    LEDGER_REQUIRE(ledger, held.connections >= open_count || ledger->failure != 0, "G3",
                   "a connection is gone that was not closed", 0);
    LEDGER_REQUIRE(ledger, held.connections <= ledger->config->connections_per_worker, "G6", "too many connections", 0);
    LEDGER_REQUIRE(ledger, held.leases >= ledger_lent_count(ledger), "G9", "a lease is gone that was not returned", 0);
    if (ledger->has_neighbour) {
        const iocp_worker_stats stats = iocp_port_stats(iocp_worker_port(ledger->worker), 0);
        LEDGER_REQUIRE(ledger,
                       stats.moves_lost == 0 || ledger->stopped || ledger->failure != 0 ||
                           iocp_sim_now_ns(ledger->sim) > ledger->opened_ns + late_ns,
                       "G1", "a client that was handed over was let go", 0);
    }
    ledger_layer_check_step(ledger);
}

/* What ended or was refused has one reason. */
static void require_reasons(const ledger *ledger, const iocp_worker_stats *stats)
{
    const uint64_t closed = stats->closed_here + stats->closed_by_peer + stats->reset + stats->aborted +
                            stats->closed_by_stop + stats->idle_timeouts + stats->receive_timeouts +
                            stats->send_timeouts + stats->overflows + stats->failed + stats->closed_by_layer;
    LEDGER_REQUIRE(ledger, stats->closed == closed, "G3", "the page has another number of closed than of reasons", 0);
    const uint64_t refused =
        stats->refused_over_address_limit + stats->refused_unknown_address + stats->refused_by_stop;
    LEDGER_REQUIRE(ledger, stats->refused_addresses == refused, "G6", "a client was refused without a reason", 0);
    const uint64_t failed = stats->accepts_out_of_descriptors + stats->accepts_out_of_memory +
                            stats->accepts_out_of_slots + stats->accepts_failed_otherwise;
    LEDGER_REQUIRE(ledger, stats->accept_failures == failed, "G6", "an accept failed without a reason", 0);
    LEDGER_REQUIRE(ledger, stats->delayed_accepts == stats->delays_by_rate + stats->delays_by_full_table, "G6",
                   "accepting paused without a reason", 0);
    const uint64_t sends = stats->sends_over_cap + stats->sends_over_worker_cap + stats->sends_out_of_memory +
                           stats->sends_squeezed_out;
    LEDGER_REQUIRE(ledger, stats->refused_sends == sends, "G6", "a send was refused without a reason", 0);
}

const char *ledger_owed(const ledger *ledger, iocp_token *connection)
{
    for (uint32_t i = 0; i < ledger->config->connections_per_worker; i++) {
        const ledger_life *life = &ledger->lives[i];
        *connection = life->token;
        /* One that failed in its layer ends as a connection does, which waits for its peer's FIN. */
        if (life->connecting && !(life->layer.context != NULL && life->ending != 0))
            return "a connect never ends";
        if (ledger_layer_waits(ledger, life))
            return "a handshake never takes its turn";
        if (!life->opened || life->over || life->broken || life->closing || life->aborted || life->overflowed ||
            ledger_layer_may_end(ledger, life))
            continue;
        if (life->taken_bytes < life->queued_bytes)
            return "bytes stay unsent for ever";
        if (life->notify_head < life->notify_count)
            return "SENT never comes";
        /* A peer's END begins a close as its FIN does, and may stand long before it. */
        if (life->pressed && !(ledger_layer_has_ended(life) && !ledger->config->half_close))
            return "WRITABLE never comes";
        if (life->notice_count > 0)
            return "UNSENT_FELL never comes";
    }
    *connection = 0;
    return ledger->post_head < ledger->post_tail ? "a post never comes" : NULL;
}

void ledger_check_end(const ledger *ledger)
{
    const iocp_worker_holdings held = iocp_worker_hold(ledger->worker);
    for (uint32_t i = 0; i < LEDGER_SLOTS_MAX; i++) {
        const ledger_life *life = &ledger->lives[i];
        LEDGER_REQUIRE(ledger, (!life->opened && !life->connecting) || life->over, "G3", "CLOSED never came",
                       life->token);
    }
    for (uint32_t i = 0; i < LEDGER_TIMERS_MAX; i++)
        LEDGER_REQUIRE(ledger, !ledger->timers[i].armed, "G1", "a timer never ended", 0);
    LEDGER_REQUIRE(ledger, ledger->post_head == ledger->post_tail, "G5", "a post was lost", 0);
    LEDGER_REQUIRE(ledger, ledger->said_stopping == ledger->stopped || ledger->failure != 0, "G7",
                   "STOPPING never came", 0);
    LEDGER_REQUIRE(ledger, held.connections == 0, "G6", "slots are still held", 0);
    LEDGER_REQUIRE(ledger, held.leases == 0, "G6", "leases are still held", 0);
    LEDGER_REQUIRE(ledger, held.send_nodes == 0, "G6", "send nodes are still held", 0);
    LEDGER_REQUIRE(ledger, held.send_chunks == 0, "G6", "send chunks are still held", 0);
    LEDGER_REQUIRE(ledger, held.driver_handles == 0, "G6", "sockets are still held", 0);
    const iocp_worker_stats stats = iocp_port_stats(iocp_worker_port(ledger->worker), 0);
    LEDGER_REQUIRE(ledger, stats.connections == 0 && stats.closed == stats.accepted + stats.connected, "G3",
                   "the stats page misses a connection", 0);
    ledger_layer_check_stats(ledger, &stats);
    /* Near a full table a connect may take the slot that a multishot accept has just found a client for; or the last ones are
     * promised to clients of a neighbour. */
    LEDGER_REQUIRE(ledger,
                   (ledger->has_neighbour ? stats.accepts_out_of_slots : 0) + stats.accepted + stats.refused_addresses + stats.moves_out + ledger->connect_count >=
                           iocp_sim_clients_accepted(ledger->sim) + stats.moves_in ||
                       ledger->failure != 0,
                   "G1", "a client was accepted and let go", 0);
    /* A second's accepts at the start, and then by time. */
    const uint64_t rate = ledger->config->accepts_per_second;
    const uint64_t passed_ns = iocp_sim_now_ns(ledger->sim) - ledger->opened_ns;
    LEDGER_REQUIRE(ledger, rate == 0 || stats.accepted + stats.moves_out <= stats.moves_in + rate + rate * passed_ns / 1000000000, "G6",
                   "more clients were accepted than the rate allows", 0);
    require_reasons(ledger, &stats);
    LEDGER_REQUIRE(ledger, stats.completions == ledger->completion_count, "G1", "the stats page misses a completion",
                   0);
    /* Listeners may be backing off. */
    LEDGER_REQUIRE(ledger, held.deadlines <= ledger_endpoints(ledger), "G6", "deadlines are still armed", 0);
}
