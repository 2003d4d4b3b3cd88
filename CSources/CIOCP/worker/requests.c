/* The application's calls on one connection: they check, fill memory and list the slot. None enters the kernel,
 * except connect (a socket is created), peer and local (the kernel is asked). */
#include <errno.h>
#include <sys/socket.h>

#include "life.h"
#include "lookup.h"
#include "windows.h"

/* A closed worker has no slots, so it finds none; nor does another thread than the owner's. */
static iocp_slot *find_slot(const iocp_worker *worker, iocp_token connection)
{
    return iocp_worker_is_mine(worker) ? iocp_slot_find(&worker->table, connection) : NULL;
}

static iocp_slot *open_slot(const iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot = find_slot(worker, connection);
    return slot != NULL && slot->state == IOCP_SLOT_OPEN ? slot : NULL;
}

/* Why a connection cannot be asked: by this thread, it is another worker's, or it is closed or closing. */
static int absent(const iocp_worker *worker, iocp_token connection)
{
    if (iocp_worker_is_foreign(worker))
        return -EPERM;
    return connection != 0 && iocp_token_worker(connection) != worker->setup.index ? -EXDEV : -ENOTCONN;
}

int iocp_worker_find_open(iocp_worker *worker, iocp_token connection, iocp_slot **slot)
{
    *slot = open_slot(worker, connection);
    return *slot != NULL ? 0 : absent(worker, connection);
}

/* --- sending ------------------------------------------------------------------------------------------------ */

/* A refused sender is told when to try again: with unsent bytes, WRITABLE follows their fall to the low mark. */
static int refuse(iocp_worker *worker, iocp_slot *slot, int result)
{
    IOCP_STATS_ADD(worker->stats, refused_sends, 1);
    if (slot->queue.unsent_bytes > 0)
        slot->flags |= IOCP_SLOT_PRESSED;
    return result;
}

/* Whether a send is one of a connection that keeps up, and so may use the reserve: a part of the worker's cap, chunks
 * and nodes that peers who do not read cannot take from those who do. */
static bool keeps_up(const iocp_slot *slot, uint64_t count_bytes)
{
    return !(slot->flags & IOCP_SLOT_SEND_BLOCKED) &&
           slot->queue.unsent_bytes + count_bytes <= IOCP_SEND_CHUNK_BYTES;
}

static bool may_take_node(const iocp_worker *worker, const iocp_slot *slot, uint64_t count_bytes)
{
    return iocp_send_pool_spares_node(&worker->pool) ||
           (keeps_up(slot, count_bytes) && iocp_send_queue_is_short(&worker->pool, &slot->queue));
}

/* Finds a connection that may send `count_bytes` more, within its cap and the worker's. */
static int sendable_slot(iocp_worker *worker, iocp_token connection, uint64_t count_bytes, iocp_slot **found)
{
    const iocp_port_config *config = worker->setup.config;
    iocp_slot *slot = open_slot(worker, connection);
    *found = slot;
    if (slot == NULL)
        return absent(worker, connection);
    if (slot->flags & IOCP_SLOT_FINISH_WANTED)
        return -EPIPE;
    if (count_bytes == 0)
        return 0;
    const uint32_t cap_bytes = iocp_worker_marks(worker, slot)->cap_bytes;
    if (slot->queue.unsent_bytes + count_bytes > cap_bytes) {
        if (config->overflow_policy == IOCP_OVERFLOW_CLOSE)
            iocp_worker_begin_close(worker, slot, IOCP_CLOSE_SEND_OVERFLOW, 0, true);
        /* Alone it is over the cap: trying again would never end. */
        return refuse(worker, slot, count_bytes > cap_bytes ? -EMSGSIZE : -EAGAIN);
    }
    const uint64_t reserve_bytes =
        keeps_up(slot, count_bytes) ? 0 : config->worker_unsent_bytes / IOCP_SEND_RESERVE_SHARE;
    if (worker->unsent_bytes + count_bytes > config->worker_unsent_bytes - reserve_bytes ||
        !may_take_node(worker, slot, count_bytes))
        return refuse(worker, slot, -ENOBUFS);
    return 0;
}

