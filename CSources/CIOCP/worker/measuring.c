/* What a worker measures of its own turns: how long each lasted, how much a wait brought, how late a wake-up was. */
#include "measuring.h"

/* CPU time is asked of the kernel by a system call, so it is asked this often at most. */
enum { CPU_TIME_EVERY_NS = 10 * 1000 * 1000 };

void iocp_worker_measure_memory(iocp_worker *worker)
{
    const iocp_slot_table *table = &worker->table;
    IOCP_STATS_SET(worker->stats, receive_buffers, worker->buffers.classes[IOCP_BUFFER_LARGE].buffer_count);
    IOCP_STATS_SET(worker->stats, receive_memory_bytes, worker->buffers.arena.size_bytes);
    IOCP_STATS_SET(worker->stats, send_memory_bytes, worker->chunks.arena.size_bytes);
    IOCP_STATS_SET(worker->stats, connection_memory_bytes, table->arena.size_bytes + worker->pool.arena.size_bytes);
}

uint64_t iocp_worker_measure_turn(iocp_worker *worker)
{
    const uint64_t now_ns = iocp_worker_clock_ns(worker);
    iocp_turn_watch *watch = &worker->watch;
    iocp_turn_watch_step(watch, IOCP_TURN_UNKNOWN);
    if (worker->turn_began_ns != 0) {
        const uint64_t turn_ns = now_ns > worker->turn_began_ns ? now_ns - worker->turn_began_ns : 0;
        iocp_stats_record(worker->stats, IOCP_STATS_HISTOGRAM_turn_ns, turn_ns);
        if (turn_ns > worker->stats->stats.longest_turn_ns) {
            IOCP_STATS_SET(worker->stats, longest_turn_in, watch->longest_in);
            IOCP_STATS_SET(worker->stats, longest_turn_at_ns, now_ns);
            IOCP_STATS_SET(worker->stats, longest_turn_ns, turn_ns);
        }
        worker->turn_began_ns = 0;
    }
    watch->longest_ticks = 0;
    watch->longest_in = IOCP_TURN_UNKNOWN;
    return now_ns;
}

/* A played kernel's clock is not the one that another thread's wake-up was stamped with, nor is its CPU time played. */
static bool has_real_clock(const iocp_worker *worker)
{
    return worker->operations->now_ns == NULL;
}

void iocp_worker_measure_wait(iocp_worker *worker, uint32_t event_count)
{
    iocp_stats_record(worker->stats, IOCP_STATS_HISTOGRAM_wait_events, event_count);
    if (!has_real_clock(worker))
        return;
    const uint64_t woken_ns = iocp_mailbox_take_wake(&worker->mailbox);
    if (woken_ns != 0)
        iocp_stats_record(
            worker->stats, IOCP_STATS_HISTOGRAM_wake_ns, worker->now_ns > woken_ns ? worker->now_ns - woken_ns : 0);
    if (worker->now_ns >= worker->cpu_time_due_ns) {
        worker->cpu_time_due_ns = worker->now_ns + CPU_TIME_EVERY_NS;
        IOCP_STATS_SET(worker->stats, cpu_time_ns, iocp_clock_thread_cpu_ns());
    }
}

void iocp_worker_measure_delivery(iocp_worker *worker, uint32_t completion_count)
{
    IOCP_STATS_SET(worker->stats, timers, worker->timers.armed_count);
    IOCP_STATS_SET(worker->stats, leases, worker->buffers.lease_count);
    IOCP_STATS_SET(worker->stats, free_receive_buffers, worker->buffers.classes[IOCP_BUFFER_LARGE].free_count);
    IOCP_STATS_SET(worker->stats, refused_posts, iocp_mailbox_refused(&worker->mailbox));
    if (completion_count == 0)
        return;
    IOCP_STATS_ADD(worker->stats, completions, completion_count);
    iocp_stats_record(worker->stats, IOCP_STATS_HISTOGRAM_wait_completions, completion_count);
    worker->turn_began_ns = worker->now_ns;
    worker->watch.last_ticks = iocp_ticks();
}
