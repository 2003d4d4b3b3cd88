#include "neighbour.h"
#include "scenario.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "application.h"
#include "ledger.h"

enum {
    BATCH_MAX = 64,
    ENDING_TURNS_MAX = 20000,
    SETTLING_TURNS_MAX = 4000,
    LIVELY_TURNS_MAX = 500,
    DRAINING_TURNS_MAX = 200,
    FLOOD_TURNS = 24,
    SETTLED_TURNS = 8,
    PROBES = 8,
    DEAF_TURNS = 40
};

typedef struct scenario scenario;

/* How a scenario ends. */
typedef enum scenario_ending {
    CLOSES_ALL = 0,
    STOPS = 1,
    SETTLES_AND_CLOSES = 2,
    SETTLES_AND_STOPS = 3,
    WALKS_AWAY = 4, /* closes the worker with everything open */
    ENDING_COUNT = 5,
} scenario_ending;

struct scenario {
    ledger *ledger;
    iocp_sim *sim;
    iocp_port *port;
    iocp_worker *worker;
    iocp_port_config config;
    uint64_t seed;
    sim_input input;
    application application;
    neighbour neighbour;
};

/* --- drawing a scenario ------------------------------------------------------------------------------------- */

static uint64_t milliseconds(uint64_t count)
{
    return count * UINT64_C(1000000);
}

/* Small enough that every table, queue and buffer runs full now and then. */
static iocp_port_config draw_config(sim_random *random)
{
    iocp_port_config config = iocp_port_config_default();
    config.driver = IOCP_DRIVER_SIM;
    config.worker_count = 1;
    /* Now and then more than one flush services. */
    config.connections_per_worker =
        random_one_in(random, 8) ? 40 + random_below(random, 24) : 2 + random_below(random, 15);
    config.receive_buffer_bytes = 4096;
    config.receive_buffers_per_worker = 2u << random_below(random, 4);
    config.send_chunks_per_worker = 4 + random_below(random, 12);
    config.completion_queue_entries = 64;
    config.mailbox_entries = 16;
    config.listen_backlog = 1 + random_below(random, 6);
    config.linger_timeout_ns = milliseconds(1 + random_magnitude(random, 4000));
    config.send_cap_bytes = 1 + random_magnitude(random, 1 << 18);
    config.send_high_bytes = 1 + random_below(random, config.send_cap_bytes);
    config.send_low_bytes = random_below(random, config.send_high_bytes);
    config.worker_unsent_bytes = config.send_high_bytes + random_magnitude(random, 1 << 20);
    config.overflow_policy = random_one_in(random, 4) ? IOCP_OVERFLOW_CLOSE : IOCP_OVERFLOW_REFUSE;
    if (random_one_in(random, 2)) {
        config.send_cap_bytes = 1 << 24;
        config.send_high_bytes = 1 << 20;
        config.send_low_bytes = 1 << 19;
        config.worker_unsent_bytes = 1 << 28;
    }
    if (random_one_in(random, 6))
        config.idle_timeout_ns = milliseconds(1 + random_magnitude(random, 2000));
    if (random_one_in(random, 6))
        config.receive_timeout_ns = milliseconds(1 + random_magnitude(random, 2000));
    if (random_one_in(random, 6))
        config.send_timeout_ns = milliseconds(1 + random_magnitude(random, 2000));
    config.timers_per_worker = 1 + random_below(random, LEDGER_TIMERS_MAX);
    if (random_one_in(random, 4))
        config.connections_per_address = 1 + random_below(random, 4);
    if (random_one_in(random, 8))
        config.accepts_per_second = 1 + random_magnitude(random, 10000);
    if (random_one_in(random, 4))
        config.spin_ns = 1 + random_magnitude(random, 1 << 20);
    config.holds_back_receive = random_one_in(random, 2);
    config.half_close = random_one_in(random, 2);
    config.deliver_after_first_bytes = random_one_in(random, 4);
    config.worker_placement = IOCP_PLACE_UNBOUND;
    return config;
}

