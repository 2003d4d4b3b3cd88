/* The listening socket and the connections it gives. */
#define _GNU_SOURCE
#include "baseline.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static void set_on(int fd, int level, int option, const char *name)
{
    int on = 1;
    if (setsockopt(fd, level, option, &on, sizeof on) != 0)
        baseline_fail(name, errno);
}

int baseline_listen(baseline_options options, bool nonblocking)
{
    struct addrinfo hints = {
        .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
        .ai_socktype = SOCK_STREAM,
    };
    struct addrinfo *address;
    int failure = getaddrinfo(options.host, options.port, &hints, &address);
    if (failure != 0) {
        fprintf(stderr, "%s: host '%s' is not a numeric address: %s\n",
                program_invocation_short_name, options.host, gai_strerror(failure));
        exit(BASELINE_EXIT_USAGE);
    }

    int type = SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0);
    int listener = socket(address->ai_family, type, 0);
    if (listener < 0)
        baseline_fail("socket", errno);
    set_on(listener, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR");
    set_on(listener, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY");
    if (bind(listener, address->ai_addr, address->ai_addrlen) != 0)
        baseline_fail("bind", errno);
    if (listen(listener, BACKLOG) != 0)
        baseline_fail("listen", errno);
    freeaddrinfo(address);
    return listener;
}

void baseline_announce(int listener)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        baseline_fail("getsockname", errno);

    char host[NI_MAXHOST], port[NI_MAXSERV];
    int failure = getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port,
                              sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    if (failure != 0)
        baseline_fail(gai_strerror(failure), EADDRNOTAVAIL);

    bool bracketed = address.ss_family == AF_INET6;
    printf("listening on %s%s%s:%s\n", bracketed ? "[" : "", host, bracketed ? "]" : "", port);
    if (fflush(stdout) != 0)
        baseline_fail("stdout", errno);
}

int baseline_accept(int listener, bool nonblocking)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0));
        if (fd >= 0)
            return fd;
        switch (errno) {
        case EAGAIN:
            return BASELINE_ACCEPT_EMPTY;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            return BASELINE_ACCEPT_FULL;
        case EBADF:
        case EFAULT:
        case EINVAL:
        case ENOTSOCK:
        case EOPNOTSUPP:
            baseline_fail("accept", errno);
        default:
            /* EINTR, ECONNABORTED and the network errors that Linux reports for a connection
             * that died in the backlog: they speak of that client, not of the listener. */
            continue;
        }
    }
}
