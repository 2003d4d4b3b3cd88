#define _GNU_SOURCE
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Pipes of one launch: the child's input and two outputs, and the word about its exec. The last
 * closes without a word when exec succeeds. */
enum { INPUT, OUTPUT, ERRORS, VERDICT, PIPES };

static void close_pipes(int pipes[PIPES][2])
{
    for (int index = 0; index < PIPES; index++)
        for (int end = 0; end < 2; end++)
            if (pipes[index][end] >= 0)
                close(pipes[index][end]);
}

static _Noreturn void give_up(int verdict)
{
    int error = errno;
    ssize_t written = write(verdict, &error, sizeof error);
    _exit(written == sizeof error ? 127 : 126);
}

static _Noreturn void become(char *const arguments[], int cpu, pid_t parent, int pipes[PIPES][2])
{
    int verdict = pipes[VERDICT][1];
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        give_up(verdict);
    if (setpgid(0, 0) != 0)
        give_up(verdict);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        give_up(verdict);
    if (getppid() != parent)
        _exit(126); /* the parent ended before the line above could see it */

    /* A handler or an ignored signal of the parent's is none of the child's. */
    if (signal(SIGPIPE, SIG_DFL) == SIG_ERR)
        give_up(verdict);
    if (dup2(pipes[INPUT][0], STDIN_FILENO) < 0 || dup2(pipes[OUTPUT][1], STDOUT_FILENO) < 0 ||
        dup2(pipes[ERRORS][1], STDERR_FILENO) < 0)
        give_up(verdict);
    execv(arguments[0], arguments);
    give_up(verdict);
}

int launch_on_cpu(char *const arguments[], int cpu, launch_child *child)
{
    int pipes[PIPES][2] = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    for (int index = 0; index < PIPES; index++) {
        if (pipe2(pipes[index], O_CLOEXEC) != 0) {
            int error = errno;
            close_pipes(pipes);
            return -error;
        }
    }

    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        int error = errno;
        close_pipes(pipes);
        return -error;
    }
    if (pid == 0)
        become(arguments, cpu, parent, pipes);

    for (int index = 0; index < PIPES; index++) {
        int theirs = index == INPUT ? 0 : 1;
        close(pipes[index][theirs]);
        pipes[index][theirs] = -1;
    }
    int error = 0;
    ssize_t count;
    do {
        count = read(pipes[VERDICT][0], &error, sizeof error);
    } while (count < 0 && errno == EINTR);
    if (count == sizeof error) {
        waitpid(pid, NULL, 0);
        close_pipes(pipes);
        return -error;
    }
    close(pipes[VERDICT][0]);
    fcntl(pipes[OUTPUT][0], F_SETFL, O_NONBLOCK);
    fcntl(pipes[ERRORS][0], F_SETFL, O_NONBLOCK);
    *child = (launch_child){
        .pid = pid, .input = pipes[INPUT][1], .output = pipes[OUTPUT][0], .errors = pipes[ERRORS][0]};
    return 0;
}

int launch_allowed_cpus(int *cpus, int capacity)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return -errno;
    int count = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && count < capacity; cpu++)
        if (CPU_ISSET((size_t)cpu, &set))
            cpus[count++] = cpu;
    return count;
}
