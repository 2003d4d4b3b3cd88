/* A run of connections that move: workers take turns at random, and the application asks for all that it may. */
#include "moves.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_MAX = 64,
    SEND_BYTES_MAX = 40000,
    SETTLING_TURNS_MAX = 6000,
    ENDING_TURNS_MAX = 20000,
    QUIET_TURNS = 6,
};

static const uint64_t MILLISECOND = UINT64_C(1000000);

_Noreturn void moves_violated(const moves *moves, const char *rule, const char *what, iocp_token connection)
{
    fprintf(stderr, "seed %llu: %s broken: %s (connection %u:%u.%llu)\n", (unsigned long long)moves->seed, rule, what,
            iocp_token_worker(connection), iocp_token_slot(connection),
            (unsigned long long)iocp_token_generation(connection));
    exit(1);
}

/* --- what the application does -------------------------------------------------------------------------------- */

static moves_life *any_life(moves *moves, const moves_worker *worker)
{
    const uint32_t lately = moves->life_count < 64 ? moves->life_count : 64;
    for (uint32_t i = 0; i < 8 && lately > 0; i++) {
        moves_life *life = &moves->lives[moves->life_count - 1 - random_below(&moves->random, lately)];
        if (!life->over && !life->leaving && (worker == NULL || life->worker == worker->index))
            return life;
    }
    return NULL;
}

static uint32_t out_stream(const moves *moves, const moves_life *life)
{
    return MOVES_OUT_STREAM + (uint32_t)(life - moves->lives);
}

static void send_here(moves *moves, moves_worker *worker, moves_life *life)
{
    uint8_t bytes[SEND_BYTES_MAX];
    const uint32_t count = 1 + random_magnitude(&moves->random, SEND_BYTES_MAX - 1);
    iocp_sim_stream_copy(out_stream(moves, life), life->queued_bytes, bytes, count);
    const iocp_token token = random_one_in(&moves->random, 2) && !life->nameless ? life->name : life->here;
    if (iocp_send(worker->worker, token, bytes, count) == 0)
        life->queued_bytes += count;
}

static void send_letter(moves *moves, moves_life *life)
{
    const uint32_t count = 1 + random_magnitude(&moves->random, SEND_BYTES_MAX - 1);
    iocp_shared_bytes *shared = iocp_shared_bytes_create(count);
    if (shared == NULL)
        exit(2);
    iocp_sim_stream_copy(out_stream(moves, life), life->queued_bytes, iocp_shared_bytes_start(shared), count);
    if (iocp_port_send(moves->port, life->name, shared) == 0)
        life->queued_bytes += count;
    iocp_shared_bytes_release(shared);
}

static void post(moves *moves, moves_life *life)
{
    const uint64_t value = (uint64_t)(life - moves->lives) << 32 | (uint32_t)life->posted;
    if (iocp_port_post(moves->port, life->home, life->name, value) == 0)
        life->posted++;
}

static void notify(moves *moves, moves_worker *worker, moves_life *life)
{
    if (life->mark_tail - life->mark_head == MOVES_MARKS_MAX || life->by_letters)
        return;
    const uint64_t key = ++moves->next_key;
    if (iocp_send_notify(worker->worker, life->here, key) == 0)
        life->marks[life->mark_tail++ % MOVES_MARKS_MAX] = (moves_mark){.key = key, .queued_bytes = life->queued_bytes};
}

static void use_timer(moves *moves, moves_worker *worker, moves_life *life)
{
    if (life->timer != 0) {
        if (random_one_in(&moves->random, 3) && iocp_timer_cancel(worker->worker, life->timer) == 0)
            life->timer_cancelled = true;
        return;
    }
    const uint64_t key = (uint64_t)(life - moves->lives) << 32 | (uint32_t)++moves->next_key;
    const uint64_t delay_ns = random_magnitude(&moves->random, 1000) * MILLISECOND / 10;
    if (iocp_timer_start(worker->worker, life->here, delay_ns, key, &life->timer) < 0)
        life->timer = 0;
    life->timer_key = key;
    life->timer_cancelled = false;
}

static void move(moves *moves, moves_worker *worker, moves_life *life)
{
    const uint32_t target = random_below(&moves->random, moves->worker_count);
    const int result = iocp_connection_move(worker->worker, life->here, target);
    switch (result) {
    case 0:
    case -ENOTCONN:
    case -EAGAIN:
    case -EALREADY:
    case -EBUSY:
    case -EOPNOTSUPP:
    case -ESHUTDOWN:
        return;
    default:
        moves_violated(moves, "G6", "a move answered with no known error", life->here);
    }
}

static void end_somehow(moves *moves, moves_worker *worker, moves_life *life)
{
    const int result = random_one_in(&moves->random, 3) ? iocp_abort(worker->worker, life->here)
                                                        : iocp_close(worker->worker, life->here);
    if (result == 0)
        life->closing = true;
}

