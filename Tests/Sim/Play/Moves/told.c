/* What the workers tell of connections that move, and what their kernels see. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moves.h"

bool moves_may_lose(const moves *moves, const moves_life *life)
{
    /* The peer's FIN begins a close, which its peer has to let end in time. */
    return moves->stopped || life->closing || life->broken || life->over || moves->workers[life->worker].failed ||
           (life->by_letters && moves->workers[life->home].failed) ||
           iocp_sim_peer_finished(moves->workers[life->worker].sim, life->here);
}

static moves_place *place_of(moves_worker *worker, iocp_token token)
{
    return &worker->places[iocp_token_slot(token) % MOVES_SLOTS_MAX];
}

/* The slot has a new name. */
static void take_place(moves_place *place, iocp_token token)
{
    if (place->token == token)
        return;
    uint8_t *early = place->early; /* its memory stays */
    *place = (moves_place){.token = token, .early = early};
}

static moves_life *life_here(moves_worker *worker, iocp_token token)
{
    moves_place *place = place_of(worker, token);
    return place->token == token ? place->life : NULL;
}

/* --- the kernels' side ---------------------------------------------------------------------------------------- */

static void violated(void *context, const char *rule, const char *what, iocp_token connection)
{
    moves_violated(((moves_worker *)context)->moves, rule, what, connection);
}

static void named(void *context, iocp_token token, uint32_t stream)
{
    moves_worker *worker = context;
    moves_place *place = place_of(worker, token);
    take_place(place, token);
    MOVES_REQUIRE(worker->moves, place->stream == 0 || place->stream == stream, "G4", "a connection has two sockets", token);
    place->stream = stream;
    if (place->life == NULL)
        return;
    MOVES_REQUIRE(worker->moves, place->life->stream == 0 || place->life->stream == stream, "G4",
                  "a connection that moved has another socket", token);
    place->life->stream = stream;
}

static void take(moves_worker *worker, moves_life *life, const uint8_t *bytes, uint32_t count_bytes)
{
    MOVES_REQUIRE(worker->moves, !life->over, "G4", "bytes were sent behind CLOSED", life->here);
    MOVES_REQUIRE(worker->moves, life->taken_bytes + count_bytes <= life->queued_bytes, "G2",
                  "more bytes were sent than queued", life->here);
    MOVES_REQUIRE(worker->moves,
                  iocp_sim_stream_matches(MOVES_OUT_STREAM + (uint32_t)(life - worker->moves->lives), life->taken_bytes, bytes,
                                          count_bytes),
                  "G2", "other bytes were sent than queued", life->here);
    life->taken_bytes += count_bytes;
}

/* What it brought along leaves with the flush of the wait that tells of its arrival: whose it is, is known a little later. */
static void taken(void *context, iocp_token token, const uint8_t *bytes, uint32_t count_bytes)
{
    moves_worker *worker = context;
    moves_place *place = place_of(worker, token);
    MOVES_REQUIRE(worker->moves, place->token == token, "G4", "bytes were sent of no connection", token);
    if (place->life != NULL) {
        take(worker, place->life, bytes, count_bytes);
        return;
    }
    place->early = realloc(place->early, place->early_bytes + count_bytes);
    if (place->early == NULL)
        exit(2);
    memcpy(place->early + place->early_bytes, bytes, count_bytes);
    place->early_bytes += count_bytes;
}

static void broke(void *context, iocp_token token)
{
    moves_place *place = place_of(context, token);
    if (place->token != token)
        return;
    place->broke = true;
    if (place->life != NULL)
        place->life->broken = true;
}

static void failed(void *context, const char *operation, int error)
{
    moves_worker *worker = context;
    failures_count(&worker->moves->totals->failures, operation, error);
    if (strcmp(operation, "wait") == 0 && error != EINTR)
        worker->failed = true;
}

static void trace(void *context, const char *line)
{
    fprintf(stderr, "  %u: %s\n", ((moves_worker *)context)->index, line);
}

