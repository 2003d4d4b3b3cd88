#include "workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../../CSources/CIOCP/worker/worker.h"

enum { QUEUE_MAX = 1 << 16, CONNECTED_HANDLES = 1000000 };

typedef struct written_request {
    internals_request request;
    iocp_range ranges[INTERNALS_SEND_RANGES_MAX];
} written_request;

struct internals_worker {
    iocp_worker worker;
    iocp_stats_cell stats;
    iocp_listener_set listeners;
    iocp_listener_id listener; /* the latest */
    iocp_port_config config;
    _Atomic uint64_t stop_at_ns;
    iocp_driver_operations operations;
    written_request *requests; /* a ring */
    uint32_t request_head;
    uint32_t request_tail;
    iocp_event *events;        /* a ring */
    uint32_t event_head;
    uint32_t event_tail;
    uint32_t batch;
    uint32_t connected_count;
    uint32_t handles_held;
    iocp_address_counts addresses;
    iocp_address peer;
    bool peer_known;
    int unacknowledged;
    uint32_t question_count;
    uint64_t now_ns;
    uint64_t wait_ns;
    bool stops_in_wait;
    bool sleeps;
    uint32_t sleep_count;
    uint64_t longest_wait_ns; /* since a stop in a wait was asked for */
};

/* --- the driver --------------------------------------------------------------------------------------------- */

/* The driver is given no context of its own at its opening, so it is found through what it is given. */
static _Thread_local internals_worker *opening;

static internals_worker *of(iocp_driver *driver)
{
    return (internals_worker *)driver;
}

static void write_down(iocp_driver *driver, internals_request request, const iocp_range *ranges)
{
    internals_worker *self = of(driver);
    if (self->request_tail - self->request_head == QUEUE_MAX)
        abort();
    written_request *written = &self->requests[self->request_tail++ % QUEUE_MAX];
    written->request = request;
    if (request.range_count > 0)
        memcpy(written->ranges, ranges, request.range_count * sizeof *ranges);
}

static int script_open(iocp_driver **driver, const iocp_driver_config *config, iocp_failure *failure)
{
    (void)config;
    (void)failure;
    *driver = (iocp_driver *)opening;
    return 0;
}

static void script_close(iocp_driver *driver)
{
    (void)driver;
}

static void script_accept(iocp_driver *driver, uint64_t token, int listener, bool many)
{
    (void)listener;
    (void)many;
    write_down(driver, (internals_request){.kind = INTERNALS_REQUEST_ACCEPT, .token = token}, NULL);
}

static int script_connect(iocp_driver *driver, uint64_t token, const iocp_endpoint *endpoint, const iocp_endpoint *source,
                          uint32_t *handle)
{
    (void)endpoint;
    (void)source;
    *handle = CONNECTED_HANDLES + of(driver)->connected_count++;
    of(driver)->handles_held++;
    write_down(driver, (internals_request){.kind = INTERNALS_REQUEST_CONNECT, .token = token, .handle = *handle}, NULL);
    return 0;
}

static void script_receive(iocp_driver *driver, uint64_t token, uint32_t handle, iocp_buffer_class class)
{
    write_down(driver,
               (internals_request){
                   .kind = INTERNALS_REQUEST_RECEIVE, .token = token, .handle = handle, .class = class},
               NULL);
}

static void script_send(iocp_driver *driver, uint64_t token, uint32_t handle, const iocp_range *ranges, uint32_t count,
                        iocp_send_mode mode)
{
    write_down(driver,
               (internals_request){.kind = INTERNALS_REQUEST_SEND,
                                   .token = token,
                                   .handle = handle,
                                   .range_count = count,
                                   .mode = mode},
               ranges);
}

static void script_watch(iocp_driver *driver, uint64_t token, uint32_t handle)
{
    write_down(driver, (internals_request){.kind = INTERNALS_REQUEST_WATCH, .token = token, .handle = handle}, NULL);
}

static void script_shutdown(iocp_driver *driver, uint64_t token, uint32_t handle)
{
    write_down(driver, (internals_request){.kind = INTERNALS_REQUEST_SHUTDOWN, .token = token, .handle = handle}, NULL);
}

static void script_cancel(iocp_driver *driver, uint64_t token, uint32_t handle)
{
    write_down(driver, (internals_request){.kind = INTERNALS_REQUEST_CANCEL, .token = token, .handle = handle}, NULL);
}

static void script_close_handle(iocp_driver *driver, uint64_t token, uint32_t handle, bool abort)
{
    write_down(driver,
               (internals_request){
                   .kind = INTERNALS_REQUEST_CLOSE, .token = token, .handle = handle, .abort = abort},
               NULL);
}

