/* Fan-out on io_uring: what one turn brought is collected, and each subscriber gets it with one send, straight from
 * where it was received. Those sends end within their submission and speak only when they were cut short; then what
 * is left, or as many whole frames of it as the bound allows, is queued by reference and sent by one that waits. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "baseline.h"
#include "fan_out.h"
#include "server.h"

_Static_assert((int)RING_GATHER_RANGES >= (int)FAN_OUT_QUEUE_FRAMES, "one send takes all that is owed");

/* Entries left to others when a submission is filled with sends. */
enum { ENTRIES_SPARE = 64 };

enum { PIECES_LEAST = 1024 };

typedef struct piece {
    const char *bytes;
    uint32_t count;
    uint32_t slot;
} piece;

typedef struct subscriber {
    fan_out_reader reader;
    fan_out_queue queue;
    uint32_t place; /* in `members` */
} subscriber;

typedef struct room {
    subscriber *subscribers; /* by slot */
    uint32_t *members;       /* slots, without gaps */
    uint32_t count;
    fan_out_turn turn;
    /* Received and not yet in the turn, which stays as it is while it goes out. As many as the receive buffers hold. */
    piece *pieces;
    uint32_t piece_count;
    uint32_t piece_capacity;
    /* For a subscriber that sent some of the turn itself; used until submitted. */
    struct msghdr whole;
    struct msghdr others;
    struct iovec other_ranges[FAN_OUT_RUNS_MAX];
} room;

/* --- the turn goes out -------------------------------------------------------------------------------------- */

static void submit(server *self)
{
    ring_submit(&self->ring);
    server_drain(self);
}

static void send_now(server *self, uint32_t slot, struct msghdr *message)
{
    struct io_uring_sqe *entry = server_entry(self, IORING_OP_SENDMSG, KIND_SEND_NOW, slot);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    /* MSG_WAITALL makes a short send a failed one, which is not skipped. */
    entry->msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
    if (message->msg_iovlen == 1) {
        entry->opcode = IORING_OP_SEND;
        entry->addr = (uint64_t)(uintptr_t)message->msg_iov->iov_base;
        entry->len = (uint32_t)message->msg_iov->iov_len;
    } else {
        entry->addr = (uint64_t)(uintptr_t)message;
        entry->len = 1;
    }
    self->connections[slot].submission = self->ring.submission;
}

static void give_up(server *self, uint32_t slot)
{
    self->connections[slot].broken = true;
    connection_changed(self, slot);
}

static void owe(server *self, uint32_t slot, size_t sent)
{
    room *room = self->room;
    subscriber *to = &room->subscribers[slot];
    if (!fan_out_owe(&room->turn, &to->queue, slot, sent)) {
        give_up(self, slot);
        return;
    }
    self->connections[slot].owes = to->queue.count > 0;
    connection_changed(self, slot);
}

/* What it sent itself is left out, and the memory that says so serves one subscriber at a time. */
static void send_to_sender(server *self, uint32_t slot)
{
    room *room = self->room;
    uint32_t count = fan_out_ranges(&room->turn, slot, room->other_ranges);
    if (count == 0)
        return;
    room->others = (struct msghdr){.msg_iov = room->other_ranges, .msg_iovlen = count};
    send_now(self, slot, &room->others);
    submit(self);
}

static void send_to(server *self, uint32_t slot)
{
    room *room = self->room;
    const connection *to = &self->connections[slot];
    if (to->broken || to->ended)
        return;
    if (to->owes)
        owe(self, slot, 0);
    else if (fan_out_is_sender(&room->turn, &room->subscribers[slot].reader))
        send_to_sender(self, slot);
    else
        send_now(self, slot, &room->whole);
}

static void send_turn(server *self)
{
    room *room = self->room;
    fan_out_turn *turn = &room->turn;
    if (turn->count > 0) {
        room->whole = (struct msghdr){.msg_iov = turn->runs, .msg_iovlen = turn->count};
        for (uint32_t index = 0; index < room->count; index++) {
            if (ring_room(&self->ring) <= ENTRIES_SPARE)
                submit(self);
            send_to(self, room->members[index]);
        }
        submit(self);
    }
    fan_out_turn_begin(turn);
}

