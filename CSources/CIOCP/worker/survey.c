/* A survey as its maker and its worker share it: a question, a job, an answer. */
#include "survey.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "asking.h"

/* --- the worker's side ---------------------------------------------------------------------------------------- */

static void answer(iocp_survey *survey, int result)
{
    pthread_mutex_lock(&survey->lock);
    survey->is_asked = false;
    survey->result = result;
    pthread_cond_signal(&survey->answered);
    pthread_mutex_unlock(&survey->lock);
    iocp_survey_release(survey);
}

static uint32_t run(iocp_job *job, iocp_worker *worker, uint32_t most, bool *more)
{
    (void)most;
    iocp_survey *survey = job->context;
    if (survey->stage == IOCP_SURVEY_SAMPLES && survey->next == 0 && iocp_survey_make_samples(survey, worker) < 0) {
        answer(survey, -ENOMEM);
        return 0;
    }
    /* A stop waits for jobs: it gets what is known so far. */
    *more = iocp_survey_go_on(survey, worker) && !iocp_worker_said_stopping(worker);
    if (!*more)
        answer(survey, 0);
    return 0;
}

static void release(void *job)
{
    answer(((iocp_job *)job)->context, -ESHUTDOWN);
}

/* --- the maker's side ----------------------------------------------------------------------------------------- */

iocp_survey *iocp_survey_create(const iocp_survey_query *query)
{
    if (query->limit == 0 || query->limit > IOCP_SURVEY_ENTRIES_MAX || query->order > IOCP_SURVEY_RETRANSMITS ||
        !iocp_filter_is_valid(&query->filter))
        return NULL;
    iocp_survey *survey = calloc(1, sizeof *survey);
    if (survey == NULL)
        return NULL;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&survey->answered, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&survey->lock, NULL);
    atomic_init(&survey->holders, 1);
    survey->job = (iocp_job){.run = run, .release = release, .context = survey};
    survey->query = *query;
    survey->candidates = calloc(query->limit, sizeof *survey->candidates);
    survey->entries = calloc(query->limit, sizeof *survey->entries);
    if (survey->candidates == NULL || survey->entries == NULL) {
        iocp_survey_release(survey);
        return NULL;
    }
    return survey;
}

iocp_job *iocp_survey_begin(iocp_survey *survey, bool samples)
{
    survey->stage = samples ? IOCP_SURVEY_SAMPLES : IOCP_SURVEY_RANKS;
    survey->next = 0;
    survey->tries = 0;
    survey->candidate_count = 0;
    survey->entry_count = 0;
    survey->totals = (iocp_survey_totals){0};
    survey->is_asked = true;
    survey->result = 0;
    atomic_fetch_add_explicit(&survey->holders, 1, memory_order_relaxed);
    return &survey->job;
}

void iocp_survey_cancel(iocp_survey *survey)
{
    survey->is_asked = false;
    iocp_survey_release(survey);
}

int iocp_survey_wait(iocp_survey *survey, uint64_t timeout_ns)
{
    const uint64_t until_ns = iocp_clock_after(iocp_clock_ns(), timeout_ns);
    const uint64_t second_ns = 1000000000;
    const struct timespec until = {.tv_sec = (time_t)(until_ns / second_ns), .tv_nsec = (long)(until_ns % second_ns)};
    pthread_mutex_lock(&survey->lock);
    int waited = 0;
    while (survey->is_asked && waited == 0)
        waited = pthread_cond_timedwait(&survey->answered, &survey->lock, &until);
    const int result = survey->is_asked ? -ETIME : survey->result;
    pthread_mutex_unlock(&survey->lock);
    return result;
}

const iocp_survey_entry *iocp_survey_entries(const iocp_survey *survey, uint32_t *count)
{
    *count = survey->entry_count;
    return survey->entries;
}

iocp_survey_totals iocp_survey_totals_of(const iocp_survey *survey)
{
    return survey->totals;
}

void iocp_survey_release(iocp_survey *survey)
{
    if (atomic_fetch_sub_explicit(&survey->holders, 1, memory_order_acq_rel) != 1)
        return;
    pthread_cond_destroy(&survey->answered);
    pthread_mutex_destroy(&survey->lock);
    free(survey->samples);
    free(survey->candidates);
    free(survey->entries);
    free(survey);
}
