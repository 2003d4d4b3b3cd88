/* What happens to a connection besides messages. Its state is looked at when a turn ends, and says what to do. */
#define _GNU_SOURCE
#include "server.h"

/* Entries that looking at one connection may need. */
enum { ENTRIES_MAX = 3 };

void connection_open(server *self, uint32_t slot)
{
    self->connections[slot] = (connection){0};
    self->count++;
    if (self->room != NULL)
        room_joined(self, slot);
    connection_changed(self, slot);
}

void connection_changed(server *self, uint32_t slot)
{
    connection *changed = &self->connections[slot];
    if (changed->listed)
        return;
    changed->listed = true;
    changed->next = self->listed;
    self->listed = slot;
}

static void receive(server *self, uint32_t slot)
{
    struct io_uring_sqe *entry = server_entry(self, IORING_OP_RECV, KIND_RECEIVE, slot);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->ioprio = IORING_RECV_MULTISHOT;
    entry->buf_group = BUFFERS_GROUP;
    self->connections[slot].receiving = true;
}

void server_cancel(server *self, uint64_t token)
{
    struct io_uring_sqe *entry = ring_entry(&self->ring);
    entry->opcode = IORING_OP_ASYNC_CANCEL;
    entry->flags = IOSQE_CQE_SKIP_SUCCESS;
    entry->fd = -1;
    entry->addr = token;
    entry->user_data = server_token(KIND_IGNORED, 0);
}

static void cancel_receive(server *self, uint32_t slot)
{
    connection *connection = &self->connections[slot];
    if (!connection->cancels_receive)
        server_cancel(self, server_token(KIND_RECEIVE, slot));
    connection->cancels_receive = true;
}

static void cancel_send(server *self, uint32_t slot)
{
    connection *connection = &self->connections[slot];
    if (!connection->cancels_send)
        server_cancel(self, server_token(KIND_SEND_OWED, slot));
    connection->cancels_send = true;
}

static void close_slot(server *self, uint32_t slot)
{
    if (self->room != NULL)
        room_left(self, slot);
    else
        backlog_clear(&self->connections[slot].owed);
    struct io_uring_sqe *entry = ring_entry(&self->ring);
    entry->opcode = IORING_OP_CLOSE;
    entry->flags = IOSQE_CQE_SKIP_SUCCESS;
    entry->file_index = slot + 1;
    entry->user_data = server_token(KIND_IGNORED, 0);
    self->count--;
}

/* Returns false when the connection must be looked at again after the next submission. */
static bool settle(server *self, uint32_t slot)
{
    connection *connection = &self->connections[slot];
    if (connection->broken) {
        if (connection->receiving)
            cancel_receive(self, slot);
        if (connection->sending)
            cancel_send(self, slot);
    } else if (connection->owes) {
        if (self->room == NULL && connection->receiving)
            cancel_receive(self, slot);
        /* A send that was prepared, if it is cut short, must not be overtaken by what comes after it. */
        if (!connection->sending && server_has_prepared(self, connection))
            return false;
        if (!connection->sending && self->room != NULL)
            room_send_owed(self, slot);
        else if (!connection->sending)
            echo_send_owed(self, slot);
    }
    if (connection->receiving || connection->sending)
        return true;
    if (!connection->broken && !connection->ended) {
        /* Without a buffer the receive would end at once. */
        if (self->buffers.provided == 0)
            return false;
        receive(self, slot);
        return true;
    }
    /* Closing drops no byte of a send that has yet to happen. */
    if (server_has_prepared(self, connection))
        return false;
    close_slot(self, slot);
    return true;
}

void connections_settle(server *self)
{
    uint32_t slot = self->listed;
    self->listed = SLOT_NONE;
    while (slot != SLOT_NONE) {
        const uint32_t next = self->connections[slot].next;
        self->connections[slot].listed = false;
        if (ring_room(&self->ring) < ENTRIES_MAX || !settle(self, slot))
            connection_changed(self, slot);
        slot = next;
    }
}
