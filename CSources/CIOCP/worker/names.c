/* What a connection that may have moved is called: its name, and its token here. */
#include "lookup.h"
#include "travel.h"

iocp_token iocp_connection_name(const iocp_worker *worker, iocp_token connection)
{
    const iocp_slot *slot = iocp_worker_find_slot(worker, connection);
    if (slot == NULL || slot->state == IOCP_SLOT_AWAY)
        return 0;
    return slot->is_guest ? iocp_travel_find(worker, slot)->name : iocp_slot_connection(&worker->table, slot);
}

iocp_token iocp_connection_here(const iocp_worker *worker, iocp_token connection)
{
    const iocp_slot *slot = iocp_worker_find_slot(worker, connection);
    return slot == NULL || slot->state == IOCP_SLOT_AWAY ? 0 : iocp_slot_connection(&worker->table, slot);
}
