#include "failures.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FATAL                                                                                                    \
    ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN, ENOTCONN, EIO, EBADF, EINVAL, EPERM, EACCES, \
        EFAULT

/* Everything that driver/sim can answer, written down a second time: what is added there is missed here. */
static const struct {
    const char *operation;
    int errors[24];
} table[FAILURES_OPERATIONS] = {
    {"accept", {ECONNABORTED, EINTR, EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EPROTO, ECANCELED, EINVAL}},
    {"call", {EBUSY, EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRINUSE, EADDRNOTAVAIL, EACCES, EAFNOSUPPORT}},
    {"connect", {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL, ECANCELED}},
    {"receive", {FATAL, EAGAIN, EINTR, ECANCELED, ENOBUFS}},
    {"send", {FATAL, EAGAIN, EINTR, ECANCELED, ENOBUFS, ENOMEM}},
    {"watch", {ECANCELED, ECONNRESET}},
    {"shutdown", {FATAL}},
    {"close", {EINTR}},
    {"unacknowledged", {EBUSY, EAGAIN, EOPNOTSUPP}},
    {"peer", {EBUSY, EAGAIN, ENOBUFS, ENOTCONN}},
    {"local", {EBUSY, EAGAIN, ENOBUFS}},
    {"option", {EBUSY, EAGAIN, ENOBUFS, ENOTCONN, EOPNOTSUPP}},
    {"pack", {EBUSY, EAGAIN, EMFILE}},
    {"take", {EBUSY, EAGAIN, ENFILE}},
    {"wait", {EINTR, EBADR, ENOMEM}},
    {"late", {ECANCELED, ECONNRESET, EPIPE, ENOBUFS}},
};

void failures_count(failures *failures, const char *operation, int error)
{
    for (uint32_t i = 0; i < FAILURES_OPERATIONS; i++) {
        if (strcmp(table[i].operation, operation) != 0 || error >= FAILURES_ERRORS)
            continue;
        failures->counts[i][error]++;
        return;
    }
    fprintf(stderr, "the sim failed a %s with error %d, which no table has\n", operation, error);
    exit(2);
}

void failures_add(failures *sum, const failures *part)
{
    for (uint32_t i = 0; i < FAILURES_OPERATIONS; i++)
        for (uint32_t error = 0; error < FAILURES_ERRORS; error++)
            sum->counts[i][error] += part->counts[i][error];
}

static bool expected(uint32_t operation, int error)
{
    for (const int *known = table[operation].errors; *known != 0; known++)
        if (*known == error)
            return true;
    return false;
}

bool failures_complete(const failures *failures)
{
    uint32_t given = 0;
    bool complete = true;
    for (uint32_t i = 0; i < FAILURES_OPERATIONS; i++) {
        for (int error = 1; error < FAILURES_ERRORS; error++) {
            const bool seen = failures->counts[i][error] > 0;
            given += seen;
            if (seen == expected(i, error))
                continue;
            complete = false;
            fprintf(stderr, "%s: %s %s\n", seen ? "not in the table" : "never given", table[i].operation,
                    strerrorname_np(error));
        }
    }
    printf("%u pairs of operation and error given\n", given);
    return complete;
}
