/* An application that does at random whatever the API allows, and some of what it refuses. Every call is entered in
 * the ledger. */
#ifndef SIM_APPLICATION_H
#define SIM_APPLICATION_H

#include "ledger.h"
#include "random.h"

enum {
    APPLICATION_STALE_MAX = 16,
    APPLICATION_SHARED_BYTES = 3000,
    APPLICATION_SHARED_STREAM = 7,
    APPLICATION_SEND_BYTES_MAX = 40000,
};

/* What it does with received bytes. */
typedef struct application_habits {
    uint32_t act_most;       /* calls between two waits */
    uint32_t keep;           /* of 16: leases that are kept for a while */
    uint32_t echo_lease;     /* of 16: sent back without a copy */
    uint32_t echo_copy;      /* of 16: sent back as a copy */
    uint32_t notify;         /* of 16 */
    uint32_t close;          /* of 256: closes, aborts, finishes */
    uint32_t pause;          /* of 256 */
    uint32_t listen;         /* of 64: listeners that come, pause and end */
    uint32_t terms;          /* of 256: marks, the hold on receives, notifications of few unsent bytes */
    uint32_t send_bytes_max;
} application_habits;

typedef struct application {
    iocp_port *port;
    iocp_worker *worker;
    ledger *ledger;
    sim_random random;
    application_habits habits;
    iocp_shared_bytes *shared;
    iocp_token stale[APPLICATION_STALE_MAX]; /* names of connections that ended */
    uint32_t stale_count;
    uint64_t next_key;
    uint64_t next_post;
    iocp_job job;
    uint32_t job_slices;  /* that it still has */
    bool has_job;         /* the worker has it */
    iocp_survey *survey;   /* NULL: none is under way */
    iocp_capture *capture; /* likewise */
    bool posts_no_more;
    bool replies_no_more;    /* what it sends is chosen by the scenario alone */
    uint32_t next_stream; /* of bytes it makes up */
} application;

/* --- application.c ------------------------------------------------------------------------------------------ */

/* A few calls at random. */
void application_act(application *application);

/* Answers one completion, which the ledger has seen. */
void application_react(application *application, const iocp_completion *completion);

/* Closes, aborts or finishes a connection. */
void application_end_somehow(application *application, ledger_life *life);

/* A connection that opened and is not over, or NULL. */
ledger_life *application_any_open(application *application);

/* Posts, as another thread would while the worker sleeps. */
void application_post(application *application);

/* Stops the port, or takes its one worker out of it, with a drain of its choice. */
void application_stop(application *application);

void application_return_leases(application *application);
void application_resume_all(application *application);
/* Gives up connects that have no limit: nobody may ever answer them. */
void application_give_up_unlimited(application *application);
void application_close_all(application *application);
void application_cancel_timers(application *application);

/* --- flood.c ------------------------------------------------------------------------------------------------ */

/* A connection that can send and whose peer can read, or NULL. */
ledger_life *application_choose_reader(application *application);
/* Every other connection sends a little. */
void application_flood(application *application, const ledger_life *reader);
/* Whether a connection still is as it was chosen. */
bool application_reads(const application *application, const ledger_life *reader);
/* The reader, which has nothing unsent, sends a little: it is never refused for what others hold. */
void application_send_as_reader(application *application, ledger_life *reader);

/* --- listening.c -------------------------------------------------------------------------------------------- */

/* Listens on one to three endpoints. */
void application_listen(application *application);
/* Pauses, resumes, closes or asks about any listener, or listens anew; as another thread would, too. */
void application_use_listeners(application *application);
void application_stop_listening(application *application);
void application_resume_listeners(application *application);

/* --- terms.c ------------------------------------------------------------------------------------------------ */

/* Changes or asks something about a connection's unsent bytes. */
void application_use_terms(application *application, ledger_life *life);

/* --- afterwards.c ------------------------------------------------------------------------------------------- */

/* Asks a closed worker, whose memory its port still keeps, for everything. */
void application_after_close(application *application);

/* --- sending.c ---------------------------------------------------------------------------------------------- */

void application_send_copy(application *application, ledger_life *life, uint32_t stream, uint64_t position,
                           uint32_t count_bytes);
/* A part of a lease that is kept. The lease goes with it, if the send is accepted. */
void application_send_lease(application *application, ledger_life *life, uint32_t index);
void application_send_anything(application *application, ledger_life *life);

/* The name of bytes that nobody sent before. */
static inline uint32_t application_next_stream(application *application)
{
    return ++application->next_stream | UINT32_C(1) << 31;
}

/* How many bytes are unsent before a send. */
uint64_t application_unsent(const application *application, ledger_life *life);
/* As many of so many bytes as are at most `most` once its layer has sealed them. */
uint32_t application_fitting(const ledger_life *life, uint32_t count_bytes, uint32_t most);
/* What any send may answer. */
void application_check_answer(application *application, ledger_life *life, int result);
/* A send of so many bytes was taken whole or not at all; `before` it so many were unsent. */
void application_check_whole(const application *application, const ledger_life *life, int result, uint32_t count_bytes,
                             uint64_t before);

/* --- jobs.c -------------------------------------------------------------------------------------------------- */

/* Gives the worker its job, unless it has it. */
void application_post_job(application *application);

/* --- administering.c ------------------------------------------------------------------------------------------ */

/* Asks, or hears what was asked. */
void application_administer(application *application);
/* The worker is closed: every question has its answer. */
void application_ends_administering(application *application);

/* --- writing.c ---------------------------------------------------------------------------------------------- */

/* A send in parts, or one that is written piece by piece. */
void application_write(application *application, ledger_life *life);
/* One that is written in place, at once: at most IOCP_DRAFT_ROOM_BYTES_MAX. */
void application_fill_whole(application *application, ledger_life *life, uint32_t stream, uint32_t count_bytes);

#endif
