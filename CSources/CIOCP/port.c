/* The public functions of a port: they check their arguments and delegate. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/token.h"
#include "driver/driver.h"
#include "port_capacity.h"
#include "port_state.h"

/* --- configuration ------------------------------------------------------------------------------------------ */

static bool has_cpu(const uint32_t *cpus, uint32_t count, uint32_t cpu)
{
    for (uint32_t i = 0; i < count; i++)
        if (cpus[i] == cpu)
            return true;
    return false;
}

static bool are_allowed_once(const uint32_t *listed, uint32_t count, const uint32_t *allowed, uint32_t allowed_count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!has_cpu(allowed, allowed_count, listed[i]) || has_cpu(listed, i, listed[i]))
            return false;
    return true;
}

/* Why the ring cannot serve this configuration here; code 0 if it can. */
static iocp_failure ring_refusal(const iocp_port_config *config)
{
    const iocp_capabilities *capabilities = iocp_capabilities_get();
    iocp_failure refusal = {0};
    if (capabilities->uring_result < 0)
        iocp_port_fail(&refusal, capabilities->uring_result, IOCP_STAGE_RING, "io_uring_setup");
    else if (config->connections_per_address > 0 && capabilities->prompt_close && !capabilities->socket_commands)
        iocp_port_fail(&refusal, -EOPNOTSUPP, IOCP_STAGE_CONFIGURATION,
                       "connections_per_address (a ring asks for a client's address by socket commands, since Linux 6.7)");
    else if (config->placement == IOCP_PLACEMENT_LEAST_LOADED && capabilities->prompt_close && !capabilities->fd_install)
        iocp_port_fail(&refusal, -EOPNOTSUPP, IOCP_STAGE_CONFIGURATION,
                       "placement (a ring hands clients over with file descriptors for its sockets, since Linux 6.8)");
    return refusal;
}

/* A ring's table has room for as many connections as RLIMIT_NOFILE says. Without such tables that limit is the process' own,
 * and more rings would not help. */
static const iocp_driver_operations *ring_driver(const iocp_port_config *config)
{
    const bool one_is_full = iocp_capabilities_get()->prompt_close && config->connections_per_worker > iocp_limit_files();
    return one_is_full ? iocp_driver_uring_set() : iocp_driver_uring();
}

static uint32_t queue_count(const iocp_driver_operations *driver, const iocp_port_config *config)
{
    return driver->queues != NULL ? driver->queues(config->connections_per_worker) : 1;
}

/* Why not all workers can open their rings; code 0 if they can. Asked for `auto` alone: it takes 0.1 to 0.2 ms for each ring,
 * and where `uring` was chosen the opening says as much. */
static iocp_failure ring_shortage(const iocp_port_config *config)
{
    const iocp_driver_operations *uring = ring_driver(config);
    const iocp_driver_rehearsal rehearsal = {
        .instance_count = config->worker_count * queue_count(uring, config),
        .completion_queue_entries = config->completion_queue_entries,
        .buffer_counts = {[IOCP_BUFFER_LARGE] = config->receive_buffers_per_worker,
                          [IOCP_BUFFER_SMALL] = iocp_worker_small_buffer_count(config, uring)},
    };
    iocp_failure shortage;
    return uring->rehearse(&rehearsal, &shortage) < 0 ? shortage : (iocp_failure){0};
}

/* The CPUs that workers are placed on. Returns how many there are, or -errno. */
static int find_cpus(const iocp_port_config *config, uint32_t *cpus, iocp_failure *failure)
{
    const int result = iocp_cpus_allowed(cpus, IOCP_WORKERS_MAX);
    if (result <= 0)
        return iocp_port_fail(failure, result < 0 ? result : -EINVAL, IOCP_STAGE_THREAD, "reading the allowed CPUs");
    const uint32_t count = (uint32_t)result < IOCP_WORKERS_MAX ? (uint32_t)result : IOCP_WORKERS_MAX;
    if (config->worker_placement == IOCP_PLACE_CORES)
        return (int)iocp_cpus_one_per_core("", cpus, count);
    if (config->worker_placement != IOCP_PLACE_LISTED)
        return (int)count;
    if (!are_allowed_once(config->worker_cpus, config->worker_cpu_count, cpus, count))
        return iocp_port_fail(failure, -EINVAL, IOCP_STAGE_CONFIGURATION,
                              "worker_cpus (CPUs that the process may run on, each once)");
    memcpy(cpus, config->worker_cpus, config->worker_cpu_count * sizeof *cpus);
    return (int)config->worker_cpu_count;
}