/* After bytes were queued, or could not be. */
static int queued(iocp_worker *worker, iocp_slot *slot, int result, uint32_t count_bytes)
{
    if (result < 0)
        return refuse(worker, slot, result);
    worker->unsent_bytes += count_bytes;
    if (slot->flags & IOCP_SLOT_SEND_BLOCKED)
        worker->stalled_bytes += count_bytes;
    if (slot->queue.unsent_bytes == count_bytes)
        iocp_worker_begin_send_window(worker, slot);
    if (slot->queue.unsent_bytes >= iocp_worker_marks(worker, slot)->high_bytes)
        slot->flags |= IOCP_SLOT_PRESSED;
    iocp_worker_touch(worker, slot);
    return 0;
}

static bool waits_for_room(const iocp_slot *slot)
{
    return slot->flags & (IOCP_SLOT_SEND_BLOCKED | IOCP_SLOT_SENDING);
}

static int queue_copy(iocp_worker *worker, iocp_slot *slot, const uint8_t *bytes, uint32_t count_bytes)
{
    if (!keeps_up(slot, count_bytes) && !iocp_send_pool_spares_chunks(&worker->pool, count_bytes))
        return -ENOBUFS;
    /* A connection behind a full socket keeps its bytes in chunks of its own. */
    return iocp_send_queue_copy(&worker->pool, &slot->queue, bytes, count_bytes, slot->flags & IOCP_SLOT_SEND_BLOCKED);
}

int iocp_send(iocp_worker *worker, iocp_token connection, const void *bytes, size_t count_bytes)
{
    iocp_slot *slot;
    const int result = sendable_slot(worker, connection, count_bytes, &slot);
    if (result < 0 || count_bytes == 0)
        return result;
    const uint32_t count = (uint32_t)count_bytes; /* within the cap */
    return queued(worker, slot, queue_copy(worker, slot, bytes, count), count);
}

int iocp_send_lease(iocp_worker *worker, iocp_token connection, uint16_t lease, const uint8_t *bytes,
                    uint32_t count_bytes)
{
    iocp_slot *slot;
    const int result = sendable_slot(worker, connection, count_bytes, &slot);
    if (result < 0)
        return result;
    /* Behind a send that waits for its peer a lease would keep its buffer from every connection: copy instead. */
    if (count_bytes == 0 || (waits_for_room(slot) && queue_copy(worker, slot, bytes, count_bytes) == 0)) {
        iocp_receive_buffers_return(&worker->buffers, lease);
        return queued(worker, slot, 0, count_bytes);
    }
    if (slot->flags & IOCP_SLOT_SEND_BLOCKED)
        return refuse(worker, slot, -ENOBUFS);
    return queued(worker, slot, iocp_send_queue_lease(&worker->pool, &slot->queue, lease, bytes, count_bytes),
                  count_bytes);
}

int iocp_send_shared(iocp_worker *worker, iocp_token connection, iocp_shared_bytes *shared)
{
    iocp_slot *slot;
    const uint32_t count_bytes = iocp_shared_bytes_count(shared);
    const int result = sendable_slot(worker, connection, count_bytes, &slot);
    if (result < 0 || count_bytes == 0)
        return result;
    return queued(worker, slot, iocp_send_queue_shared(&worker->pool, &slot->queue, shared), count_bytes);
}

int iocp_send_notify(iocp_worker *worker, iocp_token connection, uint64_t key)
{
    iocp_slot *slot;
    int result = sendable_slot(worker, connection, 0, &slot);
    if (result < 0)
        return result;
    if (!may_take_node(worker, slot, 0))
        return refuse(worker, slot, -ENOBUFS);
    result = iocp_send_queue_mark(&worker->pool, &slot->queue, key);
    if (result < 0)
        return refuse(worker, slot, result);
    iocp_worker_touch(worker, slot);
    return 0;
}

