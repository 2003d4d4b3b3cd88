/* iocp-sim: runs seeds of a random application over the real worker and a played kernel.
 *
 *   iocp-sim [--seeds COUNT] [--first SEED] [--seconds LIMIT] [--jobs COUNT] [--failures] [--emulated] [--moves]
 *   iocp-sim --seed SEED      one seed, with a trace on stderr
 *   iocp-sim --input FILE...  inputs of the fuzzer (Tests/Fuzz); a single one with a trace
 *
 * With --failures, every error that the played kernel can give must have been given to the worker.
 * With --moves, connections move between workers (Moves/moves.h).
 * With --emulated, resident memory is not judged: it is the emulator's (qemu-user), too.
 * Exits 0 when every promise was kept, 1 when one was broken, 2 when it could not run. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "Moves/moves.h"
#include "scenario.h"

enum { JOBS_MAX = 64, HANGS_AFTER_SECONDS = 30, WARM_UP_SEEDS = 500, INPUT_BYTES_MAX = 1 << 20 };

typedef struct options {
    uint64_t seed_count;
    uint64_t first_seed;
    uint64_t seconds;
    uint32_t job_count;
    bool one;
    bool failures;
    bool emulated;
    bool moves;
} options;

/* A sanitizer keeps freed memory on purpose. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KEEPS_FREED_MEMORY 1
#endif
#endif
#ifndef KEEPS_FREED_MEMORY
#define KEEPS_FREED_MEMORY 0
#endif

static volatile uint64_t running_seed;
static const char *volatile running_input; /* NULL: a seed */

/* --- ends that are no promise's words ----------------------------------------------------------------------- */

static void say_seed(const char *what)
{
    char line[512];
    int count;
    if (running_input != NULL)
        count = snprintf(line, sizeof line, "input %.400s: %s\n", running_input, what);
    else
        count = snprintf(line, sizeof line, "seed %llu: %s\n", (unsigned long long)running_seed, what);
    (void)!write(STDERR_FILENO, line, (size_t)count);
}

static void on_signal(int number)
{
    say_seed(number == SIGPROF   ? "G7 broken: it runs for ever"
             : number == SIGABRT ? "a check failed"
                                 : "it crashed");
    _exit(1);
}

