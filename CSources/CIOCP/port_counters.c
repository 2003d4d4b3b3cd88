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

uint32_t iocp_port_counter_count(iocp_port *port)
{
    uint32_t count = 0;
    pthread_mutex_lock(&port->lock);
    while (count < IOCP_STATS_COUNTERS_MAX && port->stats.counters[count].kind != IOCP_STATS_KIND_UNKNOWN)
        count++;
    pthread_mutex_unlock(&port->lock);
    return count;
}

iocp_stats_field iocp_port_counter_at(const iocp_port *port, uint32_t index)
{
    const iocp_stats_entry *entry = &port->stats.counters[index < IOCP_STATS_COUNTERS_MAX ? index : 0];
    return (iocp_stats_field){.name = entry->name,
                              .kind = (iocp_stats_kind)entry->kind,
                              .unit = (iocp_stats_unit)entry->unit,
                              .total = (iocp_stats_total)entry->total,
                              .summary = ""};
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
    return iocp_stats_number_read(&port->stats, row, index);
}
