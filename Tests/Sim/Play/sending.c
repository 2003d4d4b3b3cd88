/* Sending what lies ready: a copy, a lease, shared bytes; and asking when it was sent. */
#include "application.h"

#include <errno.h>

static uint32_t send_size(application *application)
{
    return random_magnitude(&application->random, application->habits.send_bytes_max);
}

/* A refused sender is told when to try again, if bytes were unsent. What a layer has written of its own since then, END
 * behind a draft that was refused before it, leaves that open. */
static void refused(ledger_life *life, uint64_t unsent_bytes)
{
    if (unsent_bytes > life->layer.own_bytes)
        ledger_press(life);
    else if (unsent_bytes > 0)
        life->press_count++;
}

void application_check_answer(application *application, ledger_life *life, int result)
{
    const ledger *ledger = application->ledger;
    const iocp_port_config *config = ledger->config;
    const uint64_t unsent_bytes = iocp_connection_unsent_bytes(application->worker, life->token);
    switch (result) {
    case 0:
        LEDGER_REQUIRE(ledger, !life->closing && !life->aborted && !life->finishing && !life->over, "G4",
                       "a send was accepted after the end", life->token);
        /* A send of nothing is accepted above the cap, too, where an earlier one was sealed to more. */
        LEDGER_REQUIRE(ledger,
                       unsent_bytes <= config->send_cap_bytes + ledger_layer_excess_bytes(life) ||
                           unsent_bytes == life->layer.unsent_before,
                       "G6", "more unsent bytes than the cap", life->token);
        if (unsent_bytes >= life->marks.high_bytes)
            ledger_press(life);
        return;
    case -ENOTCONN:
        return;
    case -EPIPE:
        LEDGER_REQUIRE(ledger, life->finishing, "G1", "EPIPE without a FIN", life->token);
        return;
    case -EAGAIN:   /* over the cap with what is queued, */
    case -EMSGSIZE: /* or alone */
        if (config->overflow_policy == IOCP_OVERFLOW_CLOSE)
            life->overflowed = true;
        refused(life, unsent_bytes);
        return;
    case -ENOBUFS:
        refused(life, unsent_bytes);
        return;
    default:
        ledger_violated(ledger, "G6", "a send answered with no known error", life->token);
    }
}

uint64_t application_unsent(const application *application, ledger_life *life)
{
    life->layer.sealed_bytes = 0;
    life->layer.own_bytes = 0;
    life->layer.unsent_before = iocp_connection_unsent_bytes(application->worker, life->token);
    return life->layer.unsent_before;
}

/* What so many bytes may become in a layer. */
static uint64_t sealed_bytes(const ledger_life *life, uint64_t count)
{
    const layer_state *state = life->layer.state;
    return state == NULL ? count : count + (count / state->record_bytes + 2) * LAYER_OVERHEAD_BYTES;
}

uint32_t application_fitting(const ledger_life *life, uint32_t count, uint32_t most)
{
    while (count > 0 && sealed_bytes(life, count) > most)
        count -= count / 4 + 1;
    return count;
}

void application_check_whole(const application *application, const ledger_life *life, int result, uint32_t count,
                             uint64_t before)
{
    /* Of the fewest send chunks a port may have, less the reserve; a draft lies beside what a layer makes of it. */
    enum { ROOM_BYTES_MIN = 32 * 1024, LAYER_ROOM_BYTES_MIN = 16 * 1024 };
    const uint64_t cap_bytes = application->ledger->config->worker_unsent_bytes;
    const uint64_t most = sealed_bytes(life, count);
    const bool is_large = life->layer.state != NULL ? count + most > LAYER_ROOM_BYTES_MIN : count > ROOM_BYTES_MIN;
    LEDGER_REQUIRE(application->ledger,
                   result != -ENOBUFS || count > cap_bytes - cap_bytes / 4 || is_large ||
                       iocp_worker_hold(application->worker).send_nodes > 0,
                   "G6", "a send was refused while nothing is queued", life->token);
    LEDGER_REQUIRE(application->ledger, result != 0 || count == 0 || before + count <= life->marks.cap_bytes, "G6",
                   "a send went over the connection's own cap", life->token);
    if (life->layer.state != NULL && life->layer.state->broke_sealing)
        return; /* the connection is aborted, with half of it */
    const uint64_t grown = life->layer.context != NULL ? life->layer.sealed_bytes : count;
    LEDGER_REQUIRE(application->ledger, result != 0 || grown <= most, "G6", "a layer made more of a send than it may",
                   life->token);
    LEDGER_REQUIRE(application->ledger,
                   iocp_connection_unsent_bytes(application->worker, life->token) ==
                       before + life->layer.own_bytes + (result == 0 ? grown : 0),
                   "G2", "a send is not all or nothing", life->token);
}

