/* How a worker ends, with its port or alone: posts first, then word to the application, then the connections. */
#include "stopping.h"

#include "life.h"
#include "outbox.h"
#include "travel.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t iocp_worker_drain_ends_ns(const iocp_worker *worker)
{
    const uint64_t stop_at_ns = atomic_load_explicit(worker->setup.stop_at_ns, memory_order_acquire);
    if (stop_at_ns == 0 || worker->leave_at_ns == 0)
        return stop_at_ns | worker->leave_at_ns;
    return least(stop_at_ns, worker->leave_at_ns);
}

static void each_connection(iocp_worker *worker, bool abort)
{
    for (uint32_t i = 0; i < worker->table.untouched; i++) {
        iocp_slot *slot = &worker->table.slots[i];
        if (slot->state != IOCP_SLOT_FREE && (abort || !(slot->flags & IOCP_SLOT_STAYS)) &&
            (abort || !slot->awaits_work)) {
            if (abort && (slot->flags & IOCP_SLOT_ANNOUNCED) && iocp_slot_receives(slot))
                IOCP_STATS_ADD(worker->stats, aborted_by_stop, 1);
            iocp_worker_begin_close(worker, slot, IOCP_CLOSE_STOPPED, 0, abort);
        }
    }
}

/* Jobs send what came before the stop, which must not lie behind the FIN; the drain bounds how long they may. */
static bool has_done_jobs(const iocp_worker *worker)
{
    return !iocp_worker_has_jobs(worker) || worker->now_ns >= iocp_worker_drain_ends_ns(worker);
}

/* The application still has every connection, and every post from before the stop. No accept is outstanding, so no
 * connection will open that it could not take leave of. */
static bool may_say_so(const iocp_worker *worker)
{
    return has_done_jobs(worker) && iocp_mailbox_was_read_to(&worker->mailbox, worker->posts_due) &&
           worker->accepting.armed_count == 0 && worker->accepting.held.count == 0 &&
           worker->accepting.arrived.first == NULL;
}

static void close_connections(iocp_worker *worker)
{
    const bool drained = worker->now_ns >= iocp_worker_drain_ends_ns(worker);
    if (worker->stop == IOCP_STOP_SAID || drained)
        each_connection(worker, drained);
    if (worker->stop == IOCP_STOP_SAID) {
        iocp_worker_cancel_timers(worker);
        iocp_home_forgets(worker);
    }
    worker->stop = IOCP_STOP_CLOSING;
    if (worker->table.used_count == 0)
        iocp_mailbox_close(&worker->mailbox);
}

/* What comes back is for the application, which a wait hands nothing of it. */
static void cancel_offloads(iocp_worker *worker)
{
    worker->offloads.cancels = worker->setup.config->cancels_offloads_at_stop;
    if (worker->offloads.cancels && worker->offloads.depth > 0 &&
        iocp_offload_pool_cancel_all(worker->setup.offload, &worker->offloads) > 0)
        (void)iocp_mailbox_interrupt(&worker->mailbox); /* this very wait */
}

/* What was offloaded is waited for until the drain is over: what runs then is nobody's any more. */
static bool awaits_offloads(const iocp_worker *worker)
{
    return worker->offloads.depth > 0 && worker->now_ns < iocp_worker_drain_ends_ns(worker);
}

void iocp_worker_follow_stop(iocp_worker *worker)
{
    if (iocp_worker_drain_ends_ns(worker) == 0)
        return;
    switch (worker->stop) {
    case IOCP_STOP_NONE:
        cancel_offloads(worker);
        /* A post that was accepted before the stop was asked for is counted in the tail that is read after it. */
        worker->posts_due = iocp_mailbox_tail(&worker->mailbox);
        worker->stop = IOCP_STOP_DELIVERING;
        break;
    case IOCP_STOP_DELIVERING:
        break;
    case IOCP_STOP_SAID:
    case IOCP_STOP_CLOSING:
        close_connections(worker);
        return;
    }
    if (!may_say_so(worker))
        return;
    worker->stop = IOCP_STOP_SAID;
    iocp_worker_emit(worker, (iocp_completion){.kind = IOCP_COMPLETION_STOPPING});
}

bool iocp_worker_has_stopped(const iocp_worker *worker)
{
    if (iocp_worker_has_dispatches(worker))
        return false;
    if (worker->failure < 0)
        return worker->leaving.count == 0 && iocp_mailbox_finished(&worker->mailbox);
    return worker->stop == IOCP_STOP_CLOSING && worker->table.used_count == 0 && !awaits_offloads(worker) &&
           worker->operations->handles_held(worker->driver) == 0 && iocp_mailbox_finished(&worker->mailbox);
}

int iocp_worker_leave(iocp_worker *worker, uint64_t drain_ns)
{
    const int refusal = iocp_worker_refusal(worker);
    if (refusal < 0)
        return refusal;
    const uint64_t at_ns = iocp_clock_after(iocp_worker_clock_ns(worker), drain_ns);
    if (worker->leave_at_ns == 0 || at_ns < worker->leave_at_ns)
        worker->leave_at_ns = at_ns;
    return 0;
}
