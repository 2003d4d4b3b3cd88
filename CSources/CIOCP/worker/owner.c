/* Numbers threads that open workers, and knows which threads serve connections. */
#include "owner.h"

#include <errno.h>

#include "worker.h"

_Thread_local uint64_t iocp_thread_number = IOCP_THREAD_UNNUMBERED;
static _Thread_local uint32_t serving_depth;
static _Atomic uint64_t numbered_count;

uint64_t iocp_thread_number_take(void)
{
    if (iocp_thread_number == IOCP_THREAD_UNNUMBERED)
        iocp_thread_number = atomic_fetch_add_explicit(&numbered_count, 1, memory_order_relaxed) + 1;
    return iocp_thread_number;
}

void iocp_thread_serve_begin(void)
{
    serving_depth++;
}

void iocp_thread_serve_end(void)
{
    serving_depth--;
}

bool iocp_thread_serves(void)
{
    return serving_depth > 0;
}

int iocp_worker_refusal(const iocp_worker *worker)
{
    if (iocp_worker_is_mine(worker))
        return 0;
    return iocp_worker_is_foreign(worker) ? -EPERM : -ESHUTDOWN;
}
