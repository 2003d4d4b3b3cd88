/* Echo server, one thread per connection, blocking reads and writes. */
#define _GNU_SOURCE
#include "baseline.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A thread touches one page of thread state and as much of its buffer as its messages need; the
 * rest of the stack is address space. */
enum { BUFFER_BYTES = 32 * 1024, STACK_BYTES = 64 * 1024 };

static bool send_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return false;
        bytes += sent;
        count -= (size_t)sent;
    }
    return true;
}

static void *serve(void *argument)
{
    int fd = (int)(intptr_t)argument;
    char buffer[BUFFER_BYTES];
    for (;;) {
        ssize_t count = recv(fd, buffer, sizeof buffer, 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0 || !send_all(fd, buffer, (size_t)count))
            break;
    }
    close(fd);
    return NULL;
}

static void rest(void)
{
    struct timespec pause = {.tv_nsec = BASELINE_ACCEPT_PAUSE_MS * 1000L * 1000L};
    nanosleep(&pause, NULL);
}

int main(int argc, char **argv)
{
    baseline_options options = baseline_options_parse(argc, argv, BASELINE_ECHO_ONLY);
    baseline_process_prepare();
    int listener = baseline_listen(options, false);

    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int failure = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (failure != 0)
        baseline_fail("thread stack size", failure);
    baseline_announce(listener);

    for (;;) {
        int fd = baseline_accept(listener, false);
        if (fd < 0) {
            rest();
            continue;
        }
        pthread_t thread;
        failure = pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd);
        if (failure != 0) {
            /* Threads or mappings ran out: this client is refused, those being served stay. */
            close(fd);
            rest();
        }
    }
}
