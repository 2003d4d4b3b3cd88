/* The application's calls on one connection, but for sends: they check and list the slot. None enters the kernel,
 * except connect and adopt (a socket is created, or has one more descriptor). */
#include <errno.h>
#include <unistd.h>

#include "layers.h"
#include "life.h"
#include "lookup.h"
#include "travel.h"
#include "windows.h"

/* --- receiving ---------------------------------------------------------------------------------------------- */

int iocp_receive_pause(iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot;
    const int result = iocp_worker_find_open(worker, connection, &slot);
    if (result < 0)
        return result;
    iocp_slot_set(slot, IOCP_SLOT_PAUSED);
    iocp_worker_touch(worker, slot);
    return 0;
}

int iocp_receive_resume(iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot;
    const int result = iocp_worker_find_open(worker, connection, &slot);
    if (result < 0)
        return result;
    iocp_slot_clear(slot, IOCP_SLOT_PAUSED);
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

bool iocp_connection_is_open(const iocp_worker *worker, iocp_token connection)
{
    IOCP_CHECK(!iocp_worker_is_foreign(worker),
               "a connection was asked whether it is open on another thread than its worker's");
    iocp_slot *slot;
    return iocp_worker_find_open(worker, connection, &slot) == 0;
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

int iocp_connect_to(iocp_worker *worker, const iocp_endpoint *endpoint, const iocp_endpoint *source,
                    uint64_t timeout_ns, uint64_t key, iocp_token *connection)
{
    return iocp_connect_layered(worker, endpoint, source, NULL, timeout_ns, key, connection);
}

/* A slot for a connection that begins here. -errno: it may not. */
static int take_slot(iocp_worker *worker, uint64_t key, iocp_slot **slot)
{
    const int refusal = iocp_worker_refusal(worker);
    if (refusal < 0)
        return refusal;
    if (iocp_worker_said_stopping(worker))
        return -ESHUTDOWN;
    if (!iocp_worker_spares_slot(worker))
        return -ENFILE;
    *slot = iocp_worker_slot_take(worker, IOCP_HANDLE_NONE, IOCP_SLOT_CONNECTING);
    if (*slot == NULL)
        return -ENFILE;
    (*slot)->key = key;
    return 0;
}

/* What the driver made of it: a connect under way, or a slot that is free again. */
static int begun(iocp_worker *worker, iocp_slot *slot, int result, const iocp_layer *layer, iocp_token *connection)
{
    if (result < 0) {
        iocp_slot_take_back(&worker->table, iocp_slot_index(&worker->table, slot));
        return result;
    }
    slot->connect = IOCP_CONNECT_SUBMITTED;
    if (!iocp_layer_is_none(layer))
        iocp_worker_layer_give(worker, slot, layer);
    *connection = iocp_slot_connection(&worker->table, slot);
    return 0;
}

int iocp_connect_layered(iocp_worker *worker, const iocp_endpoint *endpoint, const iocp_endpoint *source,
                         const iocp_layer *layer, uint64_t timeout_ns, uint64_t key, iocp_token *connection)
{
    if (timeout_ns > IOCP_TIMEOUT_NS_MAX)
        return -ERANGE;
    iocp_slot *slot;
    int result = take_slot(worker, key, &slot);
    if (result < 0)
        return result;
    result = worker->operations->connect(worker->driver, iocp_slot_token(&worker->table, slot, IOCP_OPERATION_CONNECT),
                                         endpoint, source, &slot->handle);
    result = begun(worker, slot, result, layer, connection);
    if (result == 0 && timeout_ns > 0)
        iocp_worker_arm_connect(worker, slot, timeout_ns);
    return result;
}

int iocp_adopt(iocp_worker *worker, int fd, const iocp_layer *layer, uint64_t key, iocp_token *connection)
{
    iocp_slot *slot;
    int result = take_slot(worker, key, &slot);
    if (result < 0)
        return result;
    result = worker->operations->adopt(worker->driver, iocp_slot_token(&worker->table, slot, IOCP_OPERATION_CONNECT), fd,
                                       &slot->handle);
    result = begun(worker, slot, result, layer, connection);
    if (result == 0)
        close(fd); /* the driver has another one of the same socket */
    return result;
}

int iocp_connect_cancel(iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot = iocp_worker_find_slot(worker, connection);
    const bool layering = slot != NULL && slot->state == IOCP_SLOT_OPEN && slot->connect == IOCP_CONNECT_LAYERING;
    if (slot == NULL || (slot->state != IOCP_SLOT_CONNECTING && !layering))
        return iocp_worker_is_foreign(worker) ? -EPERM : -ENOTCONN;
    iocp_worker_begin_close(worker, slot, IOCP_CLOSE_LOCAL, 0, true);
    return 0;
}

int iocp_close(iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot = iocp_worker_find_slot(worker, connection);
    if (slot != NULL && slot->state == IOCP_SLOT_LEAVING) {
        iocp_moving_end(worker, slot, false);
        return 0;
    }
    if (slot == NULL || (slot->state != IOCP_SLOT_OPEN && slot->state != IOCP_SLOT_CONNECTING))
        return iocp_worker_absent(worker, connection);
    iocp_worker_begin_close(worker, slot, IOCP_CLOSE_LOCAL, 0, false);
    return 0;
}

int iocp_abort(iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot = iocp_worker_find_slot(worker, connection);
    if (slot != NULL && slot->state == IOCP_SLOT_LEAVING) {
        iocp_moving_end(worker, slot, true);
        return 0;
    }
    if (slot == NULL || slot->state >= IOCP_SLOT_DRAINING)
        return iocp_worker_absent(worker, connection);
    iocp_worker_begin_close(worker, slot, IOCP_CLOSE_ABORTED, 0, true);
    return 0;
}

int iocp_overflow(iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot;
    const int result = iocp_worker_find_open(worker, connection, &slot);
    if (result == 0)
        iocp_worker_begin_close(worker, slot, IOCP_CLOSE_SEND_OVERFLOW, 0, true);
    return result;
}

int iocp_connection_refusal(const iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot;
    return iocp_worker_find_open(worker, connection, &slot);
}

int iocp_finish_sending(iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot;
    const int result = iocp_worker_find_open(worker, connection, &slot);
    if (result < 0)
        return result;
    iocp_worker_layer_finish(worker, slot);
    if (slot->finish == IOCP_FINISH_NONE)
        slot->finish = IOCP_FINISH_WANTED;
    iocp_worker_touch(worker, slot);
    return 0;
}

/* --- asking ------------------------------------------------------------------------------------------------- */

uint64_t iocp_connection_unsent_bytes(iocp_worker *worker, iocp_token connection)
{
    const iocp_slot *slot = iocp_worker_find_slot(worker, connection);
    IOCP_CHECK(slot != NULL || !iocp_worker_is_foreign(worker),
               "a connection was asked for its unsent bytes on another thread than its worker's");
    return slot != NULL ? slot->queue.unsent_bytes : 0;
}

bool iocp_connection_is_pressed(iocp_worker *worker, iocp_token connection)
{
    const iocp_slot *slot = iocp_worker_find_slot(worker, connection);
    return slot != NULL && (slot->flags & IOCP_SLOT_PRESSED) != 0;
}

uint64_t iocp_connection_send_room(iocp_worker *worker, iocp_token connection)
{
    iocp_slot *slot;
    if (iocp_worker_find_open(worker, connection, &slot) < 0)
        return 0;
    const uint32_t cap_bytes = iocp_worker_marks(worker, slot)->cap_bytes;
    return cap_bytes > slot->queue.unsent_bytes ? cap_bytes - slot->queue.unsent_bytes : 0;
}

int iocp_connection_set_key(iocp_worker *worker, iocp_token connection, uint64_t key)
{
    iocp_slot *slot = iocp_worker_find_slot(worker, connection);
    if (slot == NULL)
        return iocp_worker_absent(worker, connection);
    slot->key = key;
    return 0;
}

int iocp_connection_counters_get(iocp_worker *worker, iocp_token connection, iocp_connection_counters *counters)
{
    const iocp_slot *slot = iocp_worker_find_slot(worker, connection);
    if (slot == NULL)
        return iocp_worker_absent(worker, connection);
    *counters = (iocp_connection_counters){.received_bytes = slot->received_bytes,
                                           .sent_bytes = slot->sent_bytes - iocp_slot_uncertain_bytes(slot),
                                           .opened_ns = slot->opened_ns};
    return 0;
}

/* --- counting ----------------------------------------------------------------------------------------------- */

void iocp_worker_count_jobs(iocp_worker *worker, uint32_t ran, uint32_t waiting)
{
    if (!iocp_worker_is_mine(worker))
        return;
    IOCP_STATS_ADD(worker->stats, jobs, ran);
    IOCP_STATS_SET(worker->stats, waiting_jobs, waiting);
}

void iocp_worker_count_handler_error(iocp_worker *worker)
{
    if (iocp_worker_is_mine(worker))
        IOCP_STATS_ADD(worker->stats, handler_errors, 1);
}