void application_send_copy(application *application, ledger_life *life, uint32_t stream, uint64_t position,
                           uint32_t count)
{
    uint8_t bytes[APPLICATION_SEND_BYTES_MAX];
    count = count < sizeof bytes ? count : (uint32_t)sizeof bytes;
    iocp_sim_stream_copy(stream, position, bytes, count);
    const uint64_t before = application_unsent(application, life);
    const int result = iocp_send(application->worker, life->token, bytes, count);
    if (result == 0)
        ledger_queue(application->ledger, life, stream, position, count);
    application_check_answer(application, life, result);
    application_check_whole(application, life, result, count, before);
}

/* Sends a part of a kept lease to anybody; the lease goes with it, if it is taken. */
void application_send_lease(application *application, ledger_life *life, uint32_t index)
{
    ledger *ledger = application->ledger;
    const ledger_lease lease = ledger_lease_take(ledger, index);
    (void)application_unsent(application, life);
    const uint32_t from = random_below(&application->random, lease.count_bytes);
    const uint32_t count = random_below(&application->random, lease.count_bytes - from + 1);
    if (lease.id == IOCP_LEASE_NONE) {
        ledger->leases[ledger->lease_count++] = lease; /* a block of its own is copied */
        application_send_copy(application, life, lease.stream, lease.position + from, count);
        return;
    }
    const int result = iocp_send_lease(application->worker, life->token, lease.id, lease.bytes + from, count);
    if (result == 0) {
        ledger_queue(ledger, life, lease.stream, lease.position + from, count);
        life->lent_bytes = life->queued_bytes;
    } else
        ledger->leases[ledger->lease_count++] = lease;
    application_check_answer(application, life, result);
}

static void send_shared(application *application, ledger_life *life)
{
    (void)application_unsent(application, life);
    const int result = iocp_send_shared(application->worker, life->token, application->shared);
    if (result == 0)
        ledger_queue(application->ledger, life, APPLICATION_SHARED_STREAM, 0,
                     iocp_shared_bytes_count(application->shared));
    application_check_answer(application, life, result);
}

static void notify(application *application, ledger_life *life)
{
    const uint64_t key = application->next_key++;
    const int result = iocp_send_notify(application->worker, life->token, key);
    if (result == 0)
        ledger_notify_asked(life, key);
    if (result == -ENOBUFS && iocp_connection_unsent_bytes(application->worker, life->token) > 0)
        ledger_press(life);
    LEDGER_REQUIRE(application->ledger, result == 0 || result == -ENOTCONN || result == -ENOBUFS ||
                       (result == -EPIPE && life->finishing),
                   "G6", "a notify answered with no known error", life->token);
}

void application_send_anything(application *application, ledger_life *life)
{
    if (application->replies_no_more)
        return;
    sim_random *random = &application->random;
    if (application->ledger->lease_count > 0 && random_one_in(random, 3))
        application_send_lease(application, life, random_below(random, application->ledger->lease_count));
    else if (random_one_in(random, 8))
        send_shared(application, life);
    else if (random_one_in(random, 4))
        application_write(application, life);
    else
        application_send_copy(application, life, application_next_stream(application), 0, send_size(application));
    /* Now and then so many that the completions of one send do not fit a batch. */
    if (random_below(random, 16) < application->habits.notify)
        for (uint32_t left = random_one_in(random, 4) ? random_below(random, 24) : 1; left > 0; left--)
            notify(application, life);
}