static application_habits draw_habits(sim_random *random)
{
    return (application_habits){
        .act_most = 1 + random_below(random, 10),
        .keep = random_below(random, 8),
        .echo_lease = random_below(random, 8),
        .echo_copy = random_below(random, 8),
        .notify = random_below(random, 8),
        .close = random_magnitude(random, 48),
        .pause = random_magnitude(random, 48),
        .listen = random_one_in(random, 2) ? random_below(random, 64) : 0,
        .terms = random_magnitude(random, 64),
        .send_bytes_max = 1u << random_below(random, 16),
    };
}

/* --- opening and closing ------------------------------------------------------------------------------------ */

static void require(const scenario *scenario, int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "seed %llu: %s: %s\n", (unsigned long long)scenario->ledger->seed, what, strerror(-result));
    exit(2);
}

static void meanwhile(void *context)
{
    application *application = &((ledger *)context)->scenario->application;
    if (random_one_in(&application->random, 8))
        neighbour_turn(&((ledger *)context)->scenario->neighbour);
    if (random_below(&application->random, 256) < application->habits.listen && !application->posts_no_more)
        application_use_listeners(application);
    else
        application_post(application);
}

static bool choose(void *context, uint32_t bound, uint32_t *choice)
{
    return input_choose(&((ledger *)context)->scenario->input, bound, choice);
}

static void scenario_open(scenario *scenario, ledger *ledger, uint64_t seed, sim_random *random)
{
    scenario->ledger = ledger;
    ledger->scenario = scenario;
    scenario->config = draw_config(random);
    ledger->config = &scenario->config;
    layers_begin(&ledger->layers, ledger, scenario->seed, random->input);
    /* Peers that speak are known to one ledger alone. */
    const bool has_neighbour = random->input == NULL && !ledger->layers.played && random_one_in(random, 2);
    if (has_neighbour) {
        scenario->config.worker_count = 2;
        scenario->config.placement = IOCP_PLACEMENT_LEAST_LOADED;
        /* So many that some are kept for clients of the other one. */
        scenario->config.connections_per_worker = 20 + random_below(random, 44);
    }
    iocp_sim_observer observer = ledger_observer(ledger);
    observer.meanwhile = meanwhile;
    observer.choose = random->input != NULL ? choose : NULL;
    const bool whole_buffers = random_one_in(random, 3);
    ledger->whole_buffers = whole_buffers;
    scenario->sim = iocp_sim_create(seed, whole_buffers, &observer);
    require(scenario, scenario->sim != NULL ? 0 : -ENOMEM, "the sim");
    ledger->sim = scenario->sim;
    iocp_sim_use(scenario->sim);

    iocp_failure failure = {0};
    require(scenario, iocp_port_create(&scenario->config, &scenario->port, &failure), "iocp_port_create");
    scenario->application = (application){.port = scenario->port,
                                          .ledger = ledger,
                                          .random = {random_next(random), random->input},
                                          .habits = draw_habits(random),
                                          .shared = iocp_shared_bytes_create(APPLICATION_SHARED_BYTES),
                                          .next_key = 1,
                                          .next_post = 1};
    require(scenario, scenario->application.shared != NULL ? 0 : -ENOMEM, "shared bytes");
    const bool listens_first = random_one_in(random, 2);
    if (listens_first)
        application_listen(&scenario->application);
    LEDGER_REQUIRE(ledger, iocp_port_post(scenario->port, 0, 0, 1) == -ENXIO, "G5",
                   "a post was accepted that no worker is there for", 0);
    require(scenario, iocp_port_attach(scenario->port, &scenario->worker, &failure), "iocp_port_attach");
    scenario->application.worker = scenario->worker;
    if (!listens_first)
        application_listen(&scenario->application);
    ledger->worker = scenario->worker;
    if (has_neighbour)
        neighbour_open(&scenario->neighbour, ledger, scenario->port, random_next(random));
    ledger->has_neighbour = has_neighbour;
    ledger->opened_ns = iocp_worker_now_ns(scenario->worker);

    iocp_sim_stream_copy(APPLICATION_SHARED_STREAM, 0, iocp_shared_bytes_start(scenario->application.shared),
                         APPLICATION_SHARED_BYTES);
}

