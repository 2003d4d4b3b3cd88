#include "mailboxes.h"

#include <stdlib.h>

#include "../../../CSources/CIOCP/worker/mailbox.h"

struct internals_mailbox {
    iocp_mailbox mailbox;
};

internals_mailbox *internals_mailbox_reserve(uint32_t entries)
{
    internals_mailbox *mailbox = aligned_alloc(IOCP_CACHE_LINE_BYTES, sizeof *mailbox);
    if (mailbox != NULL && iocp_mailbox_reserve(&mailbox->mailbox, entries) < 0) {
        free(mailbox);
        return NULL;
    }
    return mailbox;
}

void internals_mailbox_open(internals_mailbox *mailbox)
{
    iocp_mailbox_open(&mailbox->mailbox);
}

internals_mailbox *internals_mailbox_create(uint32_t entries)
{
    internals_mailbox *mailbox = internals_mailbox_reserve(entries);
    if (mailbox != NULL)
        internals_mailbox_open(mailbox);
    return mailbox;
}

void internals_mailbox_destroy(internals_mailbox *mailbox)
{
    iocp_mailbox_release(&mailbox->mailbox);
    free(mailbox);
}

int internals_mailbox_put(internals_mailbox *mailbox, uint64_t connection, uint64_t value)
{
    return iocp_mailbox_put(&mailbox->mailbox, &(iocp_letter){.connection = connection, .value = value});
}

bool internals_mailbox_wake_due(internals_mailbox *mailbox)
{
    return iocp_mailbox_wake_due(&mailbox->mailbox);
}

bool internals_mailbox_take(internals_mailbox *mailbox, uint64_t *connection, uint64_t *value)
{
    iocp_letter letter;
    if (!iocp_mailbox_take(&mailbox->mailbox, &letter))
        return false;
    *connection = letter.connection;
    *value = letter.value;
    return true;
}

bool internals_mailbox_sleep(internals_mailbox *mailbox)
{
    return iocp_mailbox_sleep(&mailbox->mailbox);
}

void internals_mailbox_awake(internals_mailbox *mailbox)
{
    iocp_mailbox_awake(&mailbox->mailbox);
}

void internals_mailbox_close(internals_mailbox *mailbox)
{
    iocp_mailbox_close(&mailbox->mailbox);
}

bool internals_mailbox_finished(const internals_mailbox *mailbox)
{
    return iocp_mailbox_finished(&mailbox->mailbox);
}