iocp_sim_observer moves_observer(moves_worker *worker)
{
    return (iocp_sim_observer){.context = worker,
                               .violated = violated,
                               .named = named,
                               .taken = taken,
                               .broke = broke,
                               .failed = failed,
                               .trace = worker->moves->tracing ? trace : NULL};
}

/* --- what is told --------------------------------------------------------------------------------------------- */

static void opened(moves_worker *worker, const iocp_completion *completion)
{
    moves *moves = worker->moves;
    moves_place *place = place_of(worker, completion->connection);
    take_place(place, completion->connection);
    MOVES_REQUIRE(moves, place->life == NULL, "G3", "OPENED twice", completion->connection);
    if (moves->life_count == MOVES_LIVES_MAX) { /* more than a run has */
        iocp_abort(worker->worker, completion->connection);
        return;
    }
    moves_life *life = &moves->lives[moves->life_count++];
    *life = (moves_life){.name = completion->connection,
                         .here = completion->connection,
                         .worker = worker->index,
                         .home = worker->index,
                         .stream = place->stream,
                         .broken = place->broke,
                         .opened = true,
                         .by_letters = random_one_in(&moves->random, 3),
                         .key = ++moves->next_key};
    place->life = life;
    iocp_connection_set_key(worker->worker, life->here, life->key);
}

/* Another life of the slot than the ledger's last one ends unseen only where it was one too many. */
static moves_life *living(moves_worker *worker, const iocp_completion *completion)
{
    moves_life *life = life_here(worker, completion->connection);
    if (life == NULL && worker->moves->life_count == MOVES_LIVES_MAX)
        return NULL;
    MOVES_REQUIRE(worker->moves, life != NULL && life->opened, "G4", "a completion of a connection that is not here",
                  completion->connection);
    MOVES_REQUIRE(worker->moves, !life->over, "G3", "a completion after CLOSED", completion->connection);
    MOVES_REQUIRE(worker->moves, !life->leaving, "G8", "a completion between LEAVING and ARRIVED", completion->connection);
    MOVES_REQUIRE(worker->moves, life->worker == worker->index, "G8", "a completion on another worker than its own",
                  completion->connection);
    MOVES_REQUIRE(worker->moves,
                  !life->ends || completion->kind == IOCP_COMPLETION_SENT || completion->kind == IOCP_COMPLETION_CLOSED, "G1",
                  "SENT failed, and its connection goes on", completion->connection);
    return life;
}

static void received(moves_worker *worker, const iocp_completion *completion)
{
    moves_life *life = living(worker, completion);
    if (life != NULL) {
        MOVES_REQUIRE(worker->moves,
                      iocp_sim_stream_matches(life->stream, life->received_bytes, completion->bytes,
                                              (uint32_t)completion->result),
                      "G2", "other bytes were received than sent", completion->connection);
        MOVES_REQUIRE(worker->moves, completion->key == life->key || completion->key == 0, "G4", "another's key",
                      completion->connection);
        life->received_bytes += (uint32_t)completion->result;
    }
    iocp_lease_return(worker->worker, completion->detail);
}

static void drop(void *state)
{
    moves_life *life = state;
    life->dropped = true;
}

static void leaving(moves_worker *worker, const iocp_completion *completion)
{
    moves_life *life = living(worker, completion);
    if (life == NULL)
        return;
    MOVES_REQUIRE(worker->moves, completion->detail < worker->moves->worker_count && completion->detail != worker->index, "G1",
                  "it leaves for where nobody is", completion->connection);
    life->leaving = true;
    MOVES_REQUIRE(worker->moves, !life->kept, "G1", "a connection leaves that is kept", completion->connection);
    MOVES_REQUIRE(worker->moves, iocp_connection_give(worker->worker, life->here, life, drop) == 0, "G1",
                  "what it keeps was not taken", life->here);
    MOVES_REQUIRE(worker->moves, iocp_send(worker->worker, life->here, "late", 4) == -ENOTCONN, "G1",
                  "a send was accepted behind LEAVING", life->here);
}