/* Who walks away may have kept leases: they are returned at last when the worker is closed, or the port is given up. */
static void scenario_close(scenario *scenario)
{
    const bool neighbour_first = random_one_in(&scenario->application.random, 2);
    if (neighbour_first)
        neighbour_close(&scenario->neighbour);
    iocp_worker_close(scenario->worker);
    if (!neighbour_first)
        neighbour_close(&scenario->neighbour);
    LEDGER_REQUIRE(scenario->ledger, !scenario->application.has_job, "G5", "a job was lost", 0);
    application_ends_administering(&scenario->application);
    application_after_close(&scenario->application);
    if (random_one_in(&scenario->application.random, 2))
        application_return_leases(&scenario->application);
    iocp_port_destroy(scenario->port);
    if (ledger_lent_count(scenario->ledger) > 0)
        application_after_close(&scenario->application);
    application_return_leases(&scenario->application);
    layers_end(&scenario->ledger->layers);
    iocp_sim_use(NULL);
    if (scenario->neighbour.sim != NULL)
        iocp_sim_destroy(scenario->neighbour.sim);
    iocp_sim_destroy(scenario->sim);
    iocp_shared_bytes_release(scenario->application.shared);
}

/* --- turns -------------------------------------------------------------------------------------------------- */

/* One wait. Returns what it returned. */
static int turn(scenario *scenario, uint64_t timeout_ns)
{
    application *application = &scenario->application;
    iocp_completion completions[BATCH_MAX];
    const uint32_t capacity =
        IOCP_WAIT_CAPACITY_MIN + random_below(&application->random, BATCH_MAX - IOCP_WAIT_CAPACITY_MIN + 1);
    neighbour_turn(&scenario->neighbour);
    ledger_note_pressure(scenario->ledger);
    ledger_layer_note_waiting(scenario->ledger);
    scenario->ledger->closed_lately = 0;
    const bool interrupted = random_one_in(&application->random, 32);
    if (interrupted)
        iocp_port_interrupt(application->port, 0);
    const uint64_t sleeps = iocp_sim_sleep_count(scenario->ledger->sim);
    const uint64_t enters = interrupted ? iocp_port_stats(application->port, 0).enters : 0;
    const int count = iocp_worker_wait(scenario->worker, completions, capacity, timeout_ns);
    LEDGER_REQUIRE(scenario->ledger, !interrupted || iocp_sim_sleep_count(scenario->ledger->sim) == sleeps, "G5",
                   "a wait slept behind an interrupt", 0);
    LEDGER_REQUIRE(scenario->ledger, !interrupted || iocp_port_stats(application->port, 0).enters <= enters + 1, "G5",
                   "a wait went on behind an interrupt", 0);
    for (int i = 0; i < count; i++) {
        ledger_completed(scenario->ledger, &completions[i]);
        application_react(application, &completions[i]);
    }
    scenario->ledger->quiet_count += count < 0;
    if (count < 0 && count != -ETIME && count != -EINTR && count != -ECANCELED && count != -scenario->ledger->failure)
        ledger_violated(scenario->ledger, "G1", "a wait failed", 0);
    ledger_check_step(scenario->ledger);
    return count;
}

/* Without limit only while somebody may still post: otherwise nothing might ever come. */
static uint64_t any_timeout(application *application)
{
    switch (random_below(&application->random, 4)) {
    case 0:
        return 0;
    case 1:
        return application->posts_no_more ? milliseconds(10000) : UINT64_MAX;
    default:
        return (uint64_t)random_magnitude(&application->random, 1 << 20) * 1000;
    }
}

