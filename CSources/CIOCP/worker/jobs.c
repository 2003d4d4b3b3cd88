/* Runs jobs, a slice at a time, no faster than what they send is flushed. */
#include "jobs.h"

#include "worker.h"

static void append(iocp_job_list *jobs, iocp_job *job)
{
    iocp_links_put(&jobs->links, &job->link);
    jobs->count++;
}

static iocp_job *take_first(iocp_job_list *jobs)
{
    jobs->count--;
    return (iocp_job *)iocp_links_take(&jobs->links);
}

void iocp_worker_add_job(iocp_worker *worker, iocp_job *job)
{
    job->flushed_at = worker->traffic.head;
    append(&worker->jobs, job);
}

/* Slots are serviced in the order in which they were listed, so those of the latest slice were once the list's head has
 * passed its end. Without this a job would queue its second message to a connection that had no chance to send the first:
 * a healthy peer would look slow, and the queues would fill. */
static bool is_due(const iocp_worker *worker, const iocp_job *job)
{
    return (int32_t)(worker->traffic.head - job->flushed_at) >= 0;
}

void iocp_worker_run_jobs(iocp_worker *worker)
{
    iocp_job_list *jobs = &worker->jobs;
    if (!iocp_worker_has_jobs(worker))
        return;
    uint32_t sends_left = IOCP_JOB_SENDS_MAX;
    uint32_t visits_left = jobs->count < IOCP_JOB_SENDS_MAX ? jobs->count : IOCP_JOB_SENDS_MAX;
    while (visits_left-- > 0 && sends_left > 0) {
        iocp_job *job = take_first(jobs);
        if (is_due(worker, job)) {
            bool more = false;
            const uint32_t sends = job->run(job, worker, sends_left, &more);
            sends_left -= sends < sends_left ? sends : sends_left;
            if (!more)
                continue; /* it may be posted again already, so it is not looked at any more */
            job->flushed_at = worker->traffic.tail;
        }
        append(jobs, job);
    }
}

/* A draft refuses every send until its writer is done with it, so jobs wait for that. */
bool iocp_worker_has_jobs(const iocp_worker *worker)
{
    return worker->jobs.count > 0 && !worker->pool.draft.open;
}

void iocp_worker_release_jobs(iocp_worker *worker)
{
    while (worker->jobs.count > 0) {
        iocp_job *job = take_first(&worker->jobs);
        job->release(job);
    }
}