/* Replaces zeros and AUTO by what this machine gives. */
static int settle_config(iocp_port *port, uint32_t cpu_count, iocp_failure *failure)
{
    iocp_port_config *config = &port->config;
    const iocp_port_config asked = *config;
    config->worker_cpus = NULL; /* the caller's */
    /* More workers than a cgroup's quota pays for would all be stopped together once it is used up. */
    const uint32_t granted = asked.worker_count == 0 ? iocp_cpus_granted("") : 0;
    const uint32_t workers_default = granted > 0 && granted < cpu_count ? granted : cpu_count;
    const char *unheld = iocp_capacity_settle(&asked, workers_default, asked.driver == IOCP_DRIVER_EPOLL, config);
    if (config->offload_threads == 0)
        config->offload_threads = 2 * cpu_count;

    if (config->driver == IOCP_DRIVER_AUTO) {
        port->fallback = ring_refusal(config);
        if (port->fallback.code == 0 && unheld == NULL)
            port->fallback = ring_shortage(config);
        port->rehearsed = port->fallback.code == 0;
        config->driver = port->rehearsed ? IOCP_DRIVER_URING : IOCP_DRIVER_EPOLL;
        if (!port->rehearsed)
            unheld = iocp_capacity_settle(&asked, workers_default, true, config);
    }
    if (unheld != NULL)
        return iocp_port_fail(failure, -EMFILE, IOCP_STAGE_CONFIGURATION, unheld);
    port->driver = config->driver == IOCP_DRIVER_URING ? ring_driver(config) : iocp_driver_find(config->driver);
    if (port->driver == NULL) {
        if (port->fallback.code < 0)
            return iocp_port_fail(failure, port->fallback.code, port->fallback.stage, port->fallback.detail);
        return iocp_port_fail(failure, -ENOSYS, IOCP_STAGE_CONFIGURATION, "driver (not part of this build)");
    }
    if (config->driver == IOCP_DRIVER_URING) {
        const iocp_failure refusal = ring_refusal(config);
        if (refusal.code < 0)
            return iocp_port_fail(failure, refusal.code, refusal.stage, refusal.detail);
        if (queue_count(port->driver, config) > IOCP_QUEUES_MAX)
            return iocp_port_fail(failure, -EMFILE, IOCP_STAGE_CONFIGURATION,
                        "connections_per_worker (more than 1,024 rings of RLIMIT_NOFILE descriptors)");
        /* One that fills up, and one for what comes meanwhile. */
        if (config->receive_buffers_per_worker < 2 * queue_count(port->driver, config))
            return iocp_port_fail(failure, -EINVAL, IOCP_STAGE_CONFIGURATION,
                        "receive_buffers_per_worker (at least 2 for each ring: connections_per_worker over RLIMIT_NOFILE)");
    }
    return 0;
}

/* --- lifetime ----------------------------------------------------------------------------------------------- */

static bool pins(const iocp_port_config *config, uint32_t cpu_count)
{
    switch (config->worker_placement) {
    case IOCP_PLACE_AUTOMATIC:
        /* Fewer are not bound by their index: the one worker of every port of a machine would share CPU 0. */
        return config->worker_count == cpu_count;
    case IOCP_PLACE_EVERY_CPU:
    case IOCP_PLACE_CORES:
    case IOCP_PLACE_LISTED:
        return true;
    case IOCP_PLACE_UNBOUND:
        return false;
    }
    return false;
}

static int open_offload(iocp_port *port, const uint32_t *cpus, uint32_t cpu_count)
{
    const iocp_offload_settings settings = {
        .threads_max = port->config.offload_threads,
        .queue_max = port->config.offload_queue_entries,
        .idle_ns = port->config.offload_idle_ns,
        .cpus = cpus,
        .cpu_count = cpu_count,
        .lifetime = &port->lifetime,
        .stats = &port->stats.cells[0],
    };
    return iocp_offload_pool_open(&port->offload, &settings);
}