static void pause_or_resume(moves *moves, moves_worker *worker, moves_life *life)
{
    const bool pauses = !life->paused && random_one_in(&moves->random, 2);
    const int result = pauses ? iocp_receive_pause(worker->worker, life->here) : iocp_receive_resume(worker->worker, life->here);
    if (result == 0)
        life->paused = pauses;
}

/* Something here needs it, for a while: a move that was asked for comes to nothing. */
static void keep_or_not(moves_worker *worker, moves_life *life)
{
    if (iocp_connection_keep(worker->worker, life->here, !life->kept) == 0)
        life->kept = !life->kept;
}

static void act(moves *moves, moves_worker *worker)
{
    moves_life *life = any_life(moves, worker);
    if (life == NULL)
        return;
    switch (random_below(&moves->random, 16)) {
    case 0:
        if (random_one_in(&moves->random, 4))
            end_somehow(moves, worker, life);
        return;
    case 1:
        if (random_one_in(&moves->random, 2))
            keep_or_not(worker, life);
        else
            pause_or_resume(moves, worker, life);
        return;
    case 2:
        use_timer(moves, worker, life);
        return;
    case 3:
        notify(moves, worker, life);
        return;
    case 4:
    case 5:
    case 6:
        if (!life->by_letters)
            send_here(moves, worker, life);
        return;
    default:
        move(moves, worker, life);
        return;
    }
}

/* Another thread: it knows names alone. */
static void act_elsewhere(moves *moves)
{
    for (uint32_t left = random_below(&moves->random, 4); left > 0; left--) {
        moves_life *life = any_life(moves, NULL);
        if (life == NULL)
            return;
        if (life->by_letters && random_one_in(&moves->random, 2))
            send_letter(moves, life);
        else
            post(moves, life);
    }
}

/* --- turns ---------------------------------------------------------------------------------------------------- */

static int wait_once(moves *moves, moves_worker *worker, uint64_t timeout_ns)
{
    iocp_completion completions[BATCH_MAX];
    const uint32_t capacity =
        IOCP_WAIT_CAPACITY_MIN + random_below(&moves->random, BATCH_MAX - IOCP_WAIT_CAPACITY_MIN + 1);
    const int count = iocp_worker_wait(worker->worker, completions, capacity, timeout_ns);
    for (int i = 0; i < count; i++)
        moves_told(worker, &completions[i]);
    worker->ended |= count < 0 && count != -ETIME && count != -EINTR;
    return count;
}

static int turn(moves *moves, moves_worker *worker)
{
    if (worker->worker == NULL || worker->ended)
        return -ECANCELED;
    if (worker->stalls_for > 0) {
        worker->stalls_for--;
        return -ETIME;
    }
    if (!moves->calm && random_one_in(&moves->random, 32))
        worker->stalls_for = random_below(&moves->random, 60);
    iocp_sim_use(worker->sim);
    if (!moves->calm && random_one_in(&moves->random, 64)) {
        worker->takes_part = !worker->takes_part;
        iocp_worker_take_part_in_moves(worker->worker, worker->takes_part);
    }
    for (uint32_t left = moves->calm ? 0 : random_below(&moves->random, 6); left > 0; left--)
        act(moves, worker);
    /* It must not sleep for what others are to bring: they take their turns on the same thread. */
    const uint64_t timeout_ns = moves->calm ? MILLISECOND : random_magnitude(&moves->random, 1 << 20) * UINT64_C(1000);
    return wait_once(moves, worker, timeout_ns);
}

static moves_worker *any_worker(moves *moves)
{
    return &moves->workers[random_below(&moves->random, moves->worker_count)];
}

static void live(moves *moves, uint32_t turn_count)
{
    for (uint32_t i = 0; i < turn_count; i++) {
        act_elsewhere(moves);
        turn(moves, any_worker(moves));
    }
}

/* --- ends ----------------------------------------------------------------------------------------------------- */

/* What is still on its way to the application, or NULL. */
static const char *owed(const moves *moves, iocp_token *connection)
{
    for (uint32_t i = 0; i < moves->life_count; i++) {
        const moves_life *life = &moves->lives[i];
        *connection = life->here;
        if (life->delivered < life->posted && !moves->workers[life->home].failed && !moves->workers[life->worker].failed)
            return "a post never comes";
        if (life->over || moves->workers[life->worker].failed)
            continue;
        if (life->leaving)
            return "a connection that left never arrives";
        if (life->ends)
            return "SENT failed, and CLOSED never comes";
        if (moves_may_lose(moves, life))
            continue;
        if (life->taken_bytes < life->queued_bytes)
            return "bytes stay unsent for ever";
        if (life->mark_head != life->mark_tail)
            return "SENT never comes";
        if (!iocp_sim_connection_settled(moves->workers[life->worker].sim, life->here) && !life->paused)
            return "bytes never arrive";
    }
    return NULL;
}

