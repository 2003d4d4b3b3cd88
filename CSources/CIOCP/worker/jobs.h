/* Work that other threads gave a worker to do itself, slice by slice. */
#ifndef IOCP_WORKER_JOBS_H
#define IOCP_WORKER_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/links.h"
#include "../include/iocp_port.h"

/* Jobs that are not done, in the order of their turns. */
typedef struct iocp_job_list {
    iocp_links links;
    uint32_t count;
} iocp_job_list;

/* A job that came out of the mailbox; its first slice is due. */
void iocp_worker_add_job(iocp_worker *worker, iocp_job *job);

/* A slice of each job that is due, in turn, until together they made as many sends as one turn of the loop may. */
void iocp_worker_run_jobs(iocp_worker *worker);

/* Whether jobs are left, and the worker must not sleep. */
bool iocp_worker_has_jobs(const iocp_worker *worker);

/* The worker closes: releases the jobs that are not done. */
void iocp_worker_release_jobs(iocp_worker *worker);

#endif
