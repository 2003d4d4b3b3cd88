#include "application.h"

#include <errno.h>
#include <stddef.h>

/* --- choosing ----------------------------------------------------------------------------------------------- */

ledger_life *application_any_open(application *application)
{
    ledger *ledger = application->ledger;
    const uint32_t count = ledger->config->connections_per_worker;
    const uint32_t first = random_below(&application->random, count);
    for (uint32_t i = 0; i < count; i++) {
        ledger_life *life = &ledger->lives[(first + i) % count];
        if (life->opened && !life->over)
            return life;
    }
    return NULL;
}

/* --- other calls -------------------------------------------------------------------------------------------- */

static void close_one(application *application, ledger_life *life)
{
    const ledger *ledger = application->ledger;
    const bool ended = life->closing || life->aborted;
    if (iocp_close(application->worker, life->token) == 0) {
        LEDGER_REQUIRE(ledger, !ended && !life->over, "G4", "a close was accepted after the end", life->token);
        ledger_closes(application->ledger, life);
    }
}

static void abort_one(application *application, ledger_life *life)
{
    if (iocp_abort(application->worker, life->token) == 0) {
        LEDGER_REQUIRE(application->ledger, !life->aborted && !life->over, "G4", "an abort was accepted after the end",
                       life->token);
        life->aborted = true;
    }
}

static void finish_one(application *application, ledger_life *life)
{
    if (iocp_finish_sending(application->worker, life->token) == 0) {
        LEDGER_REQUIRE(application->ledger, !life->closing && !life->aborted && !life->over, "G4",
                       "a FIN was accepted after the end", life->token);
        life->finishing = true;
    }
}

void application_end_somehow(application *application, ledger_life *life)
{
    switch (random_below(&application->random, 4)) {
    case 0:
    case 1:
        close_one(application, life);
        return;
    case 2:
        abort_one(application, life);
        return;
    default:
        finish_one(application, life);
        return;
    }
}

static void pause_or_resume(application *application, ledger_life *life)
{
    if (random_one_in(&application->random, 2)) {
        if (iocp_receive_pause(application->worker, life->token) == 0)
            life->paused = true;
    } else if (iocp_receive_resume(application->worker, life->token) == 0) {
        life->paused = false;
    }
}

static void give_up(application *application, ledger_life *life)
{
    const ledger *ledger = application->ledger;
    if (iocp_connect_cancel(application->worker, life->token) == 0) {
        LEDGER_REQUIRE(ledger, life->connecting && !life->closing, "G4", "a connect was given up after its end",
                       life->token);
        life->given_up = true;
        life->closing = true;
    }
}

static int begin_connect(application *application, const iocp_address *address, uint64_t timeout_ns, uint64_t key,
                         iocp_token *token)
{
    layers *layers = &application->ledger->layers;
    layers->connecting = layers_choose(layers, true);
    if (layers->connecting == NULL)
        return iocp_connect_within(application->worker, address, NULL, timeout_ns, key, token);
    const iocp_endpoint endpoint = iocp_endpoint_tcp(address);
    const iocp_layer layer = layer_of(layers->connecting);
    const int result = iocp_connect_layered(application->worker, &endpoint, NULL, &layer, timeout_ns, key, token);
    layers->connecting = NULL;
    return result;
}

static void connect_one(application *application)
{
    const iocp_address address = {.bytes = {127, 0, 0, 1}};
    const uint64_t key = application->next_key++;
    const bool limited = random_one_in(&application->random, 2);
    const uint64_t timeout_ns = limited ? (1 + (uint64_t)random_magnitude(&application->random, 2000)) * 1000000 : 0;
    const uint64_t due_ns = limited ? iocp_sim_now_ns(application->ledger->sim) + timeout_ns : 0;
    iocp_token token = 0;
    if (begin_connect(application, &address, timeout_ns, key, &token) < 0)
        return;
    ledger_life *life = ledger_life_of(application->ledger, token);
    application->ledger->connect_count++;
    life->connecting = true;
    life->key = key;
    life->connect_due_ns = due_ns;
    if (random_one_in(&application->random, 8))
        close_one(application, life);
    else if (random_one_in(&application->random, 8))
        give_up(application, life);
}

/* Questions: their answers fit the ledger. */
static void ask(application *application, const ledger_life *life)
{
    const ledger *ledger = application->ledger;
    iocp_connection_counters counters;
    iocp_address address;
    if (iocp_connection_counters_get(application->worker, life->token, &counters) == 0)
        LEDGER_REQUIRE(ledger, counters.received_bytes >= life->received_bytes && counters.sent_bytes <= life->taken_bytes,
                       "G2", "the counters do not count", life->token);
    const int result = iocp_connection_peer(application->worker, life->token, &address);
    LEDGER_REQUIRE(ledger, result == 0 || result == -ENOTCONN || result == -EBUSY || result == -EAGAIN || result == -ENOBUFS, "G6",
                   "a question answered with no known error", life->token);
}

