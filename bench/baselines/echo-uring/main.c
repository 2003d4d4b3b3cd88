/* Echo server on bare io_uring, one thread: what io_uring can do with no abstraction above it.
 *
 * Multishot accept into direct descriptors, multishot receives into a few large buffers that fill piece by piece,
 * sends straight out of them that complete in silence, and one io_uring_enter per turn. Nearly all of a message's time
 * is the kernel's TCP. */
#define _GNU_SOURCE
#include "server.h"

#include <errno.h>
#include <stdlib.h>

#include "baseline.h"

static void received(server *self, uint32_t slot, const struct io_uring_cqe *completion)
{
    connection *from = &self->connections[slot];
    if (completion->flags & IORING_CQE_F_BUFFER) {
        const char *bytes = buffers_take(&self->buffers, completion);
        if (completion->res > 0 && self->room == NULL)
            echo_received(self, slot, bytes, (uint32_t)completion->res);
        else if (completion->res > 0)
            room_received(self, slot, bytes, (uint32_t)completion->res);
    }
    if (completion->flags & IORING_CQE_F_MORE)
        return;
    from->receiving = from->cancels_receive = false;
    connection_changed(self, slot);
    if (completion->res > 0)
        return;
    switch (-completion->res) {
    case 0:
        from->ended = true;
        return;
    case ENOBUFS:
    case ECANCELED:
    case EINTR:
        return;
    default:
        from->broken = true;
    }
}

static void handle(server *self, const struct io_uring_cqe *completion)
{
    const uint32_t slot = (uint32_t)completion->user_data;
    switch ((kind)(completion->user_data >> 32)) {
    case KIND_RECEIVE:
        received(self, slot, completion);
        return;
    case KIND_ACCEPT:
        acceptor_accepted(self, completion);
        return;
    case KIND_ACCEPT_PAUSE:
        acceptor_resume(self);
        return;
    case KIND_SEND_NOW:
        if (self->room == NULL)
            echo_sent_short(self, slot, completion->res);
        else
            room_sent_short(self, slot, completion->res);
        return;
    case KIND_SEND_OWED:
        if (self->room == NULL)
            echo_sent_owed(self, slot, completion->res);
        else
            room_sent_owed(self, slot, completion->res);
        return;
    case KIND_IGNORED:
        return;
    }
}

/* Everything must be handled before the next submission: the failure of a send then always comes before what its
 * connection received later, which would overtake the bytes that were not sent. */
void server_drain(server *self)
{
    struct io_uring_cq *queue = &self->ring.uring.cq;
    const uint32_t mask = *queue->kring_mask;
    do {
        const uint32_t tail = io_uring_smp_load_acquire(queue->ktail);
        uint32_t head = *queue->khead;
        for (; head != tail; head++)
            handle(self, &queue->cqes[head & mask]);
        io_uring_smp_store_release(queue->khead, head);
    } while (ring_refill(&self->ring));
}

int main(int argc, char **argv)
{
    static server self = {.listed = SLOT_NONE};
    baseline_options options = baseline_options_parse(argc, argv, BASELINE_ECHO_OR_FAN_OUT);
    self.capacity = (uint32_t)baseline_process_prepare();
    self.acceptor.listener = baseline_listen(options, false);
    self.connections = calloc(self.capacity, sizeof *self.connections);
    if (self.connections == NULL)
        baseline_fail("connection table", ENOMEM);
    ring_open(&self.ring, self.capacity);
    buffers_open(&self.buffers, &self.ring);
    if (options.fan_out_bytes > 0)
        room_open(&self, options.fan_out_bytes);
    baseline_announce(self.acceptor.listener);

    for (bool submitted = false;;) {
        acceptor_settle(&self);
        /* Large messages: once they have left, the buffers they came in can take the next ones while still in the
         * cache, which is worth an entry of its own. Not twice in a row, since it brings nobody else's bytes. */
        submitted = !submitted && buffers_spent(&self.buffers);
        if (submitted)
            ring_submit(&self.ring);
        else
            ring_turn(&self.ring, self.listed == SLOT_NONE);
        server_drain(&self);
        if (self.room != NULL)
            room_turn_ended(&self);
        buffers_turn_end(&self.buffers);
        connections_settle(&self);
    }
}
