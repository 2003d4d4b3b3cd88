#include "neighbour.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMPLETIONS_MAX = 128, ENDING_TURNS_MAX = 4000 };

#define REQUIRE(neighbour, condition, rule, what, connection) \
    LEDGER_REQUIRE((neighbour)->ledger, condition, rule, what, connection)

/* --- the kernel's side ---------------------------------------------------------------------------------------- */

static void violated(void *context, const char *rule, const char *what, iocp_token connection)
{
    const neighbour *neighbour = context;
    ledger_violated(neighbour->ledger, rule, what, connection);
}

static neighbour_life *life_of(neighbour *neighbour, iocp_token token)
{
    return &neighbour->lives[iocp_token_slot(token) % NEIGHBOUR_LIVES_MAX];
}

static void named(void *context, iocp_token token, uint32_t stream)
{
    neighbour *neighbour = context;
    neighbour_life *life = life_of(neighbour, token);
    REQUIRE(neighbour, life->token != token || life->stream == 0, "G4", "a neighbour's connection has two sockets", token);
    REQUIRE(neighbour, life->token == token || !life->opened || life->over, "G4",
            "a neighbour's slot was taken over before its end", token);
    if (life->token != token) /* else OPENED came before the first operation */
        *life = (neighbour_life){.token = token};
    life->stream = stream;
}

static void failed(void *context, const char *operation, int error)
{
    neighbour *neighbour = context;
    failures_count(&neighbour->ledger->failures, operation, error);
    if (strcmp(operation, "wait") == 0 && error != EINTR)
        neighbour->ended = true;
}

static void trace(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "      neighbour: %s\n", line);
}

/* --- turns ---------------------------------------------------------------------------------------------------- */

static void received(neighbour *neighbour, const iocp_completion *completion)
{
    const uint32_t count_bytes = (uint32_t)completion->result;
    neighbour_life *life = life_of(neighbour, completion->connection);
    REQUIRE(neighbour, life->token == completion->connection && !life->over, "G3",
            "a neighbour received outside of a connection's life", completion->connection);
    REQUIRE(neighbour,
            iocp_sim_stream_matches(life->stream, life->received_bytes, completion->bytes, count_bytes), "G2",
            "a neighbour received other bytes than its peer sent", completion->connection);
    life->received_bytes += count_bytes;
    iocp_lease_return(neighbour->worker, completion->detail);
    switch (random_below(&neighbour->random, 16)) {
    case 0:
        iocp_close(neighbour->worker, completion->connection);
        return;
    case 1:
        iocp_abort(neighbour->worker, completion->connection);
        return;
    case 2:
    case 3:
        (void)iocp_send(neighbour->worker, completion->connection, "hello", 5);
        return;
    default:
        return;
    }
}

static void react(neighbour *neighbour, const iocp_completion *completion)
{
    neighbour_life *life = life_of(neighbour, completion->connection);
    const bool is_its = life->token == completion->connection;
    switch (completion->kind) {
    case IOCP_COMPLETION_OPENED:
        if (!is_its) /* no operation has named it yet */
            *life = (neighbour_life){.token = completion->connection};
        REQUIRE(neighbour, !life->opened, "G3", "a neighbour's connection opened twice", completion->connection);
        life->opened = true;
        return;
    case IOCP_COMPLETION_RECEIVED:
        received(neighbour, completion);
        return;
    case IOCP_COMPLETION_CLOSED:
        REQUIRE(neighbour, is_its && life->opened && !life->over, "G3", "a neighbour's connection closed twice",
                completion->connection);
        life->over = true;
        return;
    case IOCP_COMPLETION_PEER_FINISHED:
        iocp_close(neighbour->worker, completion->connection);
        return;
    default:
        return;
    }
}

/* Every connection may end, so that its table is not full for ever. */
static void act(neighbour *neighbour)
{
    const neighbour_life *life = &neighbour->lives[random_below(&neighbour->random, NEIGHBOUR_LIVES_MAX)];
    if (life->opened && !life->over && random_one_in(&neighbour->random, 4))
        iocp_close(neighbour->worker, life->token);
}

static int turn(neighbour *neighbour, uint64_t timeout_ns)
{
    iocp_completion completions[COMPLETIONS_MAX];
    iocp_sim_use(neighbour->sim);
    act(neighbour);
    const int count = iocp_worker_wait(neighbour->worker, completions, COMPLETIONS_MAX, timeout_ns);
    for (int i = 0; i < count; i++)
        react(neighbour, &completions[i]);
    iocp_sim_use(neighbour->first);
    return count;
}

