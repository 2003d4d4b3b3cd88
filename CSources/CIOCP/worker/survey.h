/* A survey as a job of its worker: see include/iocp_admin.h. */
#ifndef IOCP_WORKER_SURVEY_H
#define IOCP_WORKER_SURVEY_H

#include <pthread.h>
#include <stdatomic.h>

#include "../include/iocp_admin.h"

typedef enum iocp_survey_stage : uint8_t {
    IOCP_SURVEY_SAMPLES, /* notes what each connection has moved */
    IOCP_SURVEY_RANKS,   /* looks for those that come first */
    IOCP_SURVEY_TELLS,   /* asks their sockets */
} iocp_survey_stage;

/* What a connection had moved at the sample. */
typedef struct iocp_sample {
    uint64_t generation;
    uint64_t moved_bytes;
} iocp_sample;

typedef struct iocp_candidate {
    uint64_t rank;
    iocp_token connection;
} iocp_candidate;

struct iocp_survey {
    iocp_job job;
    _Atomic uint32_t holders; /* the maker, and the worker while it has the job */
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool is_asked;
    int result;

    /* The worker's while it has the job, and else the maker's. */
    iocp_survey_query query;
    iocp_survey_stage stage;
    uint32_t next;  /* slot or candidate */
    uint32_t tries; /* slices in which the socket of `next` could not be asked */
    iocp_sample *samples;
    uint32_t sample_count;
    iocp_candidate *candidates; /* a heap, the lowest rank at its top, until they are sorted */
    uint32_t candidate_count;
    iocp_survey_entry *entries;
    uint32_t entry_count;
    iocp_survey_totals totals;
};

/* --- survey.c --------------------------------------------------------------------------------------------------- */

/* Gets ready for the next question; the job is to be posted then, and has a reference of its own to the survey. */
iocp_job *iocp_survey_begin(iocp_survey *survey, bool samples);

/* The post was refused. */
void iocp_survey_cancel(iocp_survey *survey);

/* --- looking.c -------------------------------------------------------------------------------------------------- */

/* Makes room for notes on every slot that was ever used. Returns 0 or -ENOMEM. */
int iocp_survey_make_samples(iocp_survey *survey, const iocp_worker *worker);

/* A slice. Returns whether more is to be done. */
bool iocp_survey_go_on(iocp_survey *survey, iocp_worker *worker);

#endif
