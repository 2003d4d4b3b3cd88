/* The layer of a connection: it begins, writes, finishes and ends. */
#include "layers.h"

#include <errno.h>
#include <stdlib.h>

#include "../connection/send_pieces.h"
#include "lookup.h"
#include "reserve.h"
#include "sent.h"

void iocp_layer_retain(const iocp_layer *layer)
{
    if (!iocp_layer_is_none(layer))
        layer->kind->retain(layer->context);
}

void iocp_layer_release(const iocp_layer *layer)
{
    if (!iocp_layer_is_none(layer))
        layer->kind->release(layer->context);
}

void iocp_worker_layer_give(iocp_worker *worker, iocp_slot *slot, const iocp_layer *layer)
{
    iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    iocp_layer_retain(layer);
    terms->layer = *layer;
    terms->layer_state = NULL;
    terms->unread = NULL;
    terms->unread_bytes = 0;
    slot->layer = IOCP_LAYER_BEGINNING;
}

void iocp_worker_layer_withdraw(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->layer != IOCP_LAYER_NONE)
        iocp_layer_release(&iocp_slot_terms_of(&worker->table, slot)->layer);
    slot->layer = IOCP_LAYER_NONE;
}

void *iocp_worker_layer_begin(iocp_worker *worker, iocp_slot *slot)
{
    iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    if (terms->layer_state == NULL)
        terms->layer_state =
            terms->layer.kind->begin(terms->layer.context, worker, iocp_slot_connection(&worker->table, slot));
    return terms->layer_state;
}

void iocp_worker_layer_finish(iocp_worker *worker, iocp_slot *slot)
{
    const iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    if (slot->layer >= IOCP_LAYER_OPEN && slot->finish == IOCP_FINISH_NONE && terms->layer_state != NULL)
        terms->layer.kind->finish(terms->layer_state);
}

void iocp_worker_layer_end(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->layer == IOCP_LAYER_NONE)
        return;
    iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    if (slot->layer == IOCP_LAYER_BEGINNING)
        IOCP_STATS_ADD(worker->stats, failed_handshakes, 1); /* the transport, or the application, ended it */
    if (terms->layer_state != NULL)
        terms->layer.kind->end(terms->layer_state);
    iocp_layer_release(&terms->layer);
    free(terms->unread);
    terms->unread = NULL;
    terms->layer_state = NULL;
    slot->layer = IOCP_LAYER_NONE;
}

/* --- for the kinds ------------------------------------------------------------------------------------------- */

/* What a layer may have unsent beyond a connection's cap: certificates, and answers to what a peer asks of it. */
enum { OWN_BYTES_MAX = 64 * 1024 };

/* What a layer says of itself takes no more of the reserve than a send may: its peer may ask for answers, and not read
 * them. What does not need another chunk is always said. */
static bool may_take(const iocp_worker *worker, const iocp_slot *slot, uint32_t count_bytes)
{
    return iocp_send_queue_tail_room_bytes(&worker->pool, &slot->queue) >= count_bytes ||
           (iocp_worker_may_take_node(worker, slot, count_bytes) &&
            iocp_worker_may_take_chunks(worker, slot, count_bytes, count_bytes));
}

/* 0, or why a layer may not write of itself. */
static int refusal(const iocp_worker *worker, const iocp_slot *slot, uint32_t count_bytes)
{
    const uint64_t most_bytes = (uint64_t)iocp_worker_marks(worker, slot)->cap_bytes + OWN_BYTES_MAX;
    if (slot->queue.unsent_bytes + (uint64_t)count_bytes > most_bytes)
        return -EAGAIN;
    return may_take(worker, slot, count_bytes) ? 0 : -ENOBUFS;
}

int iocp_layer_write(iocp_worker *worker, iocp_token connection, const void *bytes, uint32_t count_bytes)
{
    iocp_slot *slot = iocp_worker_find_slot(worker, connection);
    if (slot == NULL || slot->state != IOCP_SLOT_OPEN || slot->finish != IOCP_FINISH_NONE)
        return -ENOTCONN;
    /* A send that is being sealed has found its room, and may go over the cap by what sealing adds to it. */
    int result = worker->sealing ? 0 : refusal(worker, slot, count_bytes);
    if (result < 0)
        return result;
    /* Beside an open draft the current chunk is its writer's. */
    const bool own = (slot->flags & IOCP_SLOT_STALLED) || worker->pool.draft.open;
    result = worker->sealing ? iocp_send_queue_copy_on(&worker->pool, &slot->queue, bytes, count_bytes, own)
                             : iocp_send_queue_copy(&worker->pool, &slot->queue, bytes, count_bytes, own);
    if (result == 0)
        iocp_worker_count_queued(worker, slot, count_bytes);
    return result;
}

void *iocp_layer_state(iocp_worker *worker, iocp_token connection, const iocp_layer_kind *kind)
{
    const iocp_slot *slot = iocp_worker_find_slot(worker, connection);
    if (slot == NULL || slot->layer == IOCP_LAYER_NONE)
        return NULL;
    const iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    return terms->layer.kind == kind ? terms->layer_state : NULL;
}

void iocp_bytes_free(const uint8_t *bytes)
{
    free((void *)bytes);
}