static void arrived(moves_worker *worker, const iocp_completion *completion)
{
    moves *moves = worker->moves;
    moves_life *life = (moves_life *)(uintptr_t)completion->bytes;
    MOVES_REQUIRE(moves, life != NULL && life->leaving && !life->over && !life->dropped, "G1", "ARRIVED without LEAVING",
                  completion->connection);
    MOVES_REQUIRE(moves, completion->key == life->key, "G4", "another connection's key", completion->connection);
    MOVES_REQUIRE(moves, completion->detail == life->worker, "G1", "it came from elsewhere", completion->connection);
    moves_place *place = place_of(worker, completion->connection);
    take_place(place, completion->connection);
    MOVES_REQUIRE(moves, place->life == NULL || place->life == life, "G4", "it came to another's slot", completion->connection);
    MOVES_REQUIRE(moves, life->stream == 0 || place->stream == 0 || place->stream == life->stream, "G4",
                  "a connection that moved has another socket", completion->connection);
    place->life = life;
    life->broken |= place->broke;
    if (life->stream == 0)
        life->stream = place->stream;
    if (life->worker != worker->index) {
        life->move_count++;
        (*moves->move_count)++;
    }
    life->leaving = false;
    life->worker = worker->index;
    life->here = completion->connection;
    const iocp_token name = iocp_connection_name(worker->worker, life->here);
    life->nameless |= name != life->name;
    MOVES_REQUIRE(moves, name == life->name || name == 0 || moves->stopped || worker->failed, "G4",
                  "a connection that moved lost its name", life->here);
    MOVES_REQUIRE(moves, name == 0 || iocp_connection_here(worker->worker, life->name) == life->here || life->nameless, "G4",
                  "a name is not known here", life->here);
    if (place->early_bytes > 0)
        take(worker, life, place->early, place->early_bytes);
    place->early_bytes = 0;
}

static void sent(moves_worker *worker, const iocp_completion *completion)
{
    moves_life *life = living(worker, completion);
    if (life == NULL)
        return;
    MOVES_REQUIRE(worker->moves, life->mark_head != life->mark_tail, "G1", "SENT was not asked for", life->here);
    const moves_mark mark = life->marks[life->mark_head++ % MOVES_MARKS_MAX];
    MOVES_REQUIRE(worker->moves, mark.key == completion->key, "G1", "SENT out of order", life->here);
    MOVES_REQUIRE(worker->moves, completion->result < 0 || life->taken_bytes >= mark.queued_bytes, "G1",
                  "SENT before its bytes were taken", life->here);
    life->ends = completion->result < 0; /* and CLOSED says why */
}

static void closed(moves_worker *worker, const iocp_completion *completion)
{
    moves_life *life = living(worker, completion);
    if (life == NULL)
        return;
    MOVES_REQUIRE(worker->moves, life->mark_head == life->mark_tail, "G1", "CLOSED before SENT", life->here);
    const bool is_justified =
        completion->detail == IOCP_CLOSE_LOCAL || completion->detail == IOCP_CLOSE_ABORTED ? life->closing
        : completion->detail == IOCP_CLOSE_STOPPED                                        ? worker->said_stopping
        : completion->detail == IOCP_CLOSE_RESET ? life->broken
        : completion->detail == IOCP_CLOSE_FAILED
            ? life->broken || worker->failed || (life->move_count > 0 && completion->result < 0)
            : completion->detail == IOCP_CLOSE_PEER || completion->detail == IOCP_CLOSE_SEND_TIMEOUT;
    MOVES_REQUIRE(worker->moves, is_justified, "G3", "CLOSED with a reason that is not so", life->here);
    life->over = true;
    worker->moves->totals->closed_count++;
}