static int script_peer(iocp_driver *driver, uint32_t handle, iocp_address *address)
{
    (void)handle;
    *address = of(driver)->peer;
    return of(driver)->peer_known ? 0 : -EOPNOTSUPP;
}

static int script_unacknowledged(iocp_driver *driver, uint32_t handle)
{
    (void)handle;
    of(driver)->question_count++;
    return of(driver)->unacknowledged;
}

static void script_provide(iocp_driver *driver, uint16_t buffer)
{
    write_down(driver, (internals_request){.kind = INTERNALS_REQUEST_PROVIDE, .buffer = buffer}, NULL);
}

static int script_wait(iocp_driver *driver, iocp_event *events, uint32_t capacity, uint64_t timeout_ns)
{
    internals_worker *self = of(driver);
    self->wait_ns = timeout_ns;
    if (timeout_ns > self->longest_wait_ns)
        self->longest_wait_ns = timeout_ns;
    if (self->stops_in_wait)
        internals_worker_stop(self, 0);
    self->stops_in_wait = false;
    uint32_t count = 0;
    while (count < capacity && count < self->batch && self->event_head != self->event_tail)
        events[count++] = self->events[self->event_head++ % QUEUE_MAX];
    if (count == 0 && self->sleeps && timeout_ns > 0 && timeout_ns != UINT64_MAX) {
        self->now_ns += timeout_ns;
        self->sleep_count++;
    }
    return (int)count;
}

static uint64_t script_now(const iocp_driver *driver)
{
    return driver != NULL ? ((const internals_worker *)driver)->now_ns : opening->now_ns;
}

static uint32_t script_handles_held(const iocp_driver *driver)
{
    return ((const internals_worker *)driver)->handles_held;
}

/* --- the worker --------------------------------------------------------------------------------------------- */

static void release(internals_worker *self)
{
    iocp_mailbox_release(&self->worker.mailbox);
    iocp_address_counts_close(&self->addresses);
    iocp_listener_set_close(&self->listeners);
    if (self->worker.setup.wake_fd >= 0)
        close(self->worker.setup.wake_fd);
    free(self->requests);
    free(self->events);
    free(self);
}

