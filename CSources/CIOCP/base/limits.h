/* Every bound of the core, with the relations between them. */
#ifndef IOCP_BASE_LIMITS_H
#define IOCP_BASE_LIMITS_H

#include "../include/iocp_connection.h"
#include "../include/iocp_worker.h"

enum {
    IOCP_CACHE_LINE_BYTES = 64,
    IOCP_HUGE_PAGE_BYTES = 2 * 1024 * 1024,

    IOCP_WORKERS_MAX = 1 << IOCP_TOKEN_WORKER_BITS,
    IOCP_LISTENERS_MAX = 64,           /* per port */
    IOCP_CONNECTIONS_PER_WORKER_MAX = 1 << 20, /* a ring's file table: fs.nr_open's default */
    IOCP_CONNECTIONS_MAX = 1 << 30,            /* of all workers */
    IOCP_FILES_PER_WORKER = 16,                /* rings, wake-ups, listening sockets, and a share of the program's own files */
    IOCP_SLOTS_RESTING = 1024,         /* free slots that rest before one of them is taken again, while others are unused */

    IOCP_RECEIVE_BUFFER_BYTES_MIN = 4 * 1024,
    IOCP_RECEIVE_BUFFER_BYTES_MAX = 1024 * 1024,
    IOCP_RECEIVE_BUFFERS_MIN = 2,
    IOCP_RECEIVE_BUFFERS_MAX = 16 * 1024, /* large ones; small ones have as many ids again */
    IOCP_RECEIVE_BUFFER_IDS_MAX = 32 * 1024, /* io_uring_register_buf_ring(3): 15 bits of ids */

    IOCP_SEND_CHUNK_BYTES = 16 * 1024,
    IOCP_SEND_CHUNKS_MIN = 4,
    IOCP_SEND_CHUNKS_MAX = 1 << 20,
    IOCP_SEND_RANGES_MAX = 64,          /* ranges one send may gather; IOV_MAX is 1,024 */
    IOCP_SEND_BYTES_MAX = 0x7fffffff,   /* a send's result is an int32 */
    IOCP_SEND_RESERVE_SHARE = 4,        /* the reserve of send memory: this part of it, */
    IOCP_SEND_RESERVE_NODES = 2,        /* and queue nodes that every connection can have, whatever others queue */

    IOCP_COMPLETION_QUEUE_MIN = 64,
    IOCP_COMPLETION_QUEUE_MAX = 64 * 1024,
    IOCP_MAILBOX_MIN = 16,
    IOCP_MAILBOX_MAX = 1 << 20,
    IOCP_LISTEN_BACKLOG_MAX = 64 * 1024,

    IOCP_QUEUES_MAX = 1024,              /* of the kernel's, that a worker's driver has */
    IOCP_DRIVER_EVENTS_MAX = 512,        /* events one driver wait may hand over */
    IOCP_COMPLETIONS_PER_EVENT_MAX = 4,  /* completions one event or deadline may become */
    IOCP_SHUTDOWNS_MAX = 64,             /* shutdowns a worker has with its driver at a time */
    IOCP_FLUSH_SLOTS_MAX = IOCP_DRIVER_EVENTS_MAX / 2, /* connections one flush services */

    IOCP_JOB_SENDS_MAX = IOCP_FLUSH_SLOTS_MAX, /* sends that the jobs of a worker make in one turn of its loop */

    IOCP_HANDSHAKES_PER_TURN = 2, /* steps of layers that are not open yet, in one turn of the loop: a step takes up to a
                                   * millisecond, and delays every connection of the worker */
    IOCP_LAYER_UNREAD_BYTES_MAX = 64 * 1024, /* bytes that one such layer may receive before its turn */

    IOCP_OFFLOAD_THREADS_MAX = 4096,     /* of a port's pool */
    IOCP_OFFLOAD_QUEUE_MAX = 1 << 20,    /* work that waits for one of them */

