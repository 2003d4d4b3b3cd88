/* What a port may be configured to: the defaults, and every bound. */
#include <stddef.h>

#include "base/limits.h"
#include "include/iocp_port.h"

iocp_port_config iocp_port_config_default(void)
{
    return (iocp_port_config){
        .driver = IOCP_DRIVER_AUTO,
        .receive_buffer_bytes = 128 * 1024,
        .receive_buffers_per_worker = 256,
        .send_chunks_per_worker = 4096, /* 64 MiB, touched as used */
        .completion_queue_entries = 4096,
        .mailbox_entries = 16 * 1024,
        .listen_backlog = 4096,
        .linger_timeout_ns = UINT64_C(5000000000),
        .send_low_bytes = 256 * 1024,
        .send_high_bytes = 1024 * 1024,
        .send_cap_bytes = 64 * 1024 * 1024,
        .worker_unsent_bytes = UINT64_C(1) << 30,
        .receive_progress_bytes = 1,
        .timers_per_worker = 16 * 1024,
        .offload_queue_entries = 1024,
        .offload_idle_ns = UINT64_C(10000000000),
        .holds_back_receive = true,
    };
}

static bool in_range(uint64_t value, uint64_t least, uint64_t most)
{
    return value >= least && value <= most;
}

static bool power_of_two(uint32_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

const char *iocp_port_config_broken_field(const iocp_port_config *config)
{
    if (config->driver > IOCP_DRIVER_SIM)
        return "driver";
    if (config->worker_count > IOCP_WORKERS_MAX)
        return "worker_count (at most 1,024)";
    if (config->connections_per_worker > IOCP_CONNECTIONS_PER_WORKER_MAX)
        return "connections_per_worker (at most 1,048,576)";
    if (config->connections > IOCP_CONNECTIONS_MAX)
        return "connections (at most 1,073,741,824)";
    if (!power_of_two(config->receive_buffer_bytes) ||
        !in_range(config->receive_buffer_bytes, IOCP_RECEIVE_BUFFER_BYTES_MIN, IOCP_RECEIVE_BUFFER_BYTES_MAX))
        return "receive_buffer_bytes (a power of two, 4,096 to 1,048,576)";
    if (!power_of_two(config->receive_buffers_per_worker) ||
        !in_range(config->receive_buffers_per_worker, IOCP_RECEIVE_BUFFERS_MIN, IOCP_RECEIVE_BUFFERS_MAX))
        return "receive_buffers_per_worker (a power of two, 2 to 16,384)";
    if (!in_range(config->send_chunks_per_worker, IOCP_SEND_CHUNKS_MIN, IOCP_SEND_CHUNKS_MAX))
        return "send_chunks_per_worker (4 to 1,048,576)";
    if (!power_of_two(config->completion_queue_entries) ||
        !in_range(config->completion_queue_entries, IOCP_COMPLETION_QUEUE_MIN, IOCP_COMPLETION_QUEUE_MAX))
        return "completion_queue_entries (a power of two, 64 to 65,536)";
    if (!power_of_two(config->mailbox_entries) || !in_range(config->mailbox_entries, IOCP_MAILBOX_MIN, IOCP_MAILBOX_MAX))
        return "mailbox_entries (a power of two, 16 to 1,048,576)";
    if (!in_range(config->listen_backlog, 1, IOCP_LISTEN_BACKLOG_MAX))
        return "listen_backlog (1 to 65,536)";
    if (!in_range(config->linger_timeout_ns, 1, IOCP_TIMEOUT_NS_MAX))
        return "linger_timeout_ns (1 ns to one day)";
    if (!in_range(config->send_cap_bytes, 1, IOCP_SEND_BYTES_MAX))
        return "send_cap_bytes (1 to 2,147,483,647)";
    if (!in_range(config->send_high_bytes, 1, config->send_cap_bytes))
        return "send_high_bytes (1 to send_cap_bytes)";
    if (config->send_low_bytes >= config->send_high_bytes)
        return "send_low_bytes (less than send_high_bytes)";
    if (config->worker_unsent_bytes < config->send_high_bytes)
        return "worker_unsent_bytes (at least send_high_bytes)";
    if (config->idle_timeout_ns > IOCP_TIMEOUT_NS_MAX)
        return "idle_timeout_ns (at most one day)";
    if (config->receive_timeout_ns > IOCP_TIMEOUT_NS_MAX)
        return "receive_timeout_ns (at most one day)";
    if (config->send_timeout_ns > IOCP_TIMEOUT_NS_MAX)
        return "send_timeout_ns (at most one day)";
    if (config->receive_progress_bytes == 0)
        return "receive_progress_bytes (at least 1)";
    if (config->timers_per_worker > IOCP_TIMERS_MAX)
        return "timers_per_worker (at most 1,048,576)";
    if (config->accepts_per_second > IOCP_ACCEPTS_PER_SECOND_MAX)
        return "accepts_per_second (at most 10,000,000)";
    if (config->spin_ns > IOCP_SPIN_NS_MAX)
        return "spin_ns (at most 10 ms)";
    if (config->busy_poll_us > IOCP_BUSY_POLL_US_MAX)
        return "busy_poll_us (at most 10 ms)";
    if (config->offload_threads > IOCP_OFFLOAD_THREADS_MAX)
        return "offload_threads (at most 4,096)";
    if (!in_range(config->offload_queue_entries, 1, IOCP_OFFLOAD_QUEUE_MAX))
        return "offload_queue_entries (1 to 1,048,576)";
    if (config->offload_idle_ns > IOCP_TIMEOUT_NS_MAX)
        return "offload_idle_ns (at most one day)";
    if (config->overflow_policy > IOCP_OVERFLOW_REFUSE)
        return "overflow_policy";
    if (config->worker_placement > IOCP_PLACE_UNBOUND)
        return "worker_placement";
    if ((config->worker_placement == IOCP_PLACE_LISTED) != (config->worker_cpu_count > 0) ||
        (config->worker_cpu_count > 0 && config->worker_cpus == NULL) || config->worker_cpu_count > IOCP_WORKERS_MAX)
        return "worker_cpus (1 to 1,024 where they are listed, otherwise none)";
    if (config->placement > IOCP_PLACEMENT_LEAST_LOADED)
        return "placement";
    return NULL;
}
