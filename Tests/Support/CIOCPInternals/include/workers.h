/* A worker over a driver that does nothing by itself: it writes down what it is asked for, and reports the events
 * that a test makes up. No kernel is behind it. */
#ifndef CIOCP_INTERNALS_WORKERS_H
#define CIOCP_INTERNALS_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "../../../../CSources/CIOCP/driver/driver.h"
#include "../../../../CSources/CIOCP/include/CIOCP.h"

typedef struct internals_worker internals_worker;

typedef enum internals_request_kind : uint8_t {
    INTERNALS_REQUEST_ACCEPT = 1,
    INTERNALS_REQUEST_CONNECT = 2,
    INTERNALS_REQUEST_RECEIVE = 3,
    INTERNALS_REQUEST_SEND = 4,
    INTERNALS_REQUEST_SHUTDOWN = 5,
    INTERNALS_REQUEST_CANCEL = 6,
    INTERNALS_REQUEST_CLOSE = 7,
    INTERNALS_REQUEST_PROVIDE = 8,
    INTERNALS_REQUEST_WATCH = 9,
} internals_request_kind;

enum { INTERNALS_SEND_RANGES_MAX = 64 };

/* One call of the worker's on its driver. */
typedef struct internals_request {
    uint64_t token;
    uint32_t handle;
    uint32_t range_count;       /* SEND */
    uint16_t buffer;            /* PROVIDE */
    iocp_buffer_class class;    /* RECEIVE */
    internals_request_kind kind;
    iocp_send_mode mode;        /* SEND */
    bool abort;                 /* CLOSE */
} internals_request;

/* One worker, alone where config->worker_count is 0, and without a listener. The driver names connected sockets from
 * 1,000,000 on. NULL when it cannot be opened. */
internals_worker *internals_worker_create(const iocp_port_config *config, uint32_t index, bool whole_buffers);

/* Closes the worker as its port would. */
void internals_worker_destroy(internals_worker *worker);

/* Listens on a free port of 127.0.0.1, so that accepts are asked for. Returns 0 or -errno. */
int internals_worker_listen(internals_worker *worker);

/* Changes the state of its latest listener, as another thread would. Returns 0 or -ENOENT. */
int internals_worker_change_listener(internals_worker *worker, iocp_listener_state state);

iocp_worker *internals_worker_get(internals_worker *worker);
const iocp_port_config *internals_worker_config(const internals_worker *worker);

/* The next of the driver's calls not looked at yet. For SEND, ranges (room for INTERNALS_SEND_RANGES_MAX) are what was
 * offered; they name the memory itself. */
bool internals_worker_next_request(internals_worker *worker, internals_request *request, iocp_range *ranges);

/* Queues an event for the driver's next wait. */
void internals_worker_report(internals_worker *worker, iocp_event event);

/* How long the driver's latest wait was allowed to sleep: 0, it polled. */
uint64_t internals_worker_wait_ns(const internals_worker *worker);

/* The longest of the waits since internals_worker_stop_in_wait. */
uint64_t internals_worker_longest_wait_ns(const internals_worker *worker);

/* How many events one wait of the driver's hands over at most. */
void internals_worker_set_batch(internals_worker *worker, uint32_t event_count);

/* As iocp_port_stop. */
void internals_worker_stop(internals_worker *worker, uint64_t drain_ns);

/* Another thread stops the port while the driver's next wait runs; its wake ends that wait. */
void internals_worker_stop_in_wait(internals_worker *worker);

/* The driver's clock stands still but for this. */
void internals_worker_pass(internals_worker *worker, uint64_t ns);
uint64_t internals_worker_now_ns(const internals_worker *worker);

/* From here on a wait that may sleep, and finds nothing, sleeps as long as it may: the clock goes on by its timeout. */
void internals_worker_let_sleep(internals_worker *worker);

/* How many waits slept. */
uint32_t internals_worker_sleep_count(const internals_worker *worker);

/* The address that every socket's peer has from here on; before, none can be asked. */
void internals_worker_set_peer(internals_worker *worker, const iocp_address *address);

/* What every socket answers when it is asked for bytes that its peer has not acknowledged; 0 at first. And how often one
 * was asked. */
void internals_worker_set_unacknowledged(internals_worker *worker, int result);
uint32_t internals_worker_question_count(const internals_worker *worker);

/* Unsent bytes of all connections, as the worker counts them. */
uint64_t internals_worker_unsent_bytes(const internals_worker *worker);

/* As iocp_port_post. */
int internals_worker_post(internals_worker *worker, iocp_token connection, uint64_t value);

/* Receive buffers of a class, however they are held. */
uint32_t internals_worker_buffer_count(const internals_worker *worker, iocp_buffer_class class);
uint8_t *internals_worker_buffer(internals_worker *worker, uint16_t buffer);
const iocp_worker_stats *internals_worker_stats(const internals_worker *worker);

/* As iocp_port_attach, but the thread keeps its name: it is not the test's own. */
int internals_port_attach(iocp_port *port, iocp_worker **worker, iocp_failure *failure);

#endif