    IOCP_TIMERS_MAX = 1 << 20,           /* per worker */
    IOCP_ACCEPTS_PER_SECOND_MAX = 10 * 1000 * 1000,

    IOCP_ACCEPT_RETRY_MS = 100,          /* back-off after a failed accept */
    IOCP_ADMISSIONS_PER_FLUSH_MAX = 64,    /* held clients whose addresses one flush asks for */
    IOCP_PARCELS_MAX = 256,                /* clients that a worker has on their way to others */
    IOCP_DOOR_CREDITS_MAX = 64,            /* clients that may be on their way to one worker */
    IOCP_DOORS_LOOKED_AT = 16,             /* workers that one hand-over compares */
    IOCP_ADMISSION_RETRY_NS = 1000 * 1000, /* while clients are held, a wait sleeps no longer */
    IOCP_SEND_RETRY_MS = 10,             /* back-off after a send for which the kernel had no memory */
    IOCP_ASK_AGAIN_MS = 100,             /* back-off after a question to the kernel that got no answer */

    IOCP_SPIN_NS_MAX = 10 * 1000 * 1000,
    IOCP_BUSY_POLL_US_MAX = 10 * 1000,

    IOCP_STATS_FIELDS_MAX = 128,         /* of a stats page of any build, */
    IOCP_STATS_HISTOGRAMS_MAX = 16,      /* likewise, */
    IOCP_STATS_BUCKETS_MAX = 64,         /* of each, */
    IOCP_STATS_COUNTERS_MAX = 64,        /* the application's own, */
    IOCP_STATS_ENTRY_BYTES_MAX = 256,    /* an entry of its directories, */
    IOCP_STATS_CELL_BYTES_MAX = 16384,   /* and a worker's cell */
};

#define IOCP_TIMEOUT_NS_MAX UINT64_C(86400000000000) /* one day */
#define IOCP_ADMISSION_HOLD_NS UINT64_C(10000000000) /* how long a client is held whose address cannot be asked */
#define IOCP_MOVE_HOLD_NS UINT64_C(1000000000) /* how long a connection waits for a kernel that is short of memory or descriptors to move its socket */
#define IOCP_DEADLINE_NS_MAX (100 * IOCP_TIMEOUT_NS_MAX) /* how far ahead the deadline wheel is armed */

/* RLIMIT_NOFILE bounds a ring's file table; these are what tokens can name. */
_Static_assert(IOCP_TOKEN_WORKER_BITS + IOCP_TOKEN_SLOT_BITS + IOCP_TOKEN_GENERATION_BITS <= 64,
               "a token is at most 64 bits");
_Static_assert(IOCP_CONNECTIONS_PER_WORKER_MAX <= (1 << IOCP_TOKEN_SLOT_BITS), "every slot has a name");
_Static_assert(2 * IOCP_RECEIVE_BUFFERS_MAX <= IOCP_RECEIVE_BUFFER_IDS_MAX, "both classes have room");
_Static_assert(IOCP_RECEIVE_BUFFER_IDS_MAX <= UINT16_MAX, "a buffer id is 16 bits");
_Static_assert(IOCP_WAIT_CAPACITY_MIN >= 2 * IOCP_COMPLETIONS_PER_EVENT_MAX, "a wait can always make progress");
_Static_assert(IOCP_FLUSH_SLOTS_MAX < IOCP_DRIVER_EVENTS_MAX, "the ends of a flush's sends leave room for what came");
_Static_assert(IOCP_STATS_FIELDS_MAX * 8 < IOCP_STATS_CELL_BYTES_MAX, "a cell has room for every field");
_Static_assert((int)IOCP_DRAFT_ROOM_BYTES_MAX == (int)IOCP_SEND_CHUNK_BYTES, "a draft's room lies in one chunk");
_Static_assert(IOCP_SEND_CHUNK_BYTES % 4096 == 0, "chunks are page-aligned, so that an arena can be registered");

#endif
