/* The application's sends on one connection: they check the bounds, fill memory and list the slot. None enters the
 * kernel. */
#include <errno.h>

#include "../connection/send_draft.h"
#include "capture.h"
#include "life.h"
#include "lookup.h"
#include "refusing.h"
#include "reserve.h"
#include "sealing.h"
#include "sent.h"

/* --- whether a send is allowed ------------------------------------------------------------------------------ */

/* Finds a connection that takes sends. */
static int find_sender(const iocp_worker *worker, iocp_token connection, iocp_slot **found)
{
    const int result = iocp_worker_find_open(worker, connection, found);
    if (result < 0)
        return result;
    return (*found)->finish != IOCP_FINISH_NONE ? -EPIPE : 0;
}

/* Whether a connection's unsent bytes, and the worker's, may grow by count_bytes. What sealing adds to the last send is not
 * asked for: so a connection below its cap can always send something. */
static int check_caps(iocp_worker *worker, iocp_slot *slot, uint64_t count_bytes)
{
    const iocp_port_config *config = worker->setup.config;
    const uint32_t cap_bytes = iocp_worker_marks(worker, slot)->cap_bytes;
    if (slot->queue.unsent_bytes + count_bytes > cap_bytes) {
        if (config->overflow_policy == IOCP_OVERFLOW_CLOSE)
            iocp_worker_begin_close(worker, slot, IOCP_CLOSE_SEND_OVERFLOW, 0, true);
        /* Alone it is over the cap: trying again would never end. */
        return iocp_worker_refuse_over_cap(worker, slot, count_bytes > cap_bytes ? -EMSGSIZE : -EAGAIN);
    }
    const uint64_t reserve_bytes =
        iocp_worker_keeps_up(slot, count_bytes) ? 0 : config->worker_unsent_bytes / IOCP_SEND_RESERVE_SHARE;
    if (worker->unsent_bytes + count_bytes > config->worker_unsent_bytes - reserve_bytes)
        return iocp_worker_refuse_over_worker_cap(worker, slot);
    return 0;
}

/* Finds a connection that may send `count_bytes` more, within its cap and the worker's. While a draft is open no other
 * send is taken: its bytes would be copied to where the draft's writer may be writing. */
static int sendable_slot(iocp_worker *worker, iocp_token connection, uint64_t count_bytes, iocp_slot **found)
{
    int result = find_sender(worker, connection, found);
    if (result < 0)
        return result;
    if (worker->pool.draft.open)
        return -EBUSY;
    if (count_bytes == 0)
        return 0;
    result = check_caps(worker, *found, count_bytes);
    if (result == 0 && !iocp_worker_may_take_node(worker, *found, count_bytes))
        result = iocp_worker_refuse(worker, *found, -ENOBUFS);
    return result;
}

/* After bytes were queued, or could not be. */
static int queued(iocp_worker *worker, iocp_slot *slot, int result, uint32_t count_bytes)
{
    if (result < 0)
        return iocp_worker_refuse(worker, slot, result);
    iocp_worker_count_queued(worker, slot, count_bytes);
    return 0;
}

/* --- through a layer ---------------------------------------------------------------------------------------- */

/* All parts of a send that was found to be within the caps, sealed: all of them or none. */
static int send_sealed(iocp_worker *worker, iocp_slot *slot, const iocp_send_part *parts, uint32_t part_count,
                       uint32_t count_bytes)
{
    const uint64_t sealed_bytes = iocp_worker_sealed_bytes(worker, slot, count_bytes);
    if (!iocp_worker_may_take_chunks(worker, slot, sealed_bytes, (uint32_t)sealed_bytes) ||
        !iocp_worker_seals(worker, slot, sealed_bytes))
        return iocp_worker_refuse(worker, slot, -ENOBUFS);
    return iocp_worker_seal(worker, slot, parts, part_count);
}

static int send_one_sealed(iocp_worker *worker, iocp_slot *slot, const void *bytes, uint32_t count_bytes)
{
    const iocp_send_part part = {.bytes = bytes, .count_bytes = count_bytes};
    return send_sealed(worker, slot, &part, 1, count_bytes);
}

/* --- whole sends -------------------------------------------------------------------------------------------- */

static bool waits_for_room(const iocp_slot *slot)
{
    return (slot->flags & IOCP_SLOT_STALLED) || iocp_slot_is_sending(slot);
}