static void live(scenario *scenario, uint32_t turn_count)
{
    application *application = &scenario->application;
    for (uint32_t i = 0; i < turn_count && scenario->ledger->failure == 0; i++) {
        application_act(application);
        turn(scenario, any_timeout(application));
    }
}

/* Turns until the reader has nothing unsent; false when it is none any more. */
static bool drain(scenario *scenario, const ledger_life *reader)
{
    for (uint32_t i = 0; i < DRAINING_TURNS_MAX; i++) {
        if (!application_reads(&scenario->application, reader))
            return false;
        if (iocp_connection_unsent_bytes(scenario->worker, reader->token) == 0)
            return true;
        turn(scenario, milliseconds(1));
        application_return_leases(&scenario->application);
    }
    ledger_violated(scenario->ledger, "G6", "bytes of a peer that reads do not leave", reader->token);
}

/* Nobody reads but one, everybody is sent to: that one is served all the same. */
static void dam(scenario *scenario)
{
    application *application = &scenario->application;
    ledger_life *reader = application_choose_reader(application);
    if (reader == NULL)
        return;
    iocp_sim_dam(scenario->sim, reader->token);
    scenario->neighbour.rests = true;
    application->posts_no_more = true;
    application_return_leases(application);
    if (!drain(scenario, reader))
        return;
    for (uint32_t i = 0; i < FLOOD_TURNS; i++) {
        application_flood(application, reader);
        turn(scenario, milliseconds(1));
        application_return_leases(application);
    }
    application->replies_no_more = true;         /* others that keep up may use the reserve, too */
    for (uint32_t i = 0; i < SETTLED_TURNS; i++) /* what was submitted last came short, or is gone */
        turn(scenario, milliseconds(1));
    for (uint32_t i = 0; i < PROBES && drain(scenario, reader); i++)
        application_send_as_reader(application, reader);
    application->replies_no_more = false;
    application->posts_no_more = false;
}

/* Clear weather, and everything that is on its way arrives. */
static void settle(scenario *scenario)
{
    iocp_token connection = 0;
    const char *owed = NULL;
    scenario->application.posts_no_more = true;
    iocp_sim_clear(scenario->sim);
    neighbour_calm(&scenario->neighbour, true);
    uint32_t quiet = 0;
    for (uint32_t i = 0; i < SETTLING_TURNS_MAX && (quiet < 3 || i <= DEAF_TURNS); i++) {
        application_return_leases(&scenario->application);
        if (i >= DEAF_TURNS) {
            application_resume_all(&scenario->application);
            application_resume_listeners(&scenario->application);
        }
        application_give_up_unlimited(&scenario->application);
        const int count = turn(scenario, milliseconds(1));
        ledger_check_deaf(scenario->ledger);
        owed = ledger_owed(scenario->ledger, &connection);
        if (owed == NULL && !iocp_sim_settled(scenario->sim, &connection))
            owed = "bytes never arrive";
        if (owed == NULL && ledger_owes_clients(scenario->ledger))
            owed = "a client waits for ever";
        quiet = count < 0 && owed == NULL ? quiet + 1 : 0;
        if (quiet >= 3)
            ledger_check_listeners(scenario->ledger);
    }
    if (quiet < 3)
        ledger_violated(scenario->ledger, "G2", owed != NULL ? owed : "the worker is never quiet", connection);
}

/* What a wait returns after everything. */
static int end_result(const ledger *ledger)
{
    return ledger->failure != 0 ? -ledger->failure : -ECANCELED;
}