internals_worker *internals_worker_create(const iocp_port_config *config, uint32_t index, bool whole_buffers)
{
    internals_worker *self = aligned_alloc(IOCP_CACHE_LINE_BYTES, sizeof *self);
    if (self == NULL)
        return NULL;
    memset(self, 0, sizeof *self);
    self->config = *config;
    if (self->config.worker_count == 0)
        self->config.worker_count = 1;
    self->batch = UINT32_MAX;
    self->now_ns = UINT64_C(5000000000);
    self->requests = calloc(QUEUE_MAX, sizeof *self->requests);
    self->events = calloc(QUEUE_MAX, sizeof *self->events);
    self->operations = (iocp_driver_operations){.name = "script",
                                                .kind = IOCP_DRIVER_SIM,
                                                .whole_buffers = whole_buffers,
                                                .open = script_open,
                                                .close = script_close,
                                                .accept = script_accept,
                                                .connect = script_connect,
                                                .receive = script_receive,
                                                .watch = script_watch,
                                                .send = script_send,
                                                .shutdown = script_shutdown,
                                                .cancel = script_cancel,
                                                .close_handle = script_close_handle,
                                                .peer = script_peer,
                                                .local = script_peer,
                                                .unacknowledged = script_unacknowledged,
                                                .provide = script_provide,
                                                .wait = script_wait,
                                                .now_ns = script_now,
                                                .handles_held = script_handles_held};
    self->worker.setup = (iocp_worker_setup){.config = &self->config,
                                             .driver = &self->operations,
                                             .stats = &self->stats,
                                             .listeners = &self->listeners,
                                             .addresses = &self->addresses,
                                             .stop_at_ns = &self->stop_at_ns,
                                             .index = index,
                                             .cpu = UINT32_MAX,
                                             .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    iocp_failure failure = {0};
    char thread_name[16]; /* opening renames the thread, which is not the test's own */
    pthread_getname_np(pthread_self(), thread_name, sizeof thread_name);
    opening = self;
    iocp_listener_set_open(&self->listeners, iocp_driver_epoll()->listening, self->config.worker_count,
                           config->listen_backlog);
    if (self->requests == NULL || self->events == NULL || self->worker.setup.wake_fd < 0 ||
        iocp_mailbox_reserve(&self->worker.mailbox, config->mailbox_entries) < 0 ||
        iocp_address_counts_open(&self->addresses, config->connections_per_worker, config->connections_per_address) < 0 ||
        iocp_worker_open(&self->worker, &failure) < 0) {
        release(self);
        return NULL;
    }
    pthread_setname_np(pthread_self(), thread_name);
    return self;
}

void internals_worker_destroy(internals_worker *self)
{
    iocp_worker_close(&self->worker);
    release(self);
}

iocp_worker *internals_worker_get(internals_worker *self)
{
    return &self->worker;
}

const iocp_port_config *internals_worker_config(const internals_worker *self)
{
    return &self->config;
}

int internals_worker_listen(internals_worker *self)
{
    const iocp_endpoint loopback = {.kind = IOCP_ENDPOINT_TCP, .address = {.bytes = {127, 0, 0, 1}}};
    const iocp_wish wish = {.endpoints = &loopback, .count = 1, .inherited = -1};
    iocp_endpoint bound;
    return iocp_listener_set_add(&self->listeners, &wish, &bound, &self->listener);
}

int internals_worker_change_listener(internals_worker *self, iocp_listener_state state)
{
    return iocp_listener_set_change(&self->listeners, self->listener, state);
}

bool internals_worker_next_request(internals_worker *self, internals_request *request, iocp_range *ranges)
{
    if (self->request_head == self->request_tail)
        return false;
    const written_request *written = &self->requests[self->request_head++ % QUEUE_MAX];
    *request = written->request;
    if (request->range_count > 0)
        memcpy(ranges, written->ranges, request->range_count * sizeof *ranges);
    return true;
}

void internals_worker_report(internals_worker *self, iocp_event event)
{
    if (self->event_tail - self->event_head == QUEUE_MAX)
        abort();
    const iocp_operation operation = iocp_token_operation(event.token);
    if (operation == IOCP_OPERATION_ACCEPT && event.result >= 0)
        self->handles_held++;
    if (operation == IOCP_OPERATION_CLOSE || event.token == 0)
        self->handles_held--;
    self->events[self->event_tail++ % QUEUE_MAX] = event;
}

void internals_worker_set_batch(internals_worker *self, uint32_t event_count)
{
    self->batch = event_count;
}

void internals_worker_stop(internals_worker *self, uint64_t drain_ns)
{
    atomic_store(&self->stop_at_ns, self->now_ns + drain_ns);
}

int internals_worker_post(internals_worker *self, iocp_token connection, uint64_t value)
{
    return iocp_mailbox_put(&self->worker.mailbox, &(iocp_letter){.connection = connection, .value = value});
}

void internals_worker_let_sleep(internals_worker *worker)
{
    worker->sleeps = true;
}

uint32_t internals_worker_sleep_count(const internals_worker *worker)
{
    return worker->sleep_count;
}

void internals_worker_pass(internals_worker *self, uint64_t ns)
{
    self->now_ns += ns;
}

void internals_worker_stop_in_wait(internals_worker *self)
{
    self->stops_in_wait = true;
    self->longest_wait_ns = 0;
}

uint64_t internals_worker_longest_wait_ns(const internals_worker *self)
{
    return self->longest_wait_ns;
}

uint64_t internals_worker_wait_ns(const internals_worker *self)
{
    return self->wait_ns;
}

uint64_t internals_worker_now_ns(const internals_worker *self)
{
    return self->now_ns;
}

void internals_worker_set_unacknowledged(internals_worker *self, int result)
{
    self->unacknowledged = result;
}

uint32_t internals_worker_question_count(const internals_worker *self)
{
    return self->question_count;
}

void internals_worker_set_peer(internals_worker *self, const iocp_address *address)
{
    self->peer = *address;
    self->peer_known = true;
}

uint64_t internals_worker_unsent_bytes(const internals_worker *self)
{
    return self->worker.unsent_bytes;
}

uint32_t internals_worker_buffer_count(const internals_worker *self, iocp_buffer_class class)
{
    return self->worker.buffers.classes[class].buffer_count;
}

uint8_t *internals_worker_buffer(internals_worker *self, uint16_t buffer)
{
    return iocp_receive_buffers_start(&self->worker.buffers, buffer);
}

const iocp_worker_stats *internals_worker_stats(const internals_worker *self)
{
    return &self->stats.stats;
}

int internals_port_attach(iocp_port *port, iocp_worker **worker, iocp_failure *failure)
{
    char thread_name[16];
    pthread_getname_np(pthread_self(), thread_name, sizeof thread_name);
    const int result = iocp_port_attach(port, worker, failure);
    pthread_setname_np(pthread_self(), thread_name);
    return result;
}