uint64_t iocp_connection_unsent_bytes(iocp_worker *worker, iocp_token connection)
{
    const iocp_slot *slot = find_slot(worker, connection);
    IOCP_CHECK(slot != NULL || !iocp_worker_is_foreign(worker),
               "a connection was asked for its unsent bytes on another thread than its worker's");
    return slot != NULL ? slot->queue.unsent_bytes : 0;
}

/* --- receiving ---------------------------------------------------------------------------------------------- */

int iocp_receive_pause(iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot = open_slot(worker, connection);
    if (slot == NULL)
        return absent(worker, connection);
    slot->flags |= IOCP_SLOT_PAUSED;
    iocp_worker_touch(worker, slot);
    return 0;
}

int iocp_receive_resume(iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot = open_slot(worker, connection);
    if (slot == NULL)
        return absent(worker, connection);
    slot->flags &= ~(uint32_t)IOCP_SLOT_PAUSED;
    iocp_worker_begin_receive_window(worker, slot);
    iocp_worker_touch(worker, slot);
    return 0;
}

void iocp_lease_return(iocp_worker *worker, uint16_t lease)
{
    if (iocp_worker_is_mine(worker))
        iocp_receive_buffers_return(&worker->buffers, lease);
    else
        iocp_worker_lease_late(worker, lease);
}

/* --- opening and closing ------------------------------------------------------------------------------------ */

int iocp_connect(iocp_worker *worker, const iocp_address *address, const iocp_address *source, uint64_t key,
                 iocp_token *connection)
{
    return iocp_connect_within(worker, address, source, 0, key, connection);
}

int iocp_connect_within(iocp_worker *worker, const iocp_address *address, const iocp_address *source,
                        uint64_t timeout_ns, uint64_t key, iocp_token *connection)
{
    const iocp_endpoint to = iocp_endpoint_tcp(address);
    const iocp_endpoint from = source != NULL ? iocp_endpoint_tcp(source) : to;
    return iocp_connect_to(worker, &to, source != NULL ? &from : NULL, timeout_ns, key, connection);
}

int iocp_connect_to(iocp_worker *worker, const iocp_endpoint *endpoint, const iocp_endpoint *source, uint64_t timeout_ns,
                    uint64_t key, iocp_token *connection)
{
    if (timeout_ns > IOCP_TIMEOUT_NS_MAX)
        return -ERANGE;
    const int refusal = iocp_worker_refusal(worker);
    if (refusal < 0)
        return refusal;
    if (iocp_worker_said_stopping(worker))
        return -ESHUTDOWN;
    if (!iocp_worker_spares_slot(worker))
        return -ENFILE;
    iocp_slot *slot = iocp_worker_slot_take(worker, IOCP_HANDLE_NONE, IOCP_SLOT_CONNECTING);
    if (slot == NULL)
        return -ENFILE;
    slot->key = key;
    slot->flags |= IOCP_SLOT_CONNECTOR;
    const int result = worker->operations->connect(
        worker->driver, iocp_slot_token(&worker->table, slot, IOCP_OPERATION_CONNECT), endpoint, source, &slot->handle);
    if (result < 0) {
        iocp_slot_take_back(&worker->table, iocp_slot_index(&worker->table, slot));
        return result;
    }
    slot->outstanding_count++;
    if (timeout_ns > 0)
        iocp_worker_arm_connect(worker, slot, timeout_ns);
    *connection = iocp_slot_connection(&worker->table, slot);
    return 0;
}

int iocp_connect_cancel(iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot = find_slot(worker, connection);
    if (slot == NULL || slot->state != IOCP_SLOT_CONNECTING)
        return iocp_worker_is_foreign(worker) ? -EPERM : -ENOTCONN;
    iocp_worker_begin_close(worker, slot, IOCP_CLOSE_LOCAL, 0, true);
    return 0;
}

