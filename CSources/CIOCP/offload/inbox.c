/* Brings ended work back to its worker. */
#include "inbox.h"

static iocp_offload *work_of(iocp_link *link)
{
    return link != NULL ? (iocp_offload *)((char *)link - offsetof(iocp_offload, link)) : NULL;
}

/* The owner takes all that is there, so whoever finds it empty wakes it for those that follow. */
bool iocp_offload_inbox_put(iocp_offload_inbox *inbox, iocp_offload *work)
{
    const iocp_chain_put_result result = iocp_chain_put(&inbox->ended, &work->link);
    if (result == IOCP_CHAIN_WAKE)
        inbox->wake(inbox->wake_context);
    return result != IOCP_CHAIN_CLOSED;
}

void iocp_offload_inbox_keep(iocp_offload_inbox *inbox, iocp_offload *work)
{
    iocp_links_put(&inbox->ended.taken, &work->link);
}

iocp_offload *iocp_offload_inbox_take(iocp_offload_inbox *inbox)
{
    return work_of(iocp_chain_take(&inbox->ended));
}

bool iocp_offload_inbox_has(const iocp_offload_inbox *inbox)
{
    return iocp_chain_has(&inbox->ended);
}

uint32_t iocp_offload_inbox_close(iocp_offload_inbox *inbox)
{
    iocp_chain_close(&inbox->ended);
    uint32_t count = 0;
    for (const iocp_link *link = inbox->ended.taken.first; link != NULL; link = link->next)
        count++;
    return count;
}
