/* What any thread hands to a worker: posts, sends and jobs, each a letter in the worker's mailbox, and interrupts. */
#include <errno.h>

#include "port_state.h"
#include "worker/posting.h"

int iocp_port_post(iocp_port *port, uint32_t worker_index, iocp_token connection, uint64_t value)
{
    const iocp_letter letter = {.connection = connection, .value = value, .kind = IOCP_LETTER_VALUE};
    return iocp_port_post_letter(port, worker_index, &letter);
}

int iocp_port_post_letter(iocp_port *port, uint32_t worker_index, const iocp_letter *letter)
{
    if (worker_index >= port->config.worker_count)
        return -EINVAL;
    iocp_worker *worker = &port->workers[worker_index];
    const int result = iocp_worker_post(worker, letter);
    /* A worker that is not open yet will never be once the port has stopped. */
    if (result == -ENXIO && iocp_port_is_stopping(port))
        return -ESHUTDOWN;
    return result;
}

static void release_shared(void *reference)
{
    iocp_shared_bytes_release(reference);
}

int iocp_port_send(iocp_port *port, iocp_token connection, iocp_shared_bytes *shared)
{
    const iocp_letter letter = {
        .connection = connection, .reference = shared, .release = release_shared, .kind = IOCP_LETTER_SEND};
    iocp_shared_bytes_retain(shared);
    const int result = iocp_port_post_letter(port, iocp_token_worker(connection), &letter);
    if (result < 0)
        iocp_shared_bytes_release(shared);
    return result;
}

int iocp_port_post_job(iocp_port *port, uint32_t worker_index, iocp_job *job)
{
    const iocp_letter letter = {.reference = job, .release = job->release, .kind = IOCP_LETTER_JOB};
    return iocp_port_post_letter(port, worker_index, &letter);
}

iocp_worker *iocp_port_worker(iocp_port *port, uint32_t worker_index)
{
    return worker_index < port->config.worker_count ? &port->workers[worker_index] : NULL;
}

void iocp_port_interrupt_worker(void *worker)
{
    iocp_worker *owner = worker;
    if (iocp_mailbox_interrupt(&owner->mailbox))
        iocp_worker_wake_noted(owner);
}

void iocp_port_interrupt(iocp_port *port, uint32_t worker_index)
{
    iocp_port_interrupt_worker(&port->workers[worker_index]);
}
