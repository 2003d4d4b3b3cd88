/* Limits, signals and the end of a baseline process. */
#define _GNU_SOURCE
#include "baseline.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

_Noreturn void baseline_fail(const char *what, int error)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(error));
    exit(EXIT_FAILURE);
}

static void end(int signal_number)
{
    (void)signal_number;
    _exit(EXIT_SUCCESS);
}

static void on_signal(int signal_number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    if (sigaction(signal_number, &action, NULL) != 0)
        baseline_fail("sigaction", errno);
}

size_t baseline_process_prepare(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        baseline_fail("getrlimit", errno);
    limit.rlim_cur = limit.rlim_max < BASELINE_FDS_MAX ? limit.rlim_max : BASELINE_FDS_MAX;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        baseline_fail("setrlimit", errno);

    on_signal(SIGINT, end);
    on_signal(SIGTERM, end);
    on_signal(SIGPIPE, SIG_IGN);
    return limit.rlim_cur;
}