/* Names of connections that ended: nothing answers to them. */
static void try_stale(application *application)
{
    const ledger *ledger = application->ledger;
    iocp_worker *worker = application->worker;
    if (application->stale_count == 0)
        return;
    const uint32_t known =
        application->stale_count < APPLICATION_STALE_MAX ? application->stale_count : APPLICATION_STALE_MAX;
    const iocp_token token = application->stale[random_below(&application->random, known)];
    if (IOCP_TOKEN_GENERATION_BITS < 8 && ledger_may_be_back(ledger, token))
        return;
    const uint8_t byte = 0;
    iocp_address address;
    int result = -ENOTCONN;
    switch (random_below(&application->random, 15)) {
    case 8:
        result = iocp_connect_cancel(worker, token);
        break;
    case 0:
        result = iocp_send(worker, token, &byte, 1);
        break;
    case 1:
        result = iocp_close(worker, token);
        break;
    case 2:
        result = iocp_abort(worker, token);
        break;
    case 3:
        result = iocp_finish_sending(worker, token);
        break;
    case 4:
        result = iocp_receive_pause(worker, token);
        break;
    case 5:
        result = iocp_send_notify(worker, token, 1);
        break;
    case 6:
        result = iocp_connection_peer(worker, token, &address);
        break;
    case 7:
        result = iocp_connection_set_key(worker, token, 1);
        break;
    case 9:
        result = iocp_notify_unsent(worker, token, 1, 1);
        break;
    case 10:
        result = iocp_connection_hold_back(worker, token, true);
        break;
    case 11:
        result = iocp_connection_set_marks(worker, token, &(iocp_send_marks){0, 1, 1});
        break;
    case 12:
        result = iocp_send_parts(worker, token, &(iocp_send_part){&byte, 1}, 1);
        break;
    case 13:
        result = iocp_draft_open(worker, token);
        break;
    default:
        result = iocp_connection_unsent_bytes(worker, token) == 0 && !iocp_connection_is_open(worker, token) ? -ENOTCONN : 0;
        break;
    }
    LEDGER_REQUIRE(ledger, result == -ENOTCONN, "G4", "a name of a connection that ended was accepted", token);
}

/* A connection whose layer is not open is nobody's yet, whoever knows its name. */
static void try_unopened(application *application)
{
    ledger *ledger = application->ledger;
    iocp_worker *worker = application->worker;
    const uint32_t index = random_below(&ledger->layers.random, ledger->config->connections_per_worker);
    const ledger_life *life = &ledger->lives[index];
    if (life->layer.context == NULL || life->opened || life->over ||
        (life->layer.state != NULL && life->layer.state->is_open))
        return;
    const bool refused = iocp_send(worker, life->token, "x", 1) == -ENOTCONN &&
                         iocp_send_notify(worker, life->token, 1) == -ENOTCONN &&
                         iocp_draft_open(worker, life->token) == -ENOTCONN &&
                         iocp_finish_sending(worker, life->token) == -ENOTCONN &&
                         iocp_receive_pause(worker, life->token) == -ENOTCONN &&
                         !iocp_connection_is_open(worker, life->token);
    LEDGER_REQUIRE(ledger, refused, "G4", "a connection could be used before its layer was open", life->token);
}

static void use_timer(application *application)
{
    ledger *ledger = application->ledger;
    const uint32_t index = random_below(&application->random, LEDGER_TIMERS_MAX);
    ledger_timer *timer = &ledger->timers[index];
    if (!timer->armed && timer->timer != 0 && random_one_in(&application->random, 2)) {
        LEDGER_REQUIRE(ledger, iocp_timer_cancel(application->worker, timer->timer) == -ENOENT, "G4",
                       "the name of a timer that ended was accepted", 0);
        return;
    }
    if (timer->armed) {
        if (!timer->cancelled && iocp_timer_cancel(application->worker, timer->timer) == 0)
            timer->cancelled = true;
        return;
    }
    const uint64_t delay_ns = (uint64_t)random_magnitude(&application->random, 1 << 27) * 1000; /* to 134 s: four turns of the wheel */
    const ledger_life *life = random_one_in(&application->random, 2) ? application_any_open(application) : NULL;
    const uint64_t due_ns = iocp_sim_now_ns(ledger->sim) + delay_ns;
    iocp_timer named;
    if (iocp_timer_start(application->worker, life != NULL ? life->token : 0, delay_ns, index, &named) == 0)
        ledger_timer_started(ledger, index, named, due_ns, life != NULL);
}