static int queue_copy(iocp_worker *worker, iocp_slot *slot, const uint8_t *bytes, uint32_t count_bytes)
{
    if (!iocp_worker_may_take_chunks(worker, slot, count_bytes, count_bytes))
        return -ENOBUFS;
    /* A connection behind a full socket keeps its bytes in chunks of its own. */
    return iocp_send_queue_copy(&worker->pool, &slot->queue, bytes, count_bytes, slot->flags & IOCP_SLOT_STALLED);
}

int iocp_send(iocp_worker *worker, iocp_token connection, const void *bytes, size_t count_bytes)
{
    iocp_slot *slot;
    const int result = sendable_slot(worker, connection, count_bytes, &slot);
    if (result < 0 || count_bytes == 0)
        return result;
    const uint32_t count = (uint32_t)count_bytes; /* within the cap */
    const int sent = slot->layer != IOCP_LAYER_NONE
                         ? send_one_sealed(worker, slot, bytes, count)
                         : queued(worker, slot, queue_copy(worker, slot, bytes, count), count);
    return iocp_worker_captured(worker, slot, sent, bytes, count);
}

/* The sum of the parts, or UINT32_MAX, which is over every cap, for all that is as much or more. */
static uint32_t sum_bytes(const iocp_send_part *parts, uint32_t part_count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < part_count; i++) {
        if (parts[i].count_bytes >= UINT32_MAX - sum)
            return UINT32_MAX;
        sum += (uint32_t)parts[i].count_bytes;
    }
    return sum;
}

static int queue_parts(iocp_worker *worker, iocp_slot *slot, const iocp_send_part *parts, uint32_t part_count,
                       uint32_t count_bytes)
{
    if (!iocp_worker_may_take_chunks(worker, slot, count_bytes, count_bytes))
        return -ENOBUFS;
    return iocp_send_queue_copy_parts(&worker->pool, &slot->queue, parts, part_count, count_bytes,
                                      slot->flags & IOCP_SLOT_STALLED);
}

int iocp_send_parts(iocp_worker *worker, iocp_token connection, const iocp_send_part *parts, uint32_t part_count)
{
    if (part_count > IOCP_SEND_PARTS_MAX)
        return -EINVAL;
    iocp_slot *slot;
    const uint32_t count_bytes = sum_bytes(parts, part_count);
    const int result = sendable_slot(worker, connection, count_bytes, &slot);
    if (result < 0 || count_bytes == 0)
        return result;
    const int sent = slot->layer != IOCP_LAYER_NONE
                         ? send_sealed(worker, slot, parts, part_count, count_bytes)
                         : queued(worker, slot, queue_parts(worker, slot, parts, part_count, count_bytes), count_bytes);
    for (uint32_t i = 0; i < part_count && iocp_worker_captures(worker); i++)
        (void)iocp_worker_captured(worker, slot, sent, parts[i].bytes, (uint32_t)parts[i].count_bytes);
    return sent;
}

static int take_lease(iocp_worker *worker, iocp_slot *slot, uint16_t lease, const uint8_t *bytes, uint32_t count_bytes)
{
    if (slot->layer != IOCP_LAYER_NONE && count_bytes > 0) {
        const int sealed = send_one_sealed(worker, slot, bytes, count_bytes);
        if (sealed == 0)
            iocp_receive_buffers_return(&worker->buffers, lease);
        return sealed;
    }
    /* Behind a send that waits for its peer a lease would keep its buffer from every connection: copy instead. */
    if (count_bytes == 0 || (waits_for_room(slot) && queue_copy(worker, slot, bytes, count_bytes) == 0)) {
        iocp_receive_buffers_return(&worker->buffers, lease);
        return queued(worker, slot, 0, count_bytes);
    }
    if (slot->flags & IOCP_SLOT_STALLED)
        return iocp_worker_refuse(worker, slot, -ENOBUFS);
    return queued(worker, slot, iocp_send_queue_lease(&worker->pool, &slot->queue, lease, bytes, count_bytes),
                  count_bytes);
}

int iocp_send_lease(iocp_worker *worker, iocp_token connection, uint16_t lease, const uint8_t *bytes,
                    uint32_t count_bytes)
{
    iocp_slot *slot;
    const int result = sendable_slot(worker, connection, count_bytes, &slot);
    if (result < 0)
        return result;
    /* Before, since it may enter the kernel, which might fill a buffer that was given back. */
    const bool captures = iocp_worker_captures(worker) && iocp_worker_judge(worker, slot);
    const int sent = take_lease(worker, slot, lease, bytes, count_bytes);
    return captures ? iocp_worker_captured(worker, slot, sent, bytes, count_bytes) : sent;
}

