/* Sending what lies ready: a copy, a lease, shared bytes; and asking when it was sent. */
#include "application.h"

#include <errno.h>

static uint32_t send_size(application *application)
{
    return random_magnitude(&application->random, application->habits.send_bytes_max);
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
        LEDGER_REQUIRE(ledger, unsent_bytes <= config->send_cap_bytes, "G6", "more unsent bytes than the cap",
                       life->token);
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
        if (unsent_bytes > 0)
            ledger_press(life);
        return;
    case -ENOBUFS:
        if (unsent_bytes > 0)
            ledger_press(life);
        return;
    default:
        ledger_violated(ledger, "G6", "a send answered with no known error", life->token);
    }
}

void application_check_whole(const application *application, const ledger_life *life, int result, uint32_t count,
                             uint64_t before)
{
    enum { ROOM_BYTES_MIN = 32 * 1024 }; /* of the fewest send chunks a port may have, less the reserve */
    const uint64_t cap_bytes = application->ledger->config->worker_unsent_bytes;
    LEDGER_REQUIRE(application->ledger,
                   result != -ENOBUFS || count > cap_bytes - cap_bytes / 4 || count > ROOM_BYTES_MIN ||
                       iocp_worker_hold(application->worker).send_nodes > 0,
                   "G6", "a send was refused while nothing is queued", life->token);
    LEDGER_REQUIRE(application->ledger, result != 0 || count == 0 || before + count <= life->marks.cap_bytes, "G6",
                   "a send went over the connection's own cap", life->token);
    LEDGER_REQUIRE(application->ledger,
                   iocp_connection_unsent_bytes(application->worker, life->token) == before + (result == 0 ? count : 0),
                   "G2", "a send is not all or nothing", life->token);
}

void application_send_copy(application *application, ledger_life *life, uint32_t stream, uint64_t position,
                           uint32_t count)
{
    uint8_t bytes[APPLICATION_SEND_BYTES_MAX];
    count = count < sizeof bytes ? count : (uint32_t)sizeof bytes;
    iocp_sim_stream_copy(stream, position, bytes, count);
    const uint64_t before = iocp_connection_unsent_bytes(application->worker, life->token);
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
    const uint32_t from = random_below(&application->random, lease.count_bytes);
    const uint32_t count = random_below(&application->random, lease.count_bytes - from + 1);
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