static void stop(scenario *scenario)
{
    application *application = &scenario->application;
    ledger *ledger = scenario->ledger;
    application->posts_no_more = false;
    application_post(application);
    application_stop(application);
    int count = 0;
    for (uint32_t i = 0; i < ENDING_TURNS_MAX && count != end_result(ledger); i++) {
        /* Posts without end would keep the clock from ever coming to the end of the drain. */
        application->posts_no_more = i > LIVELY_TURNS_MAX;
        if (random_one_in(&application->random, 64))
            application_stop(application); /* again: it can only end sooner */
        application_act(application);
        if (random_one_in(&application->random, 2))
            application_return_leases(application);
        count = turn(scenario, any_timeout(application));
    }
    LEDGER_REQUIRE(ledger, count == end_result(ledger), "G7", "a stop never ends", 0);
    LEDGER_REQUIRE(ledger, turn(scenario, UINT64_MAX) == end_result(ledger), "G5",
                   "something came after the end of a stop", 0);
    application_return_leases(application);
    ledger_check_end(ledger);
}

static void close_all(scenario *scenario)
{
    application *application = &scenario->application;
    application->posts_no_more = true;
    iocp_sim_stop_clients(scenario->sim);
    neighbour_calm(&scenario->neighbour, false);
    scenario->neighbour.rests = true; /* what it has handed over arrives */
    if (random_one_in(&application->random, 2))
        application_stop_listening(application);
    for (uint32_t i = 0; i < ENDING_TURNS_MAX; i++) {
        /* A peer that reads some bytes at a time, through a kernel short of memory, may go on for longer than this plays. */
        if (i == ENDING_TURNS_MAX / 2)
            iocp_sim_clear(scenario->sim);
        application_close_all(application);
        application_return_leases(application);
        application_cancel_timers(application);
        turn(scenario, any_timeout(application));
        if (scenario->ledger->failure != 0) {
            stop(scenario);
            return;
        }
        const iocp_worker_holdings held = iocp_worker_hold(scenario->worker);
        if (held.connections == 0 && held.driver_handles == 0 && held.deadlines <= ledger_endpoints(scenario->ledger) &&
            scenario->ledger->post_head == scenario->ledger->post_tail && neighbour_sends_nothing(&scenario->neighbour))
            break;
    }
    application_return_leases(application);
    /* What the last wait could not hand out any more. */
    for (uint32_t i = 0; i < 2; i++)
        turn(scenario, 0);
    application_return_leases(application);
    ledger_check_end(scenario->ledger);
}

/* --- a run -------------------------------------------------------------------------------------------------- */

void scenario_run(const scenario_source *source, scenario_totals *totals)
{
    static ledger entries; /* kept from run to run for its memory */
    scenario scenario = {.input = {source->input, source->input_bytes}};
    const uint64_t seed = source->input != NULL ? input_seed(&scenario.input) : source->seed;
    scenario.seed = seed;
    sim_random random = {seed * UINT64_C(0x9e3779b97f4a7c15) + 1, source->input != NULL ? &scenario.input : NULL};
    ledger_reset(&entries, seed);
    entries.tracing = source->tracing;
    entries.traps = source->traps;
    scenario_open(&scenario, &entries, random_next(&random), &random);

    live(&scenario, 20 + random_below(&random, 120));
    if (random_one_in(&random, 4))
        dam(&scenario);
    scenario.neighbour.rests = false;
    const scenario_ending ending = random_below(&random, ENDING_COUNT);
    if (ending != WALKS_AWAY) {
        const bool failed = entries.failure != 0;
        if (!failed && (ending == SETTLES_AND_CLOSES || ending == SETTLES_AND_STOPS))
            settle(&scenario);
        /* A connection that is held back until its first bytes, or its layer's end, has no name yet by which it could be
         * closed. */
        if (failed || ending == STOPS || ending == SETTLES_AND_STOPS || scenario.config.deliver_after_first_bytes ||
            layers_wait_for_ever(&entries.layers))
            stop(&scenario);
        else
            close_all(&scenario);
    }
    totals->seed_count++;
    totals->completion_count += entries.completion_count;
    totals->event_count += iocp_sim_event_count(scenario.sim);
    totals->closed_count += entries.closed_count;
    failures_add(&totals->failures, &entries.failures);
    scenario_close(&scenario);
}
