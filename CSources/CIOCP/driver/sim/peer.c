/* The other ends: each sends a stream, reads through a window, and leaves in one of many ways. */
#include <errno.h>

#include "sim.h"

enum { RECEIVE_WINDOW_BYTES = 16 * 1024 }; /* of the worker's socket: what may wait there unread */

void iocp_sim_peer_new(iocp_sim *sim, iocp_sim_peer *peer)
{
    *peer = (iocp_sim_peer){
        .total_bytes = iocp_sim_magnitude(sim, sim->peer_bytes_max),
        .window_bytes = 1 + iocp_sim_magnitude(sim, sim->window_bytes_max),
        .finishes = iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 2),
        .missed = iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 2),
        .stubborn = iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 8),
        .sip_bytes = iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 4) ? 1 + iocp_sim_below(sim, 64) : 0,
    };
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* --- a protocol of the test's ------------------------------------------------------------------------------- */

void iocp_sim_peer_meet(iocp_sim *sim, iocp_sim_socket *socket)
{
    iocp_sim_peer *peer = &socket->peer;
    if (sim->observer.met == NULL)
        return;
    peer->speaks = sim->observer.met(sim->observer.context, socket->stream, socket->port_be, &peer->total_bytes,
                                     &peer->finishes);
    if (peer->speaks)
        IOCP_SIM_SAY(sim, "    the peer of stream %u speaks, in %llu bytes%s", socket->stream,
                     (unsigned long long)peer->total_bytes, peer->finishes ? " and FIN" : "");
}

uint64_t iocp_sim_peer_may_send(const iocp_sim *sim, const iocp_sim_socket *socket)
{
    const iocp_sim_peer *peer = &socket->peer;
    if (!peer->speaks)
        return peer->total_bytes;
    return peer->finished ? peer->arrived_bytes : sim->observer.may_send(sim->observer.context, socket->stream);
}

void iocp_sim_peer_copy(const iocp_sim *sim, const iocp_sim_socket *socket, uint64_t position, uint8_t *bytes,
                        uint32_t count_bytes)
{
    if (socket->peer.speaks)
        sim->observer.spoken(sim->observer.context, socket->stream, position, bytes, count_bytes);
    else
        iocp_sim_stream_copy(socket->stream, position, bytes, count_bytes);
}

/* --- acting ------------------------------------------------------------------------------------------------- */

static void write_bytes(iocp_sim *sim, iocp_sim_socket *socket)
{
    iocp_sim_peer *peer = &socket->peer;
    const uint64_t left = least(iocp_sim_peer_may_send(sim, socket) - peer->arrived_bytes,
                                RECEIVE_WINDOW_BYTES - (peer->arrived_bytes - peer->delivered_bytes));
    peer->arrived_bytes += sim->clear ? left : iocp_sim_magnitude(sim, (uint32_t)left);
}

/* Bytes are acknowledged as they are read: the peer's own buffer is part of the window. */
static void read_bytes(iocp_sim *sim, iocp_sim_socket *socket)
{
    iocp_sim_peer *peer = &socket->peer;
    uint32_t count = 0;
    if (peer->stalled)
        return;
    if (sim->clear)
        count = peer->unread_bytes;
    else if (peer->sip_bytes > 0)
        count = peer->sip_bytes < peer->unread_bytes ? peer->sip_bytes : peer->unread_bytes;
    else
        count = iocp_sim_magnitude(sim, peer->unread_bytes);
    peer->unread_bytes -= count;
    if (count > 0)
        IOCP_SIM_SAY(sim, "    the peer of stream %u reads %u bytes, %u are left", socket->stream, count, peer->unread_bytes);
    if (count > 0 && socket->connection != 0 && sim->observer.acknowledged != NULL)
        sim->observer.acknowledged(sim->observer.context, socket->connection, count);
}

/* Its FIN: of itself, or because it saw ours. */
static void finish(iocp_sim *sim, iocp_sim_socket *socket)
{
    iocp_sim_peer *peer = &socket->peer;
    const bool wants = peer->finishes || (socket->finish_sent && !peer->stalled && !peer->stubborn);
    /* One that still waits for an answer when FIN comes will not get it. */
    const uint64_t all_bytes = socket->finish_sent ? iocp_sim_peer_may_send(sim, socket) : peer->total_bytes;
    if (!wants || peer->finished || peer->arrived_bytes < all_bytes)
        return;
    peer->finished = true;
    IOCP_SIM_SAY(sim, "    the peer of stream %u finished after %llu bytes", socket->stream,
                 (unsigned long long)peer->arrived_bytes);
}

/* Nobody hears from it; the kernel gives up after a while, or has nothing in flight by which it would notice. */
static void be_silent(iocp_sim *sim, iocp_sim_socket *socket)
{
    if (sim->clear || (socket->peer.missed && iocp_sim_chance(sim, 10)))
        iocp_sim_socket_break(sim, socket, iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 2) ? ETIMEDOUT : EHOSTUNREACH);
}

void iocp_sim_peer_act(iocp_sim *sim, iocp_sim_socket *socket)
{
    iocp_sim_peer *peer = &socket->peer;
    if (!socket->established || socket->broken)
        return;
    if (peer->silent) {
        be_silent(sim, socket);
        return;
    }
    if (iocp_sim_chance(sim, sim->weather.reset)) {
        iocp_sim_socket_break(sim, socket, ECONNRESET);
        return;
    }
    if (iocp_sim_chance(sim, sim->weather.vanish)) {
        IOCP_SIM_SAY(sim, "    the peer of stream %u vanished", socket->stream);
        peer->silent = true;
        return;
    }
    if (iocp_sim_chance(sim, sim->weather.stall))
        peer->stalled = !peer->stalled;
    if (sim->clear) {
        peer->stalled = sim->dam_reader != 0 && socket->connection != sim->dam_reader;
        if (!peer->stalled)
            peer->window_bytes = UINT32_MAX;
    }
    read_bytes(sim, socket);
    if (!peer->finished)
        write_bytes(sim, socket);
    finish(sim, socket);
}