static void post_one(application *application)
{
    ledger *ledger = application->ledger;
    const uint64_t value = application->next_post++;
    switch (iocp_port_post(application->port, 0, 0, value)) {
    case 0:
        ledger_post_accepted(ledger, value);
        return;
    case -EAGAIN:
        return;
    case -ESHUTDOWN:
        LEDGER_REQUIRE(ledger, ledger->stopped || ledger->failure != 0, "G5", "a post was refused before the stop", 0);
        return;
    default:
        ledger_violated(ledger, "G5", "a post answered with no known error", 0);
    }
}

void application_post(application *application)
{
    uint32_t left = random_one_in(&application->random, 4) ? random_below(&application->random, 24) : 1;
    for (; left > 0 && !application->posts_no_more; left--)
        post_one(application);
}

/* --- acting ------------------------------------------------------------------------------------------------- */

static void return_one(application *application, uint32_t index)
{
    const ledger_lease lease = ledger_lease_take(application->ledger, index);
    if (lease.id == IOCP_LEASE_NONE)
        iocp_bytes_free(lease.bytes);
    else
        iocp_lease_return(application->worker, lease.id);
}

static void act_once(application *application)
{
    if (application->ledger->layers.played)
        try_unopened(application);
    sim_random *random = &application->random;
    const application_habits *habits = &application->habits;
    ledger *ledger = application->ledger;
    if (ledger->lease_count > 0 && random_one_in(random, 3)) {
        return_one(application, random_below(random, ledger->lease_count));
        return;
    }
    switch (random_below(random, 24)) {
    case 0:
        connect_one(application);
        return;
    case 1:
        application_post(application);
        return;
    case 2:
        try_stale(application);
        return;
    case 3:
        use_timer(application);
        return;
    case 4:
        if (random_one_in(random, 4))
            application_administer(application);
        else if (random_below(random, 64) < habits->listen)
            application_use_listeners(application);
        else
            application_post_job(application);
        return;
    default:
        break;
    }
    ledger_life *life = application_any_open(application);
    if (life == NULL)
        return;
    if (random_one_in(random, 64))
        give_up(application, life); /* it is open: too late */
    if (random_below(random, 256) < habits->close)
        application_end_somehow(application, life);
    else if (random_below(random, 256) < habits->pause)
        pause_or_resume(application, life);
    else if (random_below(random, 256) < habits->terms)
        application_use_terms(application, life);
    else if (random_one_in(random, 16))
        ask(application, life);
    else
        application_send_anything(application, life);
}

void application_act(application *application)
{
    for (uint32_t left = random_below(&application->random, application->habits.act_most + 1); left > 0; left--)
        act_once(application);
}

/* --- reacting ----------------------------------------------------------------------------------------------- */

static void received(application *application, ledger_life *life)
{
    ledger *ledger = application->ledger;
    const application_habits *habits = &application->habits;
    const uint32_t choice = random_below(&application->random, 16);
    const uint32_t index = ledger->lease_count - 1; /* the one that just came */
    /* Whatever came behind these bytes, their answer must find the connection open. */
    LEDGER_REQUIRE(ledger, ledger_may_lose(ledger, life) || iocp_send(application->worker, life->token, "", 0) != -ENOTCONN,
                   "G2", "received bytes cannot be answered", life->token);
    if (application->replies_no_more) {
        return_one(application, index);
        return;
    }
    if (choice < habits->keep && ledger->lease_count < LEDGER_LEASES_MAX / 4)
        return;
    if (choice < habits->keep + habits->echo_lease) {
        application_send_lease(application, life, index);
        if (ledger->lease_count <= index)
            return;
    } else if (choice < habits->keep + habits->echo_lease + habits->echo_copy) {
        const ledger_lease lease = ledger->leases[index];
        application_send_copy(application, life, lease.stream, lease.position, lease.count_bytes);
    }
    return_one(application, index);
}

/* The last word to each peer is accepted, but for connections that end by themselves (without half-close: by their
 * peer's FIN, too); that it leaves before the FIN, the ledger sees to. */