static void watch_signals(void)
{
    const int numbers[] = {SIGPROF, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        signal(numbers[i], on_signal);
}

/* Processor time, so that a busy machine is no hang. */
static void watch_time(time_t seconds)
{
    const struct itimerval limit = {.it_value = {.tv_sec = seconds}};
    setitimer(ITIMER_PROF, &limit, NULL);
}

/* --- running ------------------------------------------------------------------------------------------------ */

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Blocks of malloc(3) that are in use, and some that were just freed. */
static uint64_t used_bytes(void)
{
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Whether small blocks were lost, which resident memory hides. The ledger's own grow from about 300 KB by 80 KB in 20,000
 * seeds; a handshake's first bytes, lost now and then, are 10 MB. */
static bool loses_blocks(uint64_t used_before, uint64_t seed_count)
{
    enum { GROWTH_BYTES_MAX = 256 * 1024, GROWTH_BYTES_OF_A_SEED = 64 };
    return used_bytes() > used_before + GROWTH_BYTES_MAX + seed_count * GROWTH_BYTES_OF_A_SEED;
}

/* Every `job_count`th seed, until they are done or the time is over. */
static void run_job(const options *options, uint32_t job, scenario_totals *totals)
{
    const double until = now_seconds() + (double)options->seconds;
    const uint64_t growth_bytes_max = UINT64_C(32) << 20;
    uint64_t resident = 0;
    uint64_t used = 0;
    for (uint64_t i = job; i < options->seed_count; i += options->job_count) {
        if (options->seconds > 0 && now_seconds() >= until)
            break;
        running_seed = options->first_seed + i;
        watch_time(HANGS_AFTER_SECONDS);
        const scenario_source source = {.seed = running_seed, .tracing = options->one};
        if (options->moves)
            moves_run(running_seed, options->one, totals, &totals->move_count);
        else
            scenario_run(&source, totals);
        if (totals->seed_count == WARM_UP_SEEDS) {
            resident = resident_bytes();
            used = used_bytes();
        }
    }
    watch_time(0);
    const bool grew = (!options->emulated && resident_bytes() > resident + growth_bytes_max) || loses_blocks(used, totals->seed_count);
    if (!KEEPS_FREED_MEMORY && resident > 0 && grew) {
        say_seed("G6 broken: memory grew from seed to seed");
        exit(1);
    }
}

/* Each job is a process: a seed that breaks ends its own, and the first to break ends the others. */
static int run_jobs(const options *options, scenario_totals *totals)
{
    pid_t jobs[JOBS_MAX];
    for (uint32_t job = 0; job < options->job_count; job++) {
        jobs[job] = fork();
        if (jobs[job] < 0)
            return 2;
        if (jobs[job] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* a job does not outlive who would hear of it */
            run_job(options, job, &totals[job]);
            _exit(0);
        }
    }
    int result = 0;
    for (uint32_t ended = 0; ended < options->job_count; ended++) {
        int status = 0;
        const pid_t job = wait(&status);
        const bool kept = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        for (uint32_t i = 0; i < options->job_count; i++) {
            if (jobs[i] == job)
                jobs[i] = 0;
            else if (!kept && result == 0 && jobs[i] != 0)
                kill(jobs[i], SIGKILL);
        }
        if (!kept && result == 0)
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
    return result;
}

/* One after the other. Returns 2 when a file cannot be read. */
static int run_inputs(char **files, uint32_t file_count, scenario_totals *totals)
{
    static uint8_t bytes[INPUT_BYTES_MAX];
    for (uint32_t i = 0; i < file_count; i++) {
        FILE *file = fopen(files[i], "rb");
        if (file == NULL) {
            fprintf(stderr, "iocp-sim: %s: %s\n", files[i], strerror(errno));
            return 2;
        }
        const size_t count = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        running_input = files[i];
        watch_time(HANGS_AFTER_SECONDS);
        const scenario_source source = {
            .input = bytes, .input_bytes = count, .tracing = file_count == 1, .traps = true};
        scenario_run(&source, totals);
    }
    watch_time(0);
    printf("%u inputs: %llu completions, %llu events, %llu connections closed\n", file_count,
           (unsigned long long)totals->completion_count, (unsigned long long)totals->event_count,
           (unsigned long long)totals->closed_count);
    return 0;
}

/* --- the command -------------------------------------------------------------------------------------------- */

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: iocp-sim [--seeds COUNT] [--first SEED] [--seconds LIMIT] [--jobs COUNT] [--failures] "
                    "[--emulated] [--moves] | "
                    "--seed SEED | --input FILE...\n");
    exit(2);
}

static options parse(int count, char **words)
{
    options options = {.seed_count = 2000, .first_seed = 1, .job_count = 1};
    for (int i = 1; i < count; i += 2) {
        char *end = NULL;
        if (strcmp(words[i], "--failures") == 0) {
            options.failures = true;
            i--; /* it has no value */
            continue;
        }
        if (strcmp(words[i], "--emulated") == 0 || strcmp(words[i], "--moves") == 0) {
            options.emulated |= words[i][2] == 'e';
            options.moves |= words[i][2] == 'm';
            i--;
            continue;
        }
        if (i + 1 == count)
            usage();
        errno = 0;
        const uint64_t value = strtoull(words[i + 1], &end, 10);
        if (*end != 0 || end == words[i + 1] || errno != 0)
            usage();
        if (strcmp(words[i], "--seeds") == 0) {
            options.seed_count = value;
        } else if (strcmp(words[i], "--first") == 0) {
            options.first_seed = value;
        } else if (strcmp(words[i], "--seconds") == 0) {
            options.seconds = value;
        } else if (strcmp(words[i], "--jobs") == 0 && value > 0 && value <= JOBS_MAX) {
            options.job_count = (uint32_t)value;
        } else if (strcmp(words[i], "--seed") == 0) {
            options.first_seed = value;
            options.seed_count = 1;
            options.one = true;
        } else {
            usage();
        }
    }
    return options;
}

int main(int count, char **words)
{
    if (count > 2 && strcmp(words[1], "--input") == 0) {
        scenario_totals totals = {0};
        watch_signals();
        return run_inputs(words + 2, (uint32_t)count - 2, &totals);
    }
    const options options = parse(count, words);
    scenario_totals *totals = mmap(NULL, JOBS_MAX * sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                                   -1, 0);
    if (totals == MAP_FAILED)
        return 2;
    watch_signals();
    const double start = now_seconds();
    int result = 0;
    if (options.job_count == 1)
        run_job(&options, 0, totals);
    else
        result = run_jobs(&options, totals);
    const double seconds = now_seconds() - start;

    scenario_totals sum = {0};
    for (uint32_t i = 0; i < options.job_count; i++) {
        sum.seed_count += totals[i].seed_count;
        sum.completion_count += totals[i].completion_count;
        sum.event_count += totals[i].event_count;
        sum.closed_count += totals[i].closed_count;
        sum.move_count += totals[i].move_count;
        failures_add(&sum.failures, &totals[i].failures);
    }
    printf("%llu seeds from %llu in %.1f s (%.0f seeds/s): %llu completions, %llu events, %llu connections closed\n",
           (unsigned long long)sum.seed_count, (unsigned long long)options.first_seed, seconds,
           (double)sum.seed_count / (seconds > 0 ? seconds : 1), (unsigned long long)sum.completion_count,
           (unsigned long long)sum.event_count, (unsigned long long)sum.closed_count);
    if (options.moves)
        printf("%llu moves between workers\n", (unsigned long long)sum.move_count);
    if (result == 0 && options.failures && !failures_complete(&sum.failures))
        return 1;
    return result;
}
