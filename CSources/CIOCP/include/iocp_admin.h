/* What an administrator asks of a running port: which connections it has, and what is said on them.
 *
 * Each question is a job of one worker (iocp_job), which does it itself between two batches of completions, a bounded slice at
 * a time. So nothing on the message path takes a lock for it, and a worker whose handler stalls answers once it goes on. */
#ifndef IOCP_ADMIN_H
#define IOCP_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "iocp_endpoint.h"
#include "iocp_port.h"
#include "iocp_socket.h"

/* Which connections are meant. */
typedef struct iocp_connection_filter {
    iocp_token connection; /* this one; 0: every one */
    bool by_peer;          /* and of these, those whose peer has an address as follows */
    uint8_t prefix_bits;   /* of the address, as many count: 0 to 32 of IPv4, to 128 of IPv6 */
    iocp_address peer;     /* port_be 0: any port. IPv4 means IPv4 peers of an IPv6 socket (RFC 4291, 2.5.5.2), too */
} iocp_connection_filter;

/* --- surveys: which connections there are ------------------------------------------------------------------- */

enum { IOCP_SURVEY_ENTRIES_MAX = 1000 };

/* By which connections come first. Append only. */
typedef enum iocp_survey_order : uint8_t {
    IOCP_SURVEY_BUSY = 0,        /* bytes received and sent since the sample, or since they opened if there was none */
    IOCP_SURVEY_UNSENT = 1,      /* bytes that wait to be sent */
    IOCP_SURVEY_SLOW = 2,        /* how long no send took bytes, of those behind full sockets */
    IOCP_SURVEY_IDLE = 3,        /* how long no bytes came */
    IOCP_SURVEY_OLD = 4,         /* how long they have been open */
    IOCP_SURVEY_ROUND_TRIP = 5,  /* us, by TCP_INFO: asks the socket of each connection that is meant */
    IOCP_SURVEY_RETRANSMITS = 6, /* segments sent again, likewise */
} iocp_survey_order;

typedef struct iocp_survey_query {
    iocp_connection_filter filter;
    uint32_t limit; /* entries, 1 to IOCP_SURVEY_ENTRIES_MAX */
    iocp_survey_order order;
    bool aborts; /* every connection that is meant is aborted (RST), also those beyond the limit */
} iocp_survey_query;

typedef struct iocp_survey_entry {
    iocp_token connection;
    uint64_t rank; /* a higher one comes first, among those of every worker */
    uint64_t key;
    uint64_t opened_ns;   /* the worker's clock, as heartbeat_ns of its stats */
    uint64_t received_ns; /* when bytes last came; at first, when it opened */
    uint64_t sent_ns;     /* when a send last took bytes, of one that is stalled */
    uint64_t received_bytes;
    uint64_t sent_bytes;
    uint64_t moved_bytes; /* since the sample; 0 without one */
    uint32_t unsent_bytes;
    uint16_t listener;  /* the short name of the one that accepted it; 0: it connected */
    bool is_closing;    /* its end has begun, and what is queued is still being sent */
    bool is_held_back;  /* the application, or unsent bytes, pause its receive */
    bool is_stalled;    /* its socket is full */
    bool is_layered;    /* TLS, or another layer */
    int16_t address_result; /* 0, or why peer and local are not known: -EAFNOSUPPORT for a Unix socket */
    int16_t info_result;
    iocp_address peer;
    iocp_address local;
    iocp_connection_info info;
} iocp_survey_entry;

typedef struct iocp_survey_totals {
    uint32_t connections; /* looked at */
    uint32_t meant;       /* and of these */
    uint32_t aborted;
} iocp_survey_totals;

/* One question, for one worker. */
typedef struct iocp_survey iocp_survey;

/* Returns NULL without memory, or for a query out of its bounds. Thread: any. */
iocp_survey *iocp_survey_create(const iocp_survey_query *query);

/* Asks a worker, once it has answered what it was asked before. `samples`: it only notes what each connection has moved so far,
 * so that the next question can say what moved in between. A worker that is asked for its second answer must be the same one.
 * Returns 0 or as iocp_port_post_job. Thread: any, one at a time for each survey. */
int iocp_port_survey(iocp_port *port, uint32_t worker_index, iocp_survey *survey, bool samples);

/* Waits for the answer. Returns 0; -ETIME: there is none yet, and it may be waited for again; -ESHUTDOWN: the worker closed
 * before; -ENOMEM: it had no room for its notes. Thread: as iocp_port_survey. */
int iocp_survey_wait(iocp_survey *survey, uint64_t timeout_ns);

/* After an answer, and until the next question. The entries come in their order, the highest rank first. Thread: likewise. */
const iocp_survey_entry *iocp_survey_entries(const iocp_survey *survey, uint32_t *count);
iocp_survey_totals iocp_survey_totals_of(const iocp_survey *survey);

/* Ends it; a worker that still has it ends it when it answers. Thread: likewise. */
void iocp_survey_release(iocp_survey *survey);

/* --- captures: what is said on connections -------------------------------------------------------------------- */

