/* Fan-out: every whole frame a connection sends goes to all others.
 *
 * What was received in one turn of the loop is collected and then sent to each subscriber with a single gathering
 * send, straight from where it was received. Only for a subscriber whose socket is full are frames copied, once for
 * all such subscribers, and queued by reference.
 * Thread: one per process. */
#ifndef FAN_OUT_H
#define FAN_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    FAN_OUT_QUEUE_FRAMES = 64, /* a subscriber that owes its reading more than this many frames misses whole frames */
    FAN_OUT_RUNS_MAX = 1024,   /* of a turn; IOV_MAX, so that one send takes them all */
    FAN_OUT_RUNS_PER_RECEIVE = 2,
};

/* Bytes that outlive the turn, shared by the queues that refer to them. */
typedef struct fan_out_block {
    uint32_t references;
    char bytes[];
} fan_out_block;

/* What was received in one turn: runs of whole frames, each from one sender. */
typedef struct fan_out_turn {
    size_t frame_bytes; /* set once by the owner */
    uint64_t number;
    uint32_t count;
    struct iovec runs[FAN_OUT_RUNS_MAX];
    uint32_t senders[FAN_OUT_RUNS_MAX];
    fan_out_block *blocks[FAN_OUT_RUNS_MAX]; /* NULL until some queue needs the run longer than the turn */
} fan_out_turn;

/* The receiving side of a connection; all zero is a fresh one. */
typedef struct fan_out_reader {
    fan_out_block *partial; /* a frame of which only a part has come */
    size_t partial_bytes;
    uint64_t turn; /* the last one this connection added to */
} fan_out_reader;

typedef struct fan_out_owed {
    fan_out_block *block;
    const char *start;
    size_t bytes;
} fan_out_owed;

/* What a subscriber's full socket did not take, in order; all zero is empty. */
typedef struct fan_out_queue {
    fan_out_owed *owed; /* a ring of FAN_OUT_QUEUE_FRAMES, once one was needed */
    uint32_t first;
    uint32_t count;
    uint32_t frames;
} fan_out_queue;

/* Whether the next receive might not find room in the turn: send it first. */
static inline bool fan_out_is_full(const fan_out_turn *turn)
{
    return turn->count + FAN_OUT_RUNS_PER_RECEIVE > FAN_OUT_RUNS_MAX;
}

/* Adds the whole frames among `count` bytes that `sender` sent; they stay where they are until the next turn begins.
 * What is left of a frame is kept for the next call. Returns false when there is no memory for that. */
bool fan_out_receive(fan_out_turn *turn, fan_out_reader *reader, uint32_t sender, const char *bytes, size_t count);

/* Whether any of the turn comes from this connection: that is not sent to it. */
static inline bool fan_out_is_sender(const fan_out_turn *turn, const fan_out_reader *reader)
{
    return reader->turn == turn->number;
}

/* Fills `ranges` (room for FAN_OUT_RUNS_MAX) with what this connection is to get. Returns how many they are. */
uint32_t fan_out_ranges(const fan_out_turn *turn, uint32_t connection, struct iovec *ranges);

/* Queues what this connection is to get of the turn beyond `sent` bytes of it. Frames for which there is no room, or
 * no memory, are dropped whole; a frame that was sent in part never is.
 * Returns false when the rest of such a frame could not be kept: the connection must be closed. */
bool fan_out_owe(fan_out_turn *turn, fan_out_queue *queue, uint32_t connection, size_t sent);

/* Fills `ranges` (room for FAN_OUT_QUEUE_FRAMES) with what is owed. Returns how many they are. */
uint32_t fan_out_owed_ranges(const fan_out_queue *queue, struct iovec *ranges);

/* Takes `sent` bytes off the queue. */
void fan_out_sent(fan_out_queue *queue, size_t frame_bytes, size_t sent);

/* Lets go of what the last turn held and starts an empty one; call before the first, too. */
void fan_out_turn_begin(fan_out_turn *turn);
void fan_out_forget(fan_out_reader *reader, fan_out_queue *queue);

#endif
