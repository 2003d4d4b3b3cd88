/* What arrives on connections with a layer: it is opened, and what comes of it is handed out. */
#include "opening.h"

#include <errno.h>

#include "layers.h"
#include "life.h"
#include "outbox.h"

static void count_failure(iocp_worker *worker, const iocp_slot *slot, iocp_layer_failure failure)
{
    if (failure == IOCP_LAYER_CUT) {
        IOCP_STATS_ADD(worker->stats, cut_layers, 1);
        return;
    }
    if (slot->layer != IOCP_LAYER_BEGINNING) {
        IOCP_STATS_ADD(worker->stats, broken_layers, 1);
        return;
    }
    IOCP_STATS_ADD(worker->stats, failed_handshakes, 1);
    if (failure == IOCP_LAYER_TIMED_OUT)
        IOCP_STATS_ADD(worker->stats, timed_out_handshakes, 1);
    if (failure >= IOCP_LAYER_PEER_REFUSED && failure < IOCP_LAYER_REFUSED)
        IOCP_STATS_ADD(worker->stats, handshakes_refused_by_peer, 1);
}

void iocp_worker_layer_fail(iocp_worker *worker, iocp_slot *slot, iocp_layer_failure failure)
{
    count_failure(worker, slot, failure);
    slot->layer = IOCP_LAYER_ENDED;
    iocp_worker_begin_close(worker, slot, IOCP_CLOSE_LAYER, -(int32_t)failure, false);
}

void iocp_worker_layer_first(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->connect != IOCP_CONNECT_NONE && iocp_worker_layer_begin(worker, slot) == NULL)
        iocp_worker_layer_fail(worker, slot, IOCP_LAYER_NO_ROOM);
}

/* From here on the connection is the application's. */
static void opened(iocp_worker *worker, iocp_slot *slot, const iocp_layer_opened *found)
{
    slot->layer = IOCP_LAYER_OPEN;
    IOCP_STATS_ADD(worker->stats, handshakes, 1);
    if (found->is_resumed)
        IOCP_STATS_ADD(worker->stats, resumed_handshakes, 1);
    if (found->is_old)
        IOCP_STATS_ADD(worker->stats, old_version_handshakes, 1);
    const bool connected = slot->connect == IOCP_CONNECT_LAYERING;
    if (connected) {
        slot->connect = IOCP_CONNECT_OPENED;
        IOCP_STATS_ADD(worker->stats, connected, 1);
    }
    if (connected || !worker->setup.config->deliver_after_first_bytes)
        iocp_worker_announce(worker, slot);
}

/* As after FIN: without half-close the service begins to close, at the next flush. */
static void peer_ended(iocp_worker *worker, iocp_slot *slot)
{
    slot->layer = IOCP_LAYER_ENDED;
    iocp_worker_touch(worker, slot);
    if (!worker->setup.config->half_close)
        return;
    iocp_worker_announce(worker, slot);
    iocp_worker_emit_of(worker, slot, IOCP_COMPLETION_PEER_FINISHED);
}

void iocp_worker_layer_received(iocp_worker *worker, iocp_slot *slot, const iocp_event *event)
{
    if (slot->layer == IOCP_LAYER_ENDED)
        return;
    void *state = iocp_worker_layer_begin(worker, slot);
    if (state == NULL) {
        iocp_worker_layer_fail(worker, slot, IOCP_LAYER_NO_ROOM);
        return;
    }
    iocp_layer_opened found = {0};
    uint8_t *bytes = iocp_receive_buffers_start(&worker->buffers, event->buffer) + event->offset;
    const int result = iocp_slot_terms_of(&worker->table, slot)
                           ->layer.kind->open(state, bytes, (uint32_t)event->result, &found);
    if (found.is_open && slot->layer == IOCP_LAYER_BEGINNING)
        opened(worker, slot, &found);
    if (found.count_bytes > 0) {
        iocp_worker_announce(worker, slot);
        iocp_worker_emit_opened(worker, slot, event->buffer, &found);
    }
    if (result < 0)
        iocp_worker_layer_fail(worker, slot, (iocp_layer_failure)-result);
    else if (found.has_ended)
        peer_ended(worker, slot);
}

bool iocp_worker_layer_finished(iocp_worker *worker, iocp_slot *slot)
{
    switch (slot->layer) {
    case IOCP_LAYER_NONE:
        return true;
    case IOCP_LAYER_ENDED:
        return false;
    case IOCP_LAYER_BEGINNING:
        iocp_worker_layer_fail(worker, slot, IOCP_LAYER_UNBEGUN);
        return false;
    case IOCP_LAYER_OPEN:
        iocp_worker_layer_fail(worker, slot, IOCP_LAYER_CUT);
        return false;
    }
    return false;
}
