/* What arrives on connections with a layer: it is opened, and what comes of it is handed out. */
#include "opening.h"

#include <stdlib.h>
#include <string.h>

#include "capture.h"
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

void iocp_worker_layer_fail(iocp_worker *worker, iocp_slot *slot, iocp_layer_failure failure, bool abort)
{
    count_failure(worker, slot, failure);
    slot->layer = IOCP_LAYER_ENDED;
    iocp_worker_begin_close(worker, slot, IOCP_CLOSE_LAYER, -(int32_t)failure, abort);
}

void iocp_worker_layer_connected(iocp_worker *worker, iocp_slot *slot)
{
    slot->connect = IOCP_CONNECT_LAYERING;
    if (iocp_worker_layer_begin(worker, slot) == NULL)
        iocp_worker_layer_fail(worker, slot, IOCP_LAYER_NO_ROOM, false);
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
    if (slot->connect == IOCP_CONNECT_LAYERING)
        iocp_worker_connected(worker, slot);
    else if (!worker->setup.config->deliver_after_first_bytes)
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

/* What was opened within a block goes to whoever receives it, together with the block: from its start, where it is freed. */
static void hand_on(uint8_t *block, iocp_layer_opened *found)
{
    if (found->owned || found->count_bytes == 0) {
        free(block);
        return;
    }
    memmove(block, found->bytes, found->count_bytes);
    found->bytes = block;
    found->owned = true;
}

/* Opens bytes of a receive buffer, or of a block that is the callee's then. */
static void open_bytes(iocp_worker *worker, iocp_slot *slot, uint8_t *bytes, uint32_t count_bytes, uint16_t buffer)
{
    iocp_layer_opened found = {0};
    void *state = iocp_worker_layer_begin(worker, slot);
    const int result = state != NULL ? iocp_slot_terms_of(&worker->table, slot)
                                           ->layer.kind->open(state, bytes, count_bytes, &found)
                                     : -IOCP_LAYER_NO_ROOM;
    if (found.is_open && slot->layer == IOCP_LAYER_BEGINNING)
        opened(worker, slot, &found);
    if (buffer == IOCP_LEASE_NONE)
        hand_on(bytes, &found);
    if (found.count_bytes > 0) {
        iocp_worker_announce(worker, slot);
        if (iocp_worker_captures(worker))
            iocp_worker_write_received(worker, slot, found.bytes, found.count_bytes);
        iocp_worker_emit_opened(worker, slot, buffer, &found);
    }
    if (result < 0)
        iocp_worker_layer_fail(worker, slot, (iocp_layer_failure)-result, false);
    else if (found.has_ended)
        peer_ended(worker, slot);
}

/* --- turns ------------------------------------------------------------------------------------------------------ */

/* Without turns, thousands of handshakes at once would delay every other connection until the last of them has ended. */

void iocp_worker_layers_begin_turn(iocp_worker *worker)
{
    worker->turns.left = IOCP_HANDSHAKES_PER_TURN;
}

bool iocp_worker_layers_wait(const iocp_worker *worker)
{
    return worker->turns.head != IOCP_SLOT_NONE;
}

static void line_up(iocp_worker *worker, iocp_slot *slot)
{
    iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    if (terms->has_turn)
        return;
    const uint32_t index = iocp_slot_index(&worker->table, slot);
    terms->has_turn = true;
    terms->next_turn = IOCP_SLOT_NONE;
    if (worker->turns.tail == IOCP_SLOT_NONE)
        worker->turns.head = index;
    else
        worker->table.terms[worker->turns.tail].next_turn = index;
    worker->turns.tail = index;
}

/* Keeps bytes until their turn; false where there is no room for them. */
static bool keep(iocp_slot_terms *terms, const uint8_t *bytes, uint32_t count_bytes)
{
    if (count_bytes > IOCP_LAYER_UNREAD_BYTES_MAX - terms->unread_bytes)
        return false;
    uint8_t *grown = realloc(terms->unread, terms->unread_bytes + count_bytes);
    if (grown == NULL)
        return false;
    memcpy(grown + terms->unread_bytes, bytes, count_bytes);
    terms->unread = grown;
    terms->unread_bytes += count_bytes;
    return true;
}

/* What waited is opened. */
static void take_turn(iocp_worker *worker, iocp_slot *slot)
{
    iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    uint8_t *bytes = terms->unread;
    const uint32_t count_bytes = terms->unread_bytes;
    terms->unread = NULL;
    terms->unread_bytes = 0;
    if (bytes != NULL)
        open_bytes(worker, slot, bytes, count_bytes, IOCP_LEASE_NONE);
}

void iocp_worker_layer_received(iocp_worker *worker, iocp_slot *slot, const iocp_event *event)
{
    if (slot->layer == IOCP_LAYER_ENDED)
        return;
    uint8_t *bytes = iocp_receive_buffers_start(&worker->buffers, event->buffer) + event->offset;
    const uint32_t count_bytes = (uint32_t)event->result;
    iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    const bool waits = worker->turns.left == 0 || iocp_worker_layers_wait(worker) || terms->unread != NULL;
    if (slot->layer == IOCP_LAYER_BEGINNING && waits) {
        if (keep(terms, bytes, count_bytes))
            line_up(worker, slot);
        else
            iocp_worker_layer_fail(worker, slot, IOCP_LAYER_NO_ROOM, false);
        return;
    }
    if (slot->layer == IOCP_LAYER_BEGINNING)
        worker->turns.left--;
    open_bytes(worker, slot, bytes, count_bytes, event->buffer);
}

bool iocp_worker_layer_finished(iocp_worker *worker, iocp_slot *slot)
{
    switch (slot->layer) {
    case IOCP_LAYER_NONE:
        return true;
    case IOCP_LAYER_ENDED:
        return false;
    case IOCP_LAYER_BEGINNING:
        /* What came before it waits for its turn, which meets the FIN again. Opened at once, thousands of clients that
         * send FIN behind their first bytes would take no turns. */
        if (iocp_slot_terms_of(&worker->table, slot)->unread == NULL)
            iocp_worker_layer_fail(worker, slot, IOCP_LAYER_UNBEGUN, false);
        return false;
    case IOCP_LAYER_OPEN:
        iocp_worker_layer_fail(worker, slot, IOCP_LAYER_CUT, false);
        return false;
    }
    return false;
}

void iocp_worker_layers_go_on(iocp_worker *worker)
{
    while (worker->turns.left > 0 && iocp_worker_layers_wait(worker) && iocp_worker_has_room(worker)) {
        iocp_slot *slot = &worker->table.slots[worker->turns.head];
        iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
        terms->has_turn = false;
        worker->turns.head = terms->next_turn;
        if (worker->turns.head == IOCP_SLOT_NONE)
            worker->turns.tail = IOCP_SLOT_NONE;
        if (slot->state != IOCP_SLOT_OPEN || slot->layer != IOCP_LAYER_BEGINNING)
            continue; /* it ended meanwhile */
        worker->turns.left--;
        take_turn(worker, slot);
        if (slot->state == IOCP_SLOT_OPEN && slot->receive == IOCP_RECEIVE_FINISHED)
            (void)iocp_worker_layer_finished(worker, slot);
    }
}