static int open_workers(iocp_port *port, const uint32_t *cpus, uint32_t cpu_count)
{
    const uint32_t count = port->config.worker_count;
    const bool pinned = pins(&port->config, cpu_count);
    port->threads = calloc(count, sizeof *port->threads);
    port->listeners.cpus =
        port->config.placement == IOCP_PLACEMENT_INCOMING_CPU ? calloc(count, sizeof(uint32_t)) : NULL;
    if (port->threads == NULL || (port->listeners.cpus == NULL && port->config.placement == IOCP_PLACEMENT_INCOMING_CPU))
        return -ENOMEM;
    /* Last, and filled at once: a release takes workers that are there for workers that may hold something. */
    port->workers = aligned_alloc(IOCP_CACHE_LINE_BYTES, count * sizeof *port->workers);
    if (port->workers == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        port->workers[i] = (iocp_worker){.setup.wake_fd = -1};
    for (uint32_t i = 0; i < count; i++) {
        iocp_worker *worker = &port->workers[i];
        const uint32_t cpu = cpus[i % cpu_count]; /* more workers than CPUs share them in turn */
        worker->setup = (iocp_worker_setup){
            .port = port,
            .workers = port->workers,
            .lifetime = &port->lifetime,
            .config = &port->config,
            .driver = port->driver,
            .stats = &port->stats.cells[i],
            .listeners = &port->listeners,
            .addresses = &port->addresses,
            .offload = &port->offload,
            .stop_at_ns = &port->stop_at_ns,
            .rehearsed = port->rehearsed,
            .index = i,
            .cpu = pinned ? cpu : UINT32_MAX,
            .node = iocp_cpu_node(cpu),
            .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        };
        worker->offloads = (iocp_offload_inbox){.pool = &port->offload,
                                                .stats = worker->setup.stats,
                                                .wake = iocp_port_interrupt_worker,
                                                .wake_context = worker};
        IOCP_STATS_SET(&port->stats.cells[i], cpu, worker->setup.cpu);
        if (worker->setup.wake_fd < 0)
            return -errno;
        int result = iocp_mailbox_reserve(&worker->mailbox, port->config.mailbox_entries);
        if (result == 0 && port->config.placement == IOCP_PLACEMENT_LEAST_LOADED)
            result = iocp_parcels_reserve(worker);
        if (port->listeners.cpus != NULL)
            port->listeners.cpus[i] = worker->setup.cpu;
        if (result < 0)
            return result;
    }
    return 0;
}

static void free_port(iocp_port *port)
{
    iocp_listener_set_close(&port->listeners);
    for (uint32_t i = 0; port->workers != NULL && i < port->config.worker_count; i++) {
        iocp_mailbox_release(&port->workers[i].mailbox);
        iocp_parcels_release(&port->workers[i]);
        if (port->workers[i].setup.wake_fd >= 0)
            close(port->workers[i].setup.wake_fd);
    }
    iocp_offload_pool_close(&port->offload);
    iocp_address_counts_close(&port->addresses);
    iocp_stats_page_close(&port->stats);
    pthread_cond_destroy(&port->changed);
    pthread_mutex_destroy(&port->lock);
    free(port->listeners.cpus);
    free(port->workers);
    free(port->threads);
    free(port);
}

static void end_of_life(iocp_lifetime *lifetime)
{
    free_port((iocp_port *)lifetime);
}

int iocp_port_create(const iocp_port_config *config, iocp_port **port, iocp_failure *failure)
{
    const char *broken = iocp_port_config_broken_field(config);
    if (broken != NULL)
        return iocp_port_fail(failure, -EINVAL, IOCP_STAGE_CONFIGURATION, broken);
    uint32_t cpus[IOCP_WORKERS_MAX];
    const int cpu_count = find_cpus(config, cpus, failure);
    if (cpu_count < 0)
        return cpu_count;

    iocp_port *created = aligned_alloc(IOCP_CACHE_LINE_BYTES, sizeof *created);
    if (created == NULL)
        return iocp_port_fail(failure, -ENOMEM, IOCP_STAGE_MEMORY, "the port");
    memset(created, 0, sizeof *created);
    created->lifetime = (iocp_lifetime){.holder_count = 1, .end = end_of_life};
    created->config = *config;
    created->stats.fd = -1;
    pthread_mutex_init(&created->lock, NULL);
    pthread_cond_init(&created->changed, NULL);
    int result = settle_config(created, (uint32_t)cpu_count, failure);
    if (result == 0 && config->placement == IOCP_PLACEMENT_INCOMING_CPU && !pins(&created->config, (uint32_t)cpu_count))
        result = iocp_port_fail(failure, -EINVAL, IOCP_STAGE_CONFIGURATION,
                                "placement (incoming_cpu is for workers that are bound to CPUs)");
    const iocp_listening_operations *operations = created->driver != NULL ? created->driver->listening : NULL;
    iocp_listener_set_open(&created->listeners, operations, created->config.worker_count, created->config.listen_backlog);
    if (result == 0) {
        result = iocp_stats_page_open(&created->stats, created->config.worker_count, created->driver->name);
        if (result < 0)
            iocp_port_fail(failure, result, IOCP_STAGE_STATS, "the stats page");
    }
    if (result == 0) {
        const uint64_t most = (uint64_t)created->config.worker_count * created->config.connections_per_worker;
        result = iocp_address_counts_open(&created->addresses, most, created->config.connections_per_address);
        if (result < 0)
            iocp_port_fail(failure, result, IOCP_STAGE_MEMORY, "counts of connections by address");
    }
    if (result == 0) {
        result = open_offload(created, cpus, (uint32_t)cpu_count);
        if (result < 0)
            iocp_port_fail(failure, result, IOCP_STAGE_MEMORY, "the CPUs of the pool for offloaded work");
    }
    if (result == 0) {
        result = open_workers(created, cpus, (uint32_t)cpu_count);
        if (result < 0)
            iocp_port_fail(failure, result, IOCP_STAGE_MEMORY, "mailboxes and wake-ups");
    }
    if (result < 0) {
        free_port(created);
        return result;
    }
    *port = created;
    return 0;
}

void iocp_port_destroy(iocp_port *port)
{
    if (atomic_load_explicit(&port->lifetime.holder_count, memory_order_relaxed) > 1)
        iocp_port_stop(port, 0);
    pthread_mutex_lock(&port->lock);
    for (uint32_t i = 0; i < port->config.worker_count; i++) {
        /* Nobody is left to join it. */
        if (port->threads[i].use == USE_SPAWNED) {
            port->threads[i].use = USE_ENDED;
            pthread_detach(port->threads[i].thread);
        }
    }
    pthread_mutex_unlock(&port->lock);
    iocp_lifetime_release(&port->lifetime);
}

/* --- what is asked of a port -------------------------------------------------------------------------------- */

void iocp_port_stop(iocp_port *port, uint64_t drain_ns)
{
    const uint64_t now_ns = port->driver->now_ns != NULL ? port->driver->now_ns(NULL) : iocp_clock_ns();
    const uint64_t wanted = iocp_clock_after(now_ns, drain_ns);
    uint64_t before = atomic_load_explicit(&port->stop_at_ns, memory_order_relaxed);
    while ((before == 0 || wanted < before) &&
           !atomic_compare_exchange_weak_explicit(&port->stop_at_ns, &before, wanted, memory_order_release,
                                                  memory_order_relaxed)) {
    }
    iocp_listener_set_stop(&port->listeners);
    iocp_port_wake_all(port);
}

bool iocp_port_is_stopping(const iocp_port *port)
{
    return atomic_load_explicit(&port->stop_at_ns, memory_order_relaxed) != 0;
}

const iocp_port_config *iocp_port_configuration(const iocp_port *port)
{
    return &port->config;
}

iocp_failure iocp_port_fallback_cause(const iocp_port *port)
{
    return port->fallback;
}

uint32_t iocp_port_worker_count(const iocp_port *port)
{
    return port->config.worker_count;
}

iocp_worker_stats iocp_port_stats(iocp_port *port, uint32_t worker_index)
{
    if (worker_index >= port->config.worker_count)
        return (iocp_worker_stats){0};
    iocp_worker_stats stats = iocp_stats_cell_read(&port->stats.cells[worker_index]);
    iocp_listener_set_refresh_backlogs(&port->listeners, worker_index, &stats);
    return stats;
}

iocp_stats_histogram iocp_port_histogram(const iocp_port *port, uint32_t worker_index, uint32_t index)
{
    if (worker_index >= port->config.worker_count)
        return (iocp_stats_histogram){0};
    return iocp_stats_cell_histogram(&port->stats.cells[worker_index], index);
}
