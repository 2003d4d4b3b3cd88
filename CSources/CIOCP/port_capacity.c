/* Derives how many workers hold a number of connections, and how many places each of them needs. */
#include <errno.h>

#include "base/limits.h"
#include "port_capacity.h"
#include "system/topology.h"

enum { SPREAD_DEVIATIONS = 6, SPREAD_PLACES = 16 };

static uint64_t root_rounded_up(uint64_t value)
{
    uint64_t below = 0;
    for (uint64_t bit = UINT64_C(1) << 16; bit > 0; bit >>= 1)
        if ((below + bit) * (below + bit) < value)
            below += bit;
    return below + 1;
}

/* The kernel deals clients out to the workers' sockets by a hash of their addresses, and knows nothing of full tables: clients
 * that it gives to a full worker wait there, while others have room. So each worker has places for its share, and for six
 * standard deviations of what chance adds to it. With 1,000,000 connections on 53 workers that is 844 places beyond 18,868. */
static uint64_t places_needed(uint64_t connections, uint32_t workers)
{
    const uint64_t share = (connections + workers - 1) / workers;
    if (workers == 1)
        return share;
    const uint64_t needed = share + SPREAD_DEVIATIONS * root_rounded_up(share) + SPREAD_PLACES;
    return needed < connections ? needed : connections;
}

int iocp_capacity_derive(uint32_t connections, uint32_t workers_min, uint32_t workers_max, uint32_t places_max,
                         iocp_capacity *capacity)
{
    if (connections == 0 || workers_min == 0 || workers_max < workers_min || workers_max > IOCP_WORKERS_MAX)
        return -EINVAL;
    for (uint32_t workers = workers_min; workers <= workers_max; workers++) {
        const uint64_t needed = places_needed(connections, workers);
        if (needed > places_max)
            continue;
        /* Each listener keeps a place for its next client. Without some to spare for those, the last clients of one listener
         * would wait for others that nobody connects to. */
        const uint64_t places = needed + IOCP_LISTENERS_MAX < places_max ? needed + IOCP_LISTENERS_MAX : places_max;
        *capacity = (iocp_capacity){.worker_count = workers, .connections_per_worker = (uint32_t)places};
        return 0;
    }
    return -EMFILE;
}

static uint32_t lesser(uint32_t one, uint32_t other)
{
    return one < other ? one : other;
}

uint32_t iocp_capacity_places(uint32_t files, uint32_t receive_buffers)
{
    const uint64_t places = (uint64_t)files * lesser(receive_buffers / 2, IOCP_QUEUES_MAX);
    return places < IOCP_CONNECTIONS_PER_WORKER_MAX ? (uint32_t)places : IOCP_CONNECTIONS_PER_WORKER_MAX;
}

/* --- of a port ---------------------------------------------------------------------------------------------- */

const char *iocp_capacity_settle(const iocp_port_config *asked, uint32_t workers_default, bool is_epoll,
                                 iocp_port_config *config)
{
    config->worker_count = asked->worker_count > 0 ? asked->worker_count : workers_default;
    config->connections_per_worker = asked->connections_per_worker > 0
                                         ? asked->connections_per_worker
                                         : lesser(iocp_limit_files(), IOCP_CONNECTIONS_PER_WORKER_MAX);
    if (asked->connections == 0)
        return NULL;
    iocp_capacity capacity;
    const uint32_t workers_max = asked->worker_count > 0 ? asked->worker_count : IOCP_WORKERS_MAX;
    const uint32_t places_max = asked->connections_per_worker > 0 ? asked->connections_per_worker
                                : is_epoll                        ? IOCP_CONNECTIONS_PER_WORKER_MAX
                                                                  : iocp_capacity_places(iocp_limit_files(), asked->receive_buffers_per_worker);
    if (iocp_capacity_derive(asked->connections, config->worker_count, workers_max, places_max, &capacity) < 0)
        return "connections (more than the workers have places for)";
    const uint64_t files = (uint64_t)asked->connections + (uint64_t)capacity.worker_count * IOCP_FILES_PER_WORKER;
    if (is_epoll && files > iocp_limit_files())
        return "connections (on epoll each takes a file descriptor of the process)";
    config->worker_count = capacity.worker_count;
    if (asked->connections_per_worker == 0)
        config->connections_per_worker = capacity.connections_per_worker;
    return NULL;
}