static void resume_all(moves *moves)
{
    for (uint32_t i = 0; i < moves->life_count; i++) {
        moves_life *life = &moves->lives[i];
        moves_worker *worker = &moves->workers[life->worker];
        if (life->over || life->leaving || !life->paused || worker->ended)
            continue;
        iocp_sim_use(worker->sim);
        if (iocp_receive_resume(worker->worker, life->here) == 0)
            life->paused = false;
    }
}

static void settle(moves *moves)
{
    moves->calm = true;
    for (uint32_t i = 0; i < moves->worker_count; i++) {
        iocp_sim_clear(moves->workers[i].sim);
        moves->workers[i].stalls_for = 0;
    }
    const char *what = NULL;
    iocp_token connection = 0;
    uint32_t quiet = 0;
    for (uint32_t i = 0; i < SETTLING_TURNS_MAX && quiet < QUIET_TURNS; i++) {
        resume_all(moves);
        bool is_quiet = true;
        for (uint32_t j = 0; j < moves->worker_count; j++)
            is_quiet &= turn(moves, &moves->workers[j]) < 0;
        what = owed(moves, &connection);
        quiet = is_quiet && what == NULL ? quiet + 1 : 0;
    }
    if (quiet < QUIET_TURNS)
        moves_violated(moves, "G2", what != NULL ? what : "the workers are never quiet", connection);
}

static void check_end(const moves *moves)
{
    uint64_t opened = 0, closed = 0, in = 0, out = 0;
    bool failed = false;
    for (uint32_t i = 0; i < moves->worker_count; i++) {
        const iocp_worker_stats stats = iocp_port_stats(moves->port, i);
        const iocp_worker_holdings held = iocp_worker_hold(moves->workers[i].worker);
        failed |= moves->workers[i].failed;
        opened += stats.accepted;
        closed += stats.closed;
        in += stats.migrated_in;
        out += stats.migrated_out;
        MOVES_REQUIRE(moves, held.connections == 0 && held.driver_handles == 0 && held.send_nodes == 0 && held.leases == 0, "G6",
                      "a worker holds something at its end", i);
        MOVES_REQUIRE(moves, stats.connections == 0, "G3", "the stats page misses a connection", i);
    }
    MOVES_REQUIRE(moves, opened == closed && in == out, "G3", "a connection is gone, or was counted twice", 0);
    for (uint32_t i = 0; i < moves->life_count; i++) {
        const moves_life *life = &moves->lives[i];
        MOVES_REQUIRE(moves, life->over && !life->leaving, "G3", "CLOSED never came", life->here);
        MOVES_REQUIRE(moves, life->delivered == life->posted || failed, "G5", "a post was lost", life->here);
        MOVES_REQUIRE(moves, life->timer == 0, "G1", "a timer never ended", life->here);
        MOVES_REQUIRE(moves, !life->dropped, "G1", "what was given was let go", life->here);
    }
}

/* The port stops; or its workers leave, one after the other. */
static void stop(moves *moves)
{
    const bool together = random_one_in(&moves->random, 2);
    if (together) {
        moves->stopped = true;
        iocp_port_stop(moves->port, random_magnitude(&moves->random, 4000) * MILLISECOND);
    }
    uint32_t leaves = 0;
    for (uint32_t i = 0; i < ENDING_TURNS_MAX; i++) {
        if (!together && leaves < moves->worker_count && random_one_in(&moves->random, 8)) {
            moves_worker *worker = &moves->workers[leaves++];
            moves->stopped = true;
            iocp_sim_use(worker->sim);
            iocp_worker_leave(worker->worker, random_magnitude(&moves->random, 4000) * MILLISECOND);
        }
        moves->calm |= i > ENDING_TURNS_MAX / 8;
        if (!moves->calm)
            act_elsewhere(moves);
        bool all_ended = leaves == moves->worker_count || together;
        turn(moves, any_worker(moves));
        for (uint32_t j = 0; j < moves->worker_count; j++) {
            if (i > ENDING_TURNS_MAX / 2)
                iocp_sim_clear(moves->workers[j].sim);
            all_ended &= moves->workers[j].ended;
        }
        if (all_ended) {
            check_end(moves);
            return;
        }
    }
    moves_violated(moves, "G7", "a stop never ends", 0);
}

/* --- a run ---------------------------------------------------------------------------------------------------- */