int iocp_send_shared(iocp_worker *worker, iocp_token connection, iocp_shared_bytes *shared)
{
    iocp_slot *slot;
    const uint32_t count_bytes = iocp_shared_bytes_count(shared);
    const int result = sendable_slot(worker, connection, count_bytes, &slot);
    if (result < 0 || count_bytes == 0)
        return result;
    const uint8_t *bytes = iocp_shared_bytes_start(shared);
    const int sent = slot->layer != IOCP_LAYER_NONE
                         ? send_one_sealed(worker, slot, bytes, count_bytes)
                         : queued(worker, slot, iocp_send_queue_shared(&worker->pool, &slot->queue, shared), count_bytes);
    return iocp_worker_captured(worker, slot, sent, bytes, count_bytes);
}

/* Half of the nodes that are not kept for those who keep up. Peers who do not read would otherwise take them all with small
 * messages, and leave two for everybody else. */
static bool queues_are_half_full(const iocp_send_pool *pool)
{
    return pool->used_count >= (pool->node_count - pool->reserve_count) / 2;
}

/* Why a subscriber may not have count_bytes more, whatever the policy of its port. */
static int refusal_within(const iocp_worker *worker, const iocp_slot *slot, uint32_t count_bytes, uint32_t limit_bytes)
{
    const uint64_t unsent_bytes = (uint64_t)slot->queue.unsent_bytes + count_bytes;
    const uint32_t cap_bytes = iocp_worker_marks(worker, slot)->cap_bytes;
    if (count_bytes > cap_bytes)
        return -EMSGSIZE;
    const bool over = unsent_bytes > cap_bytes || (slot->queue.unsent_bytes > 0 && unsent_bytes > limit_bytes);
    return over || (slot->flags & IOCP_SLOT_STALLED && queues_are_half_full(&worker->pool)) ? -EAGAIN : 0;
}

int iocp_send_shared_within(iocp_worker *worker, iocp_token connection, iocp_shared_bytes *shared, uint32_t limit_bytes)
{
    iocp_slot *slot;
    int result = find_sender(worker, connection, &slot);
    if (result < 0)
        return result;
    result = refusal_within(worker, slot, iocp_shared_bytes_count(shared), limit_bytes);
    if (result < 0)
        return iocp_worker_refuse_over_cap(worker, slot, result);
    result = iocp_send_shared(worker, connection, shared);
    return result == -ENOBUFS && slot->flags & IOCP_SLOT_STALLED ? -EAGAIN : result;
}

int iocp_send_notify(iocp_worker *worker, iocp_token connection, uint64_t key)
{
    iocp_slot *slot;
    int result = sendable_slot(worker, connection, 0, &slot);
    if (result < 0)
        return result;
    if (!iocp_worker_may_take_node(worker, slot, 0))
        return iocp_worker_refuse(worker, slot, -ENOBUFS);
    result = iocp_send_queue_mark(&worker->pool, &slot->queue, key);
    if (result < 0)
        return iocp_worker_refuse(worker, slot, result);
    iocp_worker_touch(worker, slot);
    return 0;
}

/* --- drafts ------------------------------------------------------------------------------------------------- */

int iocp_draft_open(iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot;
    const int result = sendable_slot(worker, connection, 0, &slot);
    if (result == 0)
        iocp_send_draft_open(&worker->pool, connection,
                             (slot->flags & IOCP_SLOT_STALLED) || slot->layer != IOCP_LAYER_NONE);
    return result;
}

/* Whether the calling thread has a draft, and none of it was refused. */
static int find_draft(const iocp_worker *worker)
{
    if (!iocp_worker_is_mine(worker))
        return iocp_worker_is_foreign(worker) ? -EPERM : -EINVAL;
    return worker->pool.draft.open ? worker->pool.draft.refusal : -EINVAL;
}

/* Whether the draft may have `more_bytes` more: as a send of all it has then would be allowed. The reserve of nodes is
 * asked for the first piece alone, as it is once for a whole send: that piece may take the last node that is spared. */
