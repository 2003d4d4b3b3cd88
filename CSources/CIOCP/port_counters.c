/* The application's own counters, in the port's stats page. */
#include <errno.h>

#include "port_state.h"
#include "stats/counters.h"

int iocp_port_counter(iocp_port *port, const char *name, iocp_stats_kind kind, uint32_t *index)
{
    pthread_mutex_lock(&port->lock);
    const int result = iocp_stats_page_counter(&port->stats, name, kind, index);
    pthread_mutex_unlock(&port->lock);
    return result;
}

void iocp_port_count(iocp_port *port, uint32_t index, uint64_t amount)
{
    if (index < IOCP_STATS_COUNTERS_MAX)
        iocp_stats_number_add_shared(&port->stats, index, amount);
}

void iocp_worker_count(iocp_worker *worker, uint32_t index, uint64_t amount)
{
    if (iocp_worker_is_mine(worker) && index < IOCP_STATS_COUNTERS_MAX)
        iocp_stats_number_add(&worker->setup.port->stats, worker->setup.index, index, amount);
}

uint64_t iocp_port_counted(const iocp_port *port, uint32_t row, uint32_t index)
{
    if (row > port->config.worker_count || index >= IOCP_STATS_COUNTERS_MAX)
        return 0;
    iocp_stats_page page = port->stats;
    return iocp_stats_number_read(&page, row, index);
}
