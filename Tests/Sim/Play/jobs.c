/* The job that the application gives its worker now and then: it sends for a few slices, and ends once. */
#include <errno.h>

#include "application.h"

/* To anybody, within a limit, so that one who does not read is passed over and never ended. */
static void send_within(application *application, ledger_life *life)
{
    (void)application_unsent(application, life);
    const uint32_t limit_bytes = random_magnitude(&application->random, 1 << 20);
    const int result = iocp_send_shared_within(application->worker, life->token, application->shared, limit_bytes);
    if (result == -EAGAIN || result == -EMSGSIZE) {
        if (iocp_connection_unsent_bytes(application->worker, life->token) > 0)
            ledger_press(life);
        return;
    }
    if (result == 0)
        ledger_queue(application->ledger, life, APPLICATION_SHARED_STREAM, 0,
                     iocp_shared_bytes_count(application->shared));
    application_check_answer(application, life, result);
}

static uint32_t run(iocp_job *job, iocp_worker *worker, uint32_t most, bool *more)
{
    application *application = job->context;
    LEDGER_REQUIRE(application->ledger, application->has_job && most > 0, "G5", "a job ran that was not posted", 0);
    uint32_t sends = 0;
    for (uint32_t left = random_below(&application->random, 12); left > 0 && sends < most; left--) {
        ledger_life *life = application->replies_no_more ? NULL : application_any_open(application);
        if (life == NULL)
            break;
        send_within(application, life);
        sends++;
    }
    ledger_note_pressure(application->ledger); /* what was queued within the wait may touch the reserve in this wait */
    if (application->job_slices > 0)
        application->job_slices--;
    *more = application->job_slices > 0 && !application->replies_no_more && !iocp_worker_is_stopping(worker);
    application->has_job = *more;
    return sends;
}

/* The worker is closed with it. */
static void release(void *job)
{
    application *application = ((iocp_job *)job)->context;
    LEDGER_REQUIRE(application->ledger, application->has_job, "G5", "a job was released that was not posted", 0);
    application->has_job = false;
}

void application_post_job(application *application)
{
    if (application->has_job || application->posts_no_more)
        return;
    application->job = (iocp_job){.run = run, .release = release, .context = application};
    application->job_slices = 1 + random_below(&application->random, 6);
    const int result = iocp_port_post_job(application->port, 0, &application->job);
    application->has_job = result == 0;
    LEDGER_REQUIRE(application->ledger, result == 0 || result == -EAGAIN || result == -ESHUTDOWN, "G5",
                   "a job answered with no known error", 0);
}