void room_turn_ended(server *self)
{
    room *room = self->room;
    /* More pieces may come while the first are sent. */
    for (uint32_t index = 0; index < room->piece_count; index++) {
        const piece next = room->pieces[index];
        if (fan_out_is_full(&room->turn))
            send_turn(self);
        if (!fan_out_receive(&room->turn, &room->subscribers[next.slot].reader, next.slot, next.bytes, next.count))
            give_up(self, next.slot);
        if (index + 1 == room->piece_count)
            send_turn(self);
    }
    room->piece_count = 0;
}

void room_sent_short(server *self, uint32_t slot, int32_t result)
{
    if (result < 0 && result != -EAGAIN)
        give_up(self, slot);
    else
        owe(self, slot, result < 0 ? 0 : (size_t)result);
}

/* --- what is owed ------------------------------------------------------------------------------------------- */

void room_send_owed(server *self, uint32_t slot)
{
    const fan_out_queue *queue = &self->room->subscribers[slot].queue;
    ring_gather *gather = queue->count > 1 ? ring_gather_take(&self->ring) : NULL;
    struct io_uring_sqe *entry = server_entry(self, IORING_OP_SEND, KIND_SEND_OWED, slot);
    entry->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    if (gather == NULL) { /* the first range alone, then */
        const fan_out_owed *first = &queue->owed[queue->first];
        entry->addr = (uint64_t)(uintptr_t)first->start;
        entry->len = (uint32_t)first->bytes;
    } else {
        uint32_t count = fan_out_owed_ranges(queue, gather->ranges);
        gather->message = (struct msghdr){.msg_iov = gather->ranges, .msg_iovlen = count};
        entry->opcode = IORING_OP_SENDMSG;
        entry->addr = (uint64_t)(uintptr_t)&gather->message;
        entry->len = 1;
    }
    self->connections[slot].sending = true;
}

void room_sent_owed(server *self, uint32_t slot, int32_t result)
{
    room *room = self->room;
    connection *to = &self->connections[slot];
    fan_out_queue *queue = &room->subscribers[slot].queue;
    to->sending = to->cancels_send = false;
    if (result < 0)
        to->broken = true;
    else
        fan_out_sent(queue, room->turn.frame_bytes, (size_t)result);
    to->owes = queue->count > 0;
    connection_changed(self, slot);
}

/* --- coming, publishing, going ------------------------------------------------------------------------------ */

void room_joined(server *self, uint32_t slot)
{
    room *room = self->room;
    room->subscribers[slot] = (subscriber){.place = room->count};
    room->members[room->count++] = slot;
}

void room_left(server *self, uint32_t slot)
{
    room *room = self->room;
    subscriber *from = &room->subscribers[slot];
    uint32_t last = room->members[--room->count];
    room->members[from->place] = last;
    room->subscribers[last].place = from->place;
    fan_out_forget(&from->reader, &from->queue);
}

void room_received(server *self, uint32_t slot, const char *bytes, uint32_t count)
{
    room *room = self->room;
    if (room->piece_count == room->piece_capacity) {
        const uint32_t capacity = room->piece_capacity == 0 ? PIECES_LEAST : 2 * room->piece_capacity;
        piece *pieces = realloc(room->pieces, capacity * sizeof *pieces);
        if (pieces == NULL) {
            give_up(self, slot);
            return;
        }
        room->pieces = pieces;
        room->piece_capacity = capacity;
    }
    room->pieces[room->piece_count++] = (piece){.bytes = bytes, .count = count, .slot = slot};
}

void room_open(server *self, size_t frame_bytes)
{
    /* Queued frames come and go: the allocator is to keep their memory rather than map it anew. */
    mallopt(M_MMAP_THRESHOLD, 64 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
    room *room = calloc(1, sizeof *room);
    if (room == NULL || (room->members = calloc(self->capacity, sizeof *room->members)) == NULL ||
        (room->subscribers = calloc(self->capacity, sizeof *room->subscribers)) == NULL)
        baseline_fail("subscriber table", ENOMEM);
    room->turn.frame_bytes = frame_bytes;
    fan_out_turn_begin(&room->turn);
    self->room = room;
}
