/* A ring whose kernel is the input: the uring driver's own submission and decoding, over queues in plain memory.
 *
 * What the driver submits is read as the kernel reads it, entry by entry; completions are written as the kernel may
 * write them, in whatever order, with whatever result, the input decides. Nothing of it enters the kernel.
 *
 *   played_ring.c      the driver over it
 *   played_submit.c    entries that are submitted
 *   played_complete.c  completions */
#ifndef FUZZ_PLAYED_RING_H
#define FUZZ_PLAYED_RING_H

#include "../../../CSources/CIOCP/driver/uring/uring.h"
#include "input.h"

enum {
    RING_HANDLES_MAX = 8,
    RING_SQ_ENTRIES = 1024,
    RING_CQ_ENTRIES = 256,
    RING_OVERFLOW_MAX = 256,
    RING_ENDED_MAX = 16,
    RING_RANGES_MAX = IOCP_SEND_RANGES_MAX,
};

typedef struct ring_operation {
    uint64_t token;
    bool submitted; /* and not ended */
    bool cancelled;
} ring_operation;

typedef struct ring_socket {
    bool open;
    bool connected;
    bool finished;          /* the peer's FIN was received */
    bool reset_due;         /* the entry before said to abort */
    bool shut;              /* our FIN was sent */
    iocp_token connection;  /* 0 until an operation named it */
    uint32_t stream;
    uint64_t delivered_bytes;
    ring_operation receive, send, shutdown, connect, watch;
    ring_operation close;
    uint16_t group;         /* of the buffers that the receive takes */
    bool send_waits;
    uint32_t range_count;
    struct iovec ranges[RING_RANGES_MAX];
    uint64_t send_bytes;
} ring_socket;

/* What the other side of the model hears. */
typedef struct ring_observer {
    void *context;
    void (*named)(void *context, iocp_token connection, uint32_t stream);
    void (*taken)(void *context, iocp_token connection, const uint8_t *bytes, uint32_t count_bytes);
    void (*broke)(void *context, iocp_token connection);
    void (*ended)(void *context, iocp_token connection, bool reset);
} ring_observer;

typedef struct played_ring {
    iocp_uring uring; /* first: the driver is this ring */
    fuzz_input *input;
    ring_observer observer;
    uint64_t now_ns;
    bool clear;       /* everything ends as well as it can */
    ring_operation accept;
    bool accepts_many;
    bool wake_armed;
    uint32_t stream_count;
    ring_socket sockets[RING_HANDLES_MAX];
    uint16_t buffer_head[IOCP_BUFFER_CLASS_COUNT];
    uint32_t filled_bytes[IOCP_BUFFER_CLASS_COUNT];
    uint64_t ended[RING_ENDED_MAX]; /* names of connections that ended */
    uint32_t ended_count;
    uint32_t withheld_turns;  /* for so long the kernel brings nothing of its overflow list */
    uint32_t overflow_head, overflow_tail;
    struct io_uring_cqe overflow[RING_OVERFLOW_MAX]; /* what completes while the list is not empty goes to its end */
    bool commands_due[IOCP_URING_COMMANDS_MAX]; /* taken by the kernel, and not answered */
    uint32_t entries_sq[4]; /* khead, ktail, kflags, kdropped */
    uint32_t entries_cq[4]; /* khead, ktail, kmask, kentries */
    struct io_uring_sqe sqes[RING_SQ_ENTRIES];
    struct io_uring_cqe cqes[RING_CQ_ENTRIES];
} played_ring;

/* --- played_ring.c ------------------------------------------------------------------------------------------ */

/* The driver's operations over a played ring. `open` takes the ring that was set up last. */
const iocp_driver_operations *played_ring_operations(bool whole_buffers);
void played_ring_setup(played_ring *ring, fuzz_input *input, bool incremental, const ring_observer *observer);

/* No socket waits to be placed. */
void played_ring_check_end(const played_ring *ring);

/* --- played_submit.c ---------------------------------------------------------------------------------------- */

/* Traps where the socket is closed. */
ring_socket *ring_socket_at(played_ring *ring, uint32_t handle);
/* The first operation tells whose socket it is; all later ones have to agree. */
void ring_name_socket(played_ring *ring, ring_socket *socket, uint64_t token);
void ring_begin(ring_operation *operation, uint64_t token);
/* Takes every entry, and leaves the queue as iocp_uring_enter does. */
void ring_take_submissions(played_ring *ring);

/* --- played_complete.c -------------------------------------------------------------------------------------- */

void ring_open_socket(played_ring *ring, uint32_t handle, bool connected);
/* The lowest that is free, or the number of handles. */
uint32_t ring_free_handle(const played_ring *ring);
/* A silent send ends within its submission: without a word where it takes everything. */
void ring_complete_silent_send(played_ring *ring, ring_socket *socket);
void ring_complete_some(played_ring *ring);
/* An entry into the kernel brings what the queue has room for. */
void ring_flush_overflow(played_ring *ring);
/* A command is taken, and will be answered some time: the question of a socket, or where `fd` was placed. */
void ring_take_command(played_ring *ring, int fd, uint32_t place);
/* Everything that is submitted ends, as well as it can. */
void ring_complete_everything(played_ring *ring);

/* --- streams ------------------------------------------------------------------------------------------------ */

/* What a stream's byte at a position is. */
static inline uint8_t ring_stream_byte(uint32_t stream, uint64_t position)
{
    return (uint8_t)(stream * 29 + position * 7 + (position >> 8));
}

#endif