static void posted(moves_worker *worker, const iocp_completion *completion)
{
    moves *moves = worker->moves;
    if (completion->connection == 0)
        return;
    moves_life *life = &moves->lives[completion->key >> 32];
    /* A home that stops, or hears of the end, opens later ones itself, beside those that it had passed on. */
    const moves_worker *home = &moves->workers[life->home];
    life->unordered |= home->said_stopping || home->failed || life->over || moves->workers[life->worker].failed;
    MOVES_REQUIRE(moves, life->unordered ? life->delivered < life->posted : life->delivered == (uint32_t)completion->key, "G5",
                  "a post was lost, repeated or overtaken", completion->connection);
    life->delivered++;
    const bool is_stale = completion->connection == life->name && (life->over || life->nameless || life->worker != worker->index);
    MOVES_REQUIRE(moves, is_stale || (completion->connection == life->here && life->worker == worker->index), "G5",
                  "a post came to another connection", completion->connection);
    MOVES_REQUIRE(moves, !is_stale || home->failed || moves_may_lose(moves, life), "G5", "a post did not find its connection",
                  completion->connection);
}

static void timer(moves_worker *worker, const iocp_completion *completion)
{
    moves *moves = worker->moves;
    moves_life *life = &moves->lives[completion->key >> 32];
    MOVES_REQUIRE(moves, life->timer != 0 && life->timer_key == completion->key, "G1", "a timer fired twice, or for another",
                  completion->connection);
    life->timer = 0;
    MOVES_REQUIRE(moves, completion->result == 0 || completion->result == -ECANCELED, "G1", "a timer failed",
                  completion->connection);
    if (completion->result == 0)
        MOVES_REQUIRE(moves, life->worker == worker->index && completion->connection == life->here && !life->leaving, "G8",
                      "a timer fired elsewhere than its connection is", completion->connection);
    else
        MOVES_REQUIRE(moves, life->timer_cancelled || moves_may_lose(moves, life) || life->over, "G1",
                      "a timer was cancelled by nobody", completion->connection);
}

static void say(const moves_worker *worker, const iocp_completion *completion)
{
    static const char *const names[] = {"?",     "OPENED", "CONNECT_FAILED", "RECEIVED", "PEER_FINISHED", "SENT",    "WRITABLE",
                                        "CLOSED", "POSTED", "TIMER",          "STOPPING", "UNSENT_FELL",   "LEAVING", "ARRIVED"};
    fprintf(stderr, "%u -> %s %u:%u.%llu key %llu result %d detail %u\n", worker->index, names[completion->kind % 14],
            iocp_token_worker(completion->connection), iocp_token_slot(completion->connection),
            (unsigned long long)iocp_token_generation(completion->connection), (unsigned long long)completion->key,
            completion->result, completion->detail);
}

void moves_told(moves_worker *worker, const iocp_completion *completion)
{
    worker->moves->totals->completion_count++;
    if (worker->moves->tracing)
        say(worker, completion);
    switch (completion->kind) {
    case IOCP_COMPLETION_OPENED:
        opened(worker, completion);
        return;
    case IOCP_COMPLETION_RECEIVED:
        received(worker, completion);
        return;
    case IOCP_COMPLETION_SENT:
        sent(worker, completion);
        return;
    case IOCP_COMPLETION_CLOSED:
        closed(worker, completion);
        return;
    case IOCP_COMPLETION_POSTED:
        posted(worker, completion);
        return;
    case IOCP_COMPLETION_TIMER:
        timer(worker, completion);
        return;
    case IOCP_COMPLETION_STOPPING:
        worker->said_stopping = true;
        return;
    case IOCP_COMPLETION_LEAVING:
        leaving(worker, completion);
        return;
    case IOCP_COMPLETION_ARRIVED:
        arrived(worker, completion);
        return;
    case IOCP_COMPLETION_WRITABLE:
    case IOCP_COMPLETION_UNSENT_FELL:
        (void)living(worker, completion);
        return;
    case IOCP_COMPLETION_CONNECT_FAILED:
    case IOCP_COMPLETION_PEER_FINISHED:
        moves_violated(worker->moves, "G1", "nobody asked for that", completion->connection);
    }
}