static iocp_port_config draw_config(sim_random *random)
{
    iocp_port_config config = iocp_port_config_default();
    config.driver = IOCP_DRIVER_SIM;
    config.worker_count = 2 + random_below(random, MOVES_WORKERS_MAX - 1);
    config.connections_per_worker = 12 + random_below(random, 40);
    config.receive_buffer_bytes = 4096;
    config.receive_buffers_per_worker = 8u << random_below(random, 3);
    config.send_chunks_per_worker = 512;
    config.completion_queue_entries = 64;
    config.mailbox_entries = 16u << random_below(random, 4);
    config.listen_backlog = 1 + random_below(random, 6);
    config.linger_timeout_ns = (1 + random_magnitude(random, 4000)) * MILLISECOND;
    config.send_cap_bytes = 1 << 24;
    config.send_high_bytes = 1 << 20;
    config.send_low_bytes = 1 << 19;
    config.worker_unsent_bytes = UINT64_C(1) << 32;
    config.overflow_policy = IOCP_OVERFLOW_REFUSE;
    config.timers_per_worker = 64;
    config.holds_back_receive = random_one_in(random, 2);
    config.worker_placement = IOCP_PLACE_UNBOUND;
    config.placement = random_one_in(random, 2) ? IOCP_PLACEMENT_LEAST_LOADED : IOCP_PLACEMENT_KERNEL_HASH;
    return config;
}

static void require(const moves *moves, int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "seed %llu: %s: %s\n", (unsigned long long)moves->seed, what, strerror(-result));
    exit(2);
}

static void open_port(moves *moves)
{
    iocp_failure failure = {0};
    const bool whole_buffers = random_one_in(&moves->random, 3);
    for (uint32_t i = 0; i < moves->worker_count; i++) {
        moves_worker *worker = &moves->workers[i];
        *worker = (moves_worker){.moves = moves, .index = i, .takes_part = true};
        const iocp_sim_observer observer = moves_observer(worker);
        const uint64_t seed = random_next(&moves->random);
        worker->sim = i == 0 ? iocp_sim_create(seed, whole_buffers, &observer)
                             : iocp_sim_create_beside(moves->workers[0].sim, seed, &observer);
        require(moves, worker->sim != NULL ? 0 : -ENOMEM, "the sim");
    }
    iocp_sim_use(moves->workers[0].sim);
    require(moves, iocp_port_create(&moves->config, &moves->port, &failure), "iocp_port_create");
    for (uint32_t i = 0; i < moves->worker_count; i++) {
        iocp_sim_use(moves->workers[i].sim);
        require(moves, iocp_port_attach(moves->port, &moves->workers[i].worker, &failure), "iocp_port_attach");
        iocp_worker_take_part_in_moves(moves->workers[i].worker, true);
    }
    const iocp_address any = {.bytes = {127, 0, 0, 1}};
    iocp_address bound;
    iocp_sim_use(moves->workers[0].sim);
    require(moves, iocp_port_listen(moves->port, &any, &bound, &failure), "iocp_port_listen");
}

/* In any order, at any time: what is on its way is given up, and nothing is told of it. */
static void close_port(moves *moves)
{
    const uint32_t first = random_below(&moves->random, moves->worker_count);
    for (uint32_t i = 0; i < moves->worker_count; i++) {
        moves_worker *worker = &moves->workers[(first + i) % moves->worker_count];
        iocp_sim_use(worker->sim);
        iocp_worker_close(worker->worker);
        worker->worker = NULL;
    }
    for (uint32_t i = 0; i < moves->life_count; i++)
        MOVES_REQUIRE(moves, !moves->lives[i].leaving || moves->lives[i].dropped, "G1", "what was given was never released",
                      moves->lives[i].here);
    iocp_port_destroy(moves->port);
    iocp_sim_use(NULL);
    for (uint32_t i = moves->worker_count; i > 0; i--) {
        for (uint32_t j = 0; j < MOVES_SLOTS_MAX; j++)
            free(moves->workers[i - 1].places[j].early);
        moves->totals->event_count += iocp_sim_event_count(moves->workers[i - 1].sim);
        iocp_sim_destroy(moves->workers[i - 1].sim);
    }
}

void moves_run(uint64_t seed, bool tracing, scenario_totals *totals, uint64_t *move_count)
{
    static moves moves; /* kept from run to run for its memory */
    moves.seed = seed;
    moves.tracing = tracing;
    moves.random = (sim_random){seed * UINT64_C(0x9e3779b97f4a7c15) + 77, NULL};
    moves.stopped = moves.calm = false;
    moves.life_count = 0;
    moves.totals = totals;
    moves.move_count = move_count;
    moves.config = draw_config(&moves.random);
    moves.worker_count = moves.config.worker_count;
    open_port(&moves);
    live(&moves, 100 + random_below(&moves.random, 600));
    const uint32_t ending = random_below(&moves.random, 4);
    if (ending == 1)
        settle(&moves);
    if (ending < 3) {
        moves.calm = false;
        stop(&moves);
    }
    close_port(&moves);
    totals->seed_count++;
}