void neighbour_turn(neighbour *neighbour)
{
    if (neighbour->sim == NULL || neighbour->rests || neighbour->ended)
        return;
    if (neighbour->stalls_for == 0 && !neighbour->is_calm && random_one_in(&neighbour->random, 32))
        neighbour->stalls_for = random_below(&neighbour->random, 40);
    if (neighbour->stalls_for > 0) { /* its handler takes long, and its mailbox may be full */
        neighbour->stalls_for--;
        (void)iocp_port_post(neighbour->port, 1, 0, 0);
        return;
    }
    const int count = turn(neighbour, random_magnitude(&neighbour->random, 1 << 20) * UINT64_C(1000));
    neighbour->ended |= count < 0 && count != -ETIME && count != -EINTR;
}

/* --- beginning and end ---------------------------------------------------------------------------------------- */

void neighbour_open(neighbour *neighbour, ledger *ledger, iocp_port *port, uint64_t seed)
{
    const iocp_sim_observer observer = {.context = neighbour,
                                        .violated = violated,
                                        .named = named,
                                        .failed = failed,
                                        .trace = ledger->tracing ? trace : NULL};
    iocp_failure failure;
    neighbour->ledger = ledger;
    neighbour->port = port;
    neighbour->first = (iocp_sim *)ledger->sim;
    neighbour->random = (sim_random){seed, NULL};
    neighbour->sim = iocp_sim_create_beside(neighbour->first, seed, &observer);
    if (neighbour->sim == NULL)
        exit(2);
    iocp_sim_use(neighbour->sim);
    REQUIRE(neighbour, iocp_port_attach(port, &neighbour->worker, &failure) == 0, "G6", "a second worker was refused", 0);
    iocp_sim_use(neighbour->first);
}

bool neighbour_sends_nothing(const neighbour *neighbour)
{
    if (neighbour->sim == NULL)
        return true;
    const iocp_worker_stats first = iocp_port_stats(neighbour->port, 0);
    return iocp_port_stats(neighbour->port, 1).moves_out == first.moves_in + first.moves_lost;
}

void neighbour_calm(neighbour *neighbour, bool clear)
{
    if (neighbour->sim == NULL)
        return;
    iocp_sim_stop_clients(neighbour->sim);
    neighbour->is_calm = true;
    neighbour->stalls_for = 0;
    if (clear)
        iocp_sim_clear(neighbour->sim);
}

static void check_end(const neighbour *neighbour)
{
    const iocp_worker_holdings held = iocp_worker_hold(neighbour->worker);
    const iocp_worker_stats stats = iocp_port_stats(neighbour->port, 1);
    for (uint32_t i = 0; i < NEIGHBOUR_LIVES_MAX; i++)
        REQUIRE(neighbour, !neighbour->lives[i].opened || neighbour->lives[i].over, "G3",
                "a neighbour's connection never closed", neighbour->lives[i].token);
    REQUIRE(neighbour, held.connections == 0 && held.leases == 0 && held.driver_handles == 0, "G6",
            "a neighbour holds something at its end", 0);
    REQUIRE(neighbour, stats.closed == stats.accepted, "G3", "the stats page misses a neighbour's connection", 0);
}

void neighbour_close(neighbour *neighbour)
{
    if (neighbour->sim == NULL)
        return;
    const bool in_order = !neighbour->ended && random_one_in(&neighbour->random, 2);
    iocp_sim_use(neighbour->sim);
    if (in_order) {
        iocp_sim_clear(neighbour->sim);
        iocp_worker_leave(neighbour->worker, UINT64_C(1000000000));
        int count = 0;
        for (uint32_t i = 0; i < ENDING_TURNS_MAX && count != -ECANCELED && !neighbour->ended; i++)
            count = turn(neighbour, UINT64_C(100000000));
        REQUIRE(neighbour, count == -ECANCELED || neighbour->ended, "G7", "a neighbour's stop never ends", 0);
        if (count == -ECANCELED)
            check_end(neighbour);
    }
    iocp_sim_use(neighbour->sim);
    iocp_worker_close(neighbour->worker);
    iocp_sim_use(neighbour->first);
}