int iocp_close(iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot = find_slot(worker, connection);
    if (slot == NULL || (slot->state != IOCP_SLOT_OPEN && slot->state != IOCP_SLOT_CONNECTING))
        return absent(worker, connection);
    iocp_worker_begin_close(worker, slot, IOCP_CLOSE_LOCAL, 0, false);
    return 0;
}

int iocp_abort(iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot = find_slot(worker, connection);
    if (slot == NULL || slot->state >= IOCP_SLOT_DRAINING)
        return absent(worker, connection);
    iocp_worker_begin_close(worker, slot, IOCP_CLOSE_ABORTED, 0, true);
    return 0;
}

int iocp_finish_sending(iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot = open_slot(worker, connection);
    if (slot == NULL)
        return absent(worker, connection);
    slot->flags |= IOCP_SLOT_FINISH_WANTED;
    iocp_worker_touch(worker, slot);
    return 0;
}

/* --- asking ------------------------------------------------------------------------------------------------- */

int iocp_connection_set_key(iocp_worker *worker, iocp_token connection, uint64_t key)
{
    iocp_slot *slot = find_slot(worker, connection);
    if (slot == NULL)
        return absent(worker, connection);
    slot->key = key;
    return 0;
}

/* NULL for a connection whose socket cannot be asked: while the driver closes it, the handle may be another one's. */
static const iocp_slot *slot_with_socket(const iocp_worker *worker, iocp_token connection)
{
    const iocp_slot *slot = find_slot(worker, connection);
    return slot != NULL && slot->handle != IOCP_HANDLE_NONE && slot->state != IOCP_SLOT_CLOSING ? slot : NULL;
}

int iocp_connection_peer(iocp_worker *worker, iocp_token connection, iocp_address *address)
{
    const iocp_slot *slot = slot_with_socket(worker, connection);
    return slot != NULL ? worker->operations->peer(worker->driver, slot->handle, address) : absent(worker, connection);
}

int iocp_connection_local(iocp_worker *worker, iocp_token connection, iocp_address *address)
{
    const iocp_slot *slot = slot_with_socket(worker, connection);
    return slot != NULL ? worker->operations->local(worker->driver, slot->handle, address) : absent(worker, connection);
}

int iocp_connection_credentials(iocp_worker *worker, iocp_token connection, iocp_credentials *credentials)
{
    const iocp_slot *slot = find_slot(worker, connection);
    if (slot == NULL || slot->handle == IOCP_HANDLE_NONE || slot->state == IOCP_SLOT_CLOSING)
        return absent(worker, connection);
    struct ucred found = {0};
    const int result = worker->operations->option(worker->driver, slot->handle, SO_PEERCRED, &found, sizeof found);
    if (result < 0)
        return result;
    *credentials = (iocp_credentials){.process = found.pid, .user = found.uid, .group = found.gid};
    return found.pid == 0 ? -EAFNOSUPPORT : 0; /* what other sockets say */
}

int iocp_connection_counters_get(iocp_worker *worker, iocp_token connection, iocp_connection_counters *counters)
{
    const iocp_slot *slot = find_slot(worker, connection);
    if (slot == NULL)
        return absent(worker, connection);
    /* A silent send was counted before it ended. */
    const uint32_t uncertain_bytes = slot->flags & IOCP_SLOT_SEND_COUNTED ? slot->in_flight_bytes : 0;
    *counters = (iocp_connection_counters){.received_bytes = slot->received_bytes,
                                           .sent_bytes = slot->sent_bytes - uncertain_bytes,
                                           .opened_ns = slot->opened_ns};
    return 0;
}

/* --- counting ----------------------------------------------------------------------------------------------- */

void iocp_worker_count_handler_error(iocp_worker *worker)
{
    if (iocp_worker_is_mine(worker))
        IOCP_STATS_ADD(worker->stats, handler_errors, 1);
}