static int may_grow(iocp_worker *worker, size_t more_bytes, iocp_slot **slot)
{
    const iocp_send_draft *draft = &worker->pool.draft;
    const uint64_t within = more_bytes < UINT32_MAX ? more_bytes : UINT32_MAX; /* that much is over every cap */
    const uint64_t count_bytes = draft->queue.unsent_bytes + within;
    int result = find_sender(worker, draft->connection, slot);
    if (result < 0 || more_bytes == 0)
        return result;
    result = check_caps(worker, *slot, count_bytes);
    if (result < 0)
        return result;
    if ((draft->queue.head == IOCP_NODE_NONE && !iocp_worker_may_take_node(worker, *slot, count_bytes)) ||
        !iocp_worker_may_take_chunks(worker, *slot, count_bytes, (uint32_t)more_bytes))
        return iocp_worker_refuse(worker, *slot, -ENOBUFS);
    return 0;
}

/* A refusal is final: a draft without one of its parts never leaves. */
static int grown(iocp_worker *worker, int result)
{
    worker->pool.draft.refusal = result;
    return result;
}

int iocp_draft_append(iocp_worker *worker, const void *bytes, size_t count_bytes)
{
    iocp_slot *slot;
    int result = find_draft(worker);
    if (result < 0)
        return result;
    result = may_grow(worker, count_bytes, &slot);
    if (result < 0 || count_bytes == 0)
        return grown(worker, result);
    result = iocp_send_draft_append(&worker->pool, bytes, (uint32_t)count_bytes);
    return grown(worker, result < 0 ? iocp_worker_refuse(worker, slot, result) : 0);
}

int iocp_draft_reserve(iocp_worker *worker, size_t capacity_bytes, uint8_t **start)
{
    iocp_slot *slot;
    *start = NULL;
    int result = find_draft(worker);
    if (result < 0)
        return result;
    if (capacity_bytes > IOCP_DRAFT_ROOM_BYTES_MAX)
        return grown(worker, -EINVAL);
    result = may_grow(worker, capacity_bytes, &slot);
    if (result < 0 || capacity_bytes == 0)
        return grown(worker, result);
    result = iocp_send_draft_reserve(&worker->pool, (uint32_t)capacity_bytes);
    if (result < 0)
        return grown(worker, iocp_worker_refuse(worker, slot, result));
    *start = worker->pool.draft.room_start;
    return 0;
}

int iocp_draft_keep(iocp_worker *worker, uint32_t count_bytes)
{
    const int result = find_draft(worker);
    if (result == 0)
        iocp_send_draft_keep(&worker->pool, count_bytes);
    return result;
}

/* Asked again at the end: meanwhile the connection may have been closed, finished or given another cap. After a wait
 * its socket may be full as well; then shared chunks are no place for its bytes. */
static int may_leave(iocp_worker *worker, iocp_slot **slot)
{
    const iocp_send_draft *draft = &worker->pool.draft;
    int result = find_sender(worker, draft->connection, slot);
    if (result < 0 || draft->queue.unsent_bytes == 0)
        return result;
    result = check_caps(worker, *slot, draft->queue.unsent_bytes);
    if (result == 0 && !draft->own && ((*slot)->flags & IOCP_SLOT_STALLED))
        result = iocp_worker_refuse(worker, *slot, -ENOBUFS);
    return result;
}

static int seal_draft(iocp_worker *worker, iocp_slot *slot)
{
    const uint32_t count_bytes = worker->pool.draft.queue.unsent_bytes;
    const uint64_t sealed_bytes = iocp_worker_sealed_bytes(worker, slot, count_bytes);
    if (!iocp_worker_may_take_chunks(worker, slot, sealed_bytes, (uint32_t)sealed_bytes) ||
        !iocp_worker_seals(worker, slot, sealed_bytes))
        return iocp_worker_refuse(worker, slot, -ENOBUFS);
    return iocp_worker_seal_draft(worker, slot);
}

int iocp_draft_send(iocp_worker *worker)
{
    iocp_slot *slot;
    int result = find_draft(worker);
    if (result == 0)
        result = may_leave(worker, &slot);
    if (result == 0 && iocp_worker_captures(worker))
        iocp_worker_write_draft(worker, slot);
    if (result == 0 && slot->layer != IOCP_LAYER_NONE) {
        result = worker->pool.draft.queue.unsent_bytes > 0 ? seal_draft(worker, slot) : 0;
        iocp_draft_discard(worker);
        return result;
    }
    if (result < 0) {
        iocp_draft_discard(worker);
        return result;
    }
    const uint32_t count_bytes = iocp_send_draft_join(&worker->pool, &slot->queue);
    return count_bytes > 0 ? queued(worker, slot, 0, count_bytes) : 0;
}

void iocp_draft_discard(iocp_worker *worker)
{
    if (iocp_worker_is_mine(worker) && worker->pool.draft.open)
        iocp_send_draft_discard(&worker->pool);
}