static void take_leave(application *application)
{
    ledger *ledger = application->ledger;
    for (uint32_t i = 0; i < ledger->config->connections_per_worker; i++) {
        ledger_life *life = &ledger->lives[i];
        if (!life->opened || life->over)
            continue;
        LEDGER_REQUIRE(ledger,
                       !ledger->config->half_close || ledger_may_end(ledger, life) ||
                           iocp_send(application->worker, life->token, "", 0) != -ENOTCONN,
                       "G7", "a connection was closed before STOPPING", life->token);
        application_send_anything(application, life);
    }
    iocp_token token;
    iocp_timer timer;
    const iocp_address address = {.bytes = {127, 0, 0, 1}};
    LEDGER_REQUIRE(ledger, iocp_connect(application->worker, &address, NULL, 0, &token) == -ESHUTDOWN, "G7",
                   "a connect began after STOPPING", 0);
    LEDGER_REQUIRE(ledger, iocp_timer_start(application->worker, 0, 0, 0, &timer) == -ESHUTDOWN, "G7",
                   "a timer was started after STOPPING", 0);
}

void application_stop(application *application)
{
    const uint64_t drain_ns = (uint64_t)random_magnitude(&application->random, 4000) * 1000000;
    if (random_one_in(&application->random, 2))
        iocp_port_stop(application->port, drain_ns);
    else
        iocp_worker_leave(application->worker, drain_ns);
    ledger_stop_asked(application->ledger, iocp_sim_now_ns(application->ledger->sim) + drain_ns);
}

void application_react(application *application, const iocp_completion *completion)
{
    sim_random *random = &application->random;
    ledger_life *life = ledger_find(application->ledger, completion->connection);
    switch (completion->kind) {
    case IOCP_COMPLETION_OPENED:
        if (random_one_in(random, 2)) {
            life->former_key = life->key;
            life->key = application->next_key++;
            LEDGER_REQUIRE(application->ledger,
                           iocp_connection_set_key(application->worker, life->token, life->key) == 0 ||
                               application->ledger->failure != 0,
                           "G4",
                           "a connection that just opened is not known", life->token);
        }
        if (random_below(random, 256) < application->habits.terms)
            application_use_terms(application, life);
        if (random_one_in(random, 4))
            application_send_anything(application, life);
        return;
    case IOCP_COMPLETION_RECEIVED:
        received(application, life);
        return;
    case IOCP_COMPLETION_PEER_FINISHED:
        if (random_one_in(random, 2))
            close_one(application, life);
        return;
    case IOCP_COMPLETION_CONNECT_FAILED:
    case IOCP_COMPLETION_CLOSED:
        application->stale[application->stale_count++ % APPLICATION_STALE_MAX] = completion->connection;
        return;
    case IOCP_COMPLETION_STOPPING:
        take_leave(application);
        return;
    case IOCP_COMPLETION_SENT:
    case IOCP_COMPLETION_WRITABLE:
    case IOCP_COMPLETION_UNSENT_FELL:
    case IOCP_COMPLETION_POSTED:
    case IOCP_COMPLETION_TIMER:
    case IOCP_COMPLETION_LEAVING:
    case IOCP_COMPLETION_ARRIVED:
        return;
    }
}

/* --- ending ------------------------------------------------------------------------------------------------- */

void application_return_leases(application *application)
{
    while (application->ledger->lease_count > 0)
        return_one(application, application->ledger->lease_count - 1);
}

void application_resume_all(application *application)
{
    for (uint32_t i = 0; i < application->ledger->config->connections_per_worker; i++) {
        ledger_life *life = &application->ledger->lives[i];
        if (life->opened && !life->over && iocp_receive_resume(application->worker, life->token) == 0)
            life->paused = false;
    }
}

void application_give_up_unlimited(application *application)
{
    for (uint32_t i = 0; i < application->ledger->config->connections_per_worker; i++) {
        ledger_life *life = &application->ledger->lives[i];
        /* The limit is the transport's: a layer has one of its own. */
        const layer_context *layer = life->layer.context;
        const bool limited = life->connect_due_ns > 0 && (layer == NULL || layer->begin_timeout_ns > 0);
        if (life->connecting && !life->over && !limited)
            give_up(application, life);
    }
}

void application_close_all(application *application)
{
    for (uint32_t i = 0; i < application->ledger->config->connections_per_worker; i++) {
        ledger_life *life = &application->ledger->lives[i];
        if ((life->opened || life->connecting) && !life->over)
            close_one(application, life);
    }
}

void application_cancel_timers(application *application)
{
    for (uint32_t i = 0; i < LEDGER_TIMERS_MAX; i++) {
        ledger_timer *timer = &application->ledger->timers[i];
        if (timer->armed && !timer->cancelled && iocp_timer_cancel(application->worker, timer->timer) == 0)
            timer->cancelled = true;
    }
}
