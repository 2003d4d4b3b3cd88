/* The echo: what is received leaves straight from the receive buffer. A connection has one send per submission, which
 * takes all that came for it in the turn.
 *
 * A send with MSG_DONTWAIT ends within its submission, so it has no completion unless it was cut short: when the
 * completions of an entry are handled, all other sends that went with it have succeeded. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>

#include "server.h"

static void give_up(server *self, uint32_t slot)
{
    self->connections[slot].broken = true;
    connection_changed(self, slot);
}

static void owe(server *self, uint32_t slot, const char *bytes, size_t count)
{
    connection *to = &self->connections[slot];
    if (!backlog_append(&to->owed, bytes, count))
        to->broken = true;
    to->owes = true;
    connection_changed(self, slot);
}

/* Makes the prepared send a gathering one. Returns false when there is no more room for that. */
static bool gather(server *self, connection *to)
{
    to->gather = ring_gather_take(&self->ring);
    if (to->gather == NULL)
        return false;
    to->gather->ranges[0] = (struct iovec){.iov_base = (void *)to->start, .iov_len = to->bytes};
    to->gather->message = (struct msghdr){.msg_iov = to->gather->ranges, .msg_iovlen = 1};
    to->entry->opcode = IORING_OP_SENDMSG;
    to->entry->addr = (uint64_t)(uintptr_t)&to->gather->message;
    to->entry->len = 1;
    return true;
}

/* Adds to the send that was prepared in this turn. Returns false when it takes no more. */
static bool extend(server *self, connection *to, const char *bytes, uint32_t count)
{
    if (to->gather == NULL && to->start + to->bytes == bytes) {
        to->bytes += count;
        to->entry->len += count;
        return true;
    }
    if (to->gather == NULL && !gather(self, to))
        return false;
    struct msghdr *message = &to->gather->message;
    struct iovec *last = &message->msg_iov[message->msg_iovlen - 1];
    if ((char *)last->iov_base + last->iov_len == bytes) {
        last->iov_len += count;
    } else {
        if (message->msg_iovlen == RING_GATHER_RANGES)
            return false;
        last[1] = (struct iovec){.iov_base = (void *)bytes, .iov_len = count};
        message->msg_iovlen++;
    }
    to->bytes += count;
    return true;
}

void echo_received(server *self, uint32_t slot, const char *bytes, uint32_t count)
{
    connection *to = &self->connections[slot];
    if (to->broken)
        return;
    const bool prepared = server_has_prepared(self, to);
    if (to->owes || (prepared && !extend(self, to, bytes, count)) || (!prepared && ring_room(&self->ring) == 0)) {
        owe(self, slot, bytes, count);
        return;
    }
    if (prepared)
        return;
    struct io_uring_sqe *entry = ring_entry(&self->ring);
    entry->opcode = IORING_OP_SEND;
    entry->flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
    entry->fd = (int32_t)slot;
    entry->addr = (uint64_t)(uintptr_t)bytes;
    entry->len = count;
    /* MSG_WAITALL makes a short send a failed one, which is not skipped. */
    entry->msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
    entry->user_data = server_token(KIND_SEND_NOW, slot);
    to->start = bytes;
    to->entry = entry;
    to->gather = NULL;
    to->bytes = count;
    to->submission = self->ring.submission;
}

/* Copies what of the last send is beyond `sent` bytes. */
static bool keep_unsent(const connection *from, size_t sent, backlog *unsent)
{
    if (from->gather == NULL)
        return backlog_append(unsent, from->start + sent, from->bytes - sent);
    const struct msghdr *message = &from->gather->message;
    for (size_t index = 0; index < message->msg_iovlen; index++) {
        const struct iovec *range = &message->msg_iov[index];
        const size_t skipped = sent < range->iov_len ? sent : range->iov_len;
        if (!backlog_append(unsent, (const char *)range->iov_base + skipped, range->iov_len - skipped))
            return false;
        sent -= skipped;
    }
    return true;
}

void echo_sent_short(server *self, uint32_t slot, int32_t result)
{
    connection *to = &self->connections[slot];
    backlog unsent = {0};
    if ((result < 0 && result != -EAGAIN) || !keep_unsent(to, result < 0 ? 0 : (size_t)result, &unsent)) {
        backlog_clear(&unsent);
        give_up(self, slot);
        return;
    }
    /* What the send had no room for comes after what it did not send. */
    backlog_join(&unsent, to->owed);
    to->owed = unsent;
    to->owes = true;
    connection_changed(self, slot);
}

void echo_send_owed(server *self, uint32_t slot)
{
    connection *to = &self->connections[slot];
    size_t count;
    const char *bytes = backlog_first(&to->owed, &count);
    struct io_uring_sqe *entry = server_entry(self, IORING_OP_SEND, KIND_SEND_OWED, slot);
    entry->addr = (uint64_t)(uintptr_t)bytes;
    entry->len = (uint32_t)count;
    entry->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    to->sending = true;
}

void echo_sent_owed(server *self, uint32_t slot, int32_t result)
{
    connection *to = &self->connections[slot];
    to->sending = false;
    if (result < 0) {
        to->broken = true;
    } else {
        backlog_sent(&to->owed, (size_t)result);
        to->owes = to->owed.first != NULL;
    }
    connection_changed(self, slot);
}