enum {
    IOCP_CAPTURE_RING_BYTES_MIN = 64 << 10,
    IOCP_CAPTURE_RING_BYTES_MAX = 64 << 20,
    IOCP_CAPTURE_PIECE_BYTES_MAX = 32 << 10, /* of a record: more are several records */
};

typedef struct iocp_capture_query {
    iocp_connection_filter filter;
    uint32_t ring_bytes;       /* what waits to be read, at most: a power of two */
    uint32_t snap_bytes;       /* of what was received or sent at once; 0: all of it */
    uint32_t connections_max;  /* as many are captured; 0: every one that is meant */
    uint64_t bytes_per_second; /* of records; beyond that they are dropped; 0: no bound */
} iocp_capture_query;

/* Append only. */
typedef enum iocp_capture_kind : uint8_t {
    IOCP_CAPTURE_OPENED = 1,   /* a connection is captured from here on; an iocp_capture_ends follows */
    IOCP_CAPTURE_RECEIVED = 2, /* count_bytes follow, as the application gets them: behind TLS, in the clear */
    IOCP_CAPTURE_SENT = 3,     /* likewise, as the application said them */
    IOCP_CAPTURE_CLOSED = 4,   /* detail: iocp_close_reason */
    IOCP_CAPTURE_TOTALS = 5,   /* an iocp_capture_totals follows: no worker's, but whoever sends records on may end with it */
} iocp_capture_kind;

/* Records lie one behind the other; each begins at a multiple of 8 bytes. */
typedef struct iocp_capture_record {
    uint32_t record_bytes; /* with what follows, and padding: a multiple of 8 */
    uint32_t count_bytes;  /* of data that follow */
    iocp_token connection;
    uint64_t time_ns; /* when they were handed out, or sent: the monotonic clock */
    uint64_t offset;  /* of the first of them in its direction, since OPENED: where it jumps, bytes were dropped */
    uint16_t detail;
    iocp_capture_kind kind;
    uint8_t reserved[5];
} iocp_capture_record;

_Static_assert(sizeof(iocp_capture_record) == 40, "a record's data begin at a multiple of 8 bytes");

typedef struct iocp_capture_ends {
    iocp_address peer;
    iocp_address local;
    int32_t result; /* 0, or -errno where the addresses are not known: -EAFNOSUPPORT for a Unix socket */
} iocp_capture_ends;

typedef struct iocp_capture_totals {
    uint64_t records;
    uint64_t dropped_records; /* for want of room in the ring, or beyond the rate */
    uint64_t dropped_bytes;   /* and what they had */
    uint32_t connections;     /* captured so far */
} iocp_capture_totals;

/* What one worker writes and one reader reads. */
typedef struct iocp_capture iocp_capture;

/* Returns NULL without memory, or for a query out of its bounds. Thread: any. */
iocp_capture *iocp_capture_create(const iocp_capture_query *query);

/* Has a worker capture, from its next turn on, until iocp_capture_release. A worker has one capture at a time: the later one
 * takes the place of the earlier one, which gets no more records. Returns 0 or as iocp_port_post_job; a capture is begun
 * once. Thread: any. */
int iocp_port_capture(iocp_port *port, uint32_t worker_index, iocp_capture *capture);

/* Moves whole records out of the ring. Returns how many bytes, 0 when there are none. `capacity_bytes` is at least
 * IOCP_CAPTURE_PIECE_BYTES_MAX + 64. Thread: any, one at a time. */
uint32_t iocp_capture_read(iocp_capture *capture, void *bytes, uint32_t capacity_bytes);

/* Whether there will be no more records: the worker closed, or took another capture. Ask before the last read. Thread: any. */
bool iocp_capture_is_over(const iocp_capture *capture);

iocp_capture_totals iocp_capture_totals_of(const iocp_capture *capture);

/* Ends it. The worker forgets it at its next record, or when it closes. Thread: any. */
void iocp_capture_release(iocp_capture *capture);

/* --- a listening socket for a thread of one's own ------------------------------------------------------------- */

/* Beside the workers, for what is asked of a port: it must answer while they stall. */
typedef struct iocp_side_listener {
    int fd; /* non-blocking */
    iocp_endpoint endpoint;
    uint64_t file_device; /* of a path: which file it was */
    uint64_t file_number;
} iocp_side_listener;

/* Listens with a backlog of 16. A path gets `permissions` before anybody can connect to it; a stale one is replaced. Fills
 * `listener` with what is in force. Returns 0 or -errno: -EADDRINUSE when somebody listens there. Thread: any. */
int iocp_side_listen(const iocp_endpoint *endpoint, uint16_t permissions, iocp_side_listener *listener);

/* Connects to one: a descriptor that blocks, or -errno. Thread: any. */
int iocp_side_connect(const iocp_endpoint *endpoint);

/* The user at the other end of a Unix socket, as of its connect (SO_PEERCRED, unix(7)). Returns 0 or -errno. Thread: any. */
int iocp_side_peer_user(int fd, uint32_t *user);

/* Closes it, and removes its path unless another server has taken that over. Thread: any. */
void iocp_side_close(iocp_side_listener *listener);

#endif
