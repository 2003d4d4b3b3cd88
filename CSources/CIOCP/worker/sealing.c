/* Sends of connections with a layer: the application's bytes are sealed when they are sent, all of them or none. */
#include "sealing.h"

#include <errno.h>

#include "../connection/send_pieces.h"
#include "opening.h"

static uint64_t record_bytes(const iocp_worker *worker, const iocp_slot *slot)
{
    const iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    return terms->layer.kind->record_bytes(terms->layer_state);
}

static uint64_t overhead_bytes(const iocp_worker *worker, const iocp_slot *slot)
{
    return iocp_slot_terms_of(&worker->table, slot)->layer.kind->record_overhead_bytes;
}

/* One record more than the bytes need: the layer may have something of its own to say before them. */
uint64_t iocp_worker_sealed_bytes(const iocp_worker *worker, const iocp_slot *slot, uint64_t count_bytes)
{
    if (slot->layer == IOCP_LAYER_NONE || count_bytes == 0)
        return count_bytes;
    return count_bytes + (count_bytes / record_bytes(worker, slot) + 2) * overhead_bytes(worker, slot);
}

bool iocp_worker_seals(const iocp_worker *worker, const iocp_slot *slot, uint64_t sealed_bytes)
{
    const bool own = (slot->flags & IOCP_SLOT_STALLED) || worker->pool.draft.open;
    return iocp_send_queue_has_room(&worker->pool, &slot->queue, (uint32_t)sealed_bytes, own);
}

static int sealed(iocp_worker *worker, iocp_slot *slot, int result)
{
    if (result == 0)
        return 0;
    /* Half of it may be queued, and the layer has counted all of it: no later byte could be opened. */
    iocp_worker_layer_fail(worker, slot, (iocp_layer_failure)-result, true);
    return -ENOTCONN;
}

int iocp_worker_seal(iocp_worker *worker, iocp_slot *slot, const iocp_send_part *parts, uint32_t part_count)
{
    const iocp_slot_terms *terms = iocp_slot_terms_of(&worker->table, slot);
    worker->sealing = true;
    const int result = terms->layer.kind->seal(terms->layer_state, parts, part_count);
    worker->sealing = false;
    return sealed(worker, slot, result);
}

int iocp_worker_seal_draft(iocp_worker *worker, iocp_slot *slot)
{
    const iocp_send_pool *pool = &worker->pool;
    iocp_send_part parts[IOCP_SEND_PARTS_MAX];
    uint32_t index = pool->draft.queue.head;
    int result = 0;
    while (index != IOCP_NODE_NONE && result == 0) {
        uint32_t count = 0;
        for (; index != IOCP_NODE_NONE && count < IOCP_SEND_PARTS_MAX; index = pool->nodes[index].next)
            parts[count++] =
                (iocp_send_part){.bytes = pool->nodes[index].start, .count_bytes = pool->nodes[index].count_bytes};
        result = iocp_worker_seal(worker, slot, parts, count);
    }
    return result;
}
