/* More connections behind full sockets than there is send memory, and one that keeps up among them. */
#include <errno.h>

#include "application.h"

enum { CHUNK_BYTES = 16 * 1024 };

bool application_reads(const application *application, const ledger_life *reader)
{
    return reader->opened && !reader->over && !reader->closing && !reader->aborted && !reader->finishing &&
           !reader->broken && !reader->overflowed && !application->ledger->stopped;
}

ledger_life *application_choose_reader(application *application)
{
    ledger *ledger = application->ledger;
    const uint32_t count = ledger->config->connections_per_worker;
    const uint32_t first = random_below(&application->random, count);
    for (uint32_t i = 0; i < count; i++) {
        ledger_life *life = &ledger->lives[(first + i) % count];
        if (application_reads(application, life))
            return life;
    }
    return NULL;
}

/* As a copy or in place: less than a chunk. */
static void send_whole(application *application, ledger_life *life, uint32_t count, bool copies)
{
    if (random_one_in(&application->random, 2) && !copies)
        application_fill_whole(application, life, application_next_stream(application), count);
    else
        application_send_copy(application, life, application_next_stream(application), 0, count);
}

void application_flood(application *application, const ledger_life *reader)
{
    ledger *ledger = application->ledger;
    for (uint32_t i = 0; i < ledger->config->connections_per_worker; i++) {
        ledger_life *life = &ledger->lives[i];
        if (life == reader || !life->opened || life->over)
            continue;
        send_whole(application, life, 1 + random_below(&application->random, CHUNK_BYTES - 1), false);
        /* A layer takes no more of the reserve than a send. */
        if (life->layer.state != NULL)
            layer_speak(life->layer.state);
    }
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Half of the reserve is its, whatever others hold. */
void application_send_as_reader(application *application, ledger_life *reader)
{
    enum { RESERVE_SHARE = 4, LARGE_CAP_BYTES = 1 << 28 };
    const iocp_port_config *config = application->ledger->config;
    const uint64_t most = least(least(CHUNK_BYTES - 1, reader->marks.cap_bytes),
                                (config->worker_unsent_bytes / RESERVE_SHARE + 1) / 2);
    if (most == 0)
        return; /* a cap of some bytes has no reserve */
    if (application->ledger->layers.played && config->worker_unsent_bytes < LARGE_CAP_BYTES)
        return; /* what sealing adds to the last send may lie in a small one */
    uint32_t count = 1 + random_below(&application->random, (uint32_t)most);
    count = application_fitting(reader, count, CHUNK_BYTES);
    const uint64_t before = reader->queued_bytes;
    send_whole(application, reader, count, reader->layer.state != NULL); /* a draft lies beside what becomes of it */
    LEDGER_REQUIRE(application->ledger,
                   count == 0 || reader->queued_bytes > before ||
                       iocp_send(application->worker, reader->token, "", 0) == -ENOTCONN,
                   "G6", "a connection that keeps up is refused beside peers that do not read", reader->token);
}
