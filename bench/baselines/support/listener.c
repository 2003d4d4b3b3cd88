/* The listening socket and the connections it gives. */
#define _GNU_SOURCE
#include "baseline.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static void set_on(int fd, int level, int option, const char *name)
{
    int on = 1;
    if (setsockopt(fd, level, option, &on, sizeof on) != 0)
        baseline_fail(name, errno);
}

static int open_listener(int family, bool nonblocking)
{
    int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0);
    if (listener < 0)
        baseline_fail("socket", errno);
    return listener;
}

static void bind_and_listen(int listener, const struct sockaddr *address, socklen_t length)
{
    if (bind(listener, address, length) != 0)
        baseline_fail("bind", errno);
    if (listen(listener, BACKLOG) != 0)
        baseline_fail("listen", errno);
}

/* An abstract name is as long as its address says, without a NUL at its end. */
static int listen_on_unix(const char *name, bool nonblocking)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    bool is_abstract = name[0] == '@';
    strncpy(address.sun_path + is_abstract, name + is_abstract, sizeof address.sun_path - 1 - is_abstract);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + !is_abstract);
    int listener = open_listener(AF_UNIX, nonblocking);
    bind_and_listen(listener, (const struct sockaddr *)&address, length);
    return listener;
}

int baseline_listen(baseline_options options, bool nonblocking)
{
    if (options.unix_name != NULL)
        return listen_on_unix(options.unix_name, nonblocking);
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

    int listener = open_listener(address->ai_family, nonblocking);
    set_on(listener, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR");
    set_on(listener, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY");
    bind_and_listen(listener, address->ai_addr, address->ai_addrlen);
    freeaddrinfo(address);
    return listener;
}

static void flush_line(void)
{
    if (fflush(stdout) != 0)
        baseline_fail("stdout", errno);
}

void baseline_announce(int listener)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        baseline_fail("getsockname", errno);
    if (address.ss_family == AF_UNIX) {
        const char *name = ((struct sockaddr_un *)&address)->sun_path;
        bool is_abstract = name[0] == '\0';
        printf("listening on %s%s\n", is_abstract ? "@" : "", name + is_abstract);
        return flush_line();
    }

    char host[NI_MAXHOST], port[NI_MAXSERV];
    int failure = getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port,
                              sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    if (failure != 0)
        baseline_fail(gai_strerror(failure), EADDRNOTAVAIL);

    bool bracketed = address.ss_family == AF_INET6;
    printf("listening on %s%s%s:%s\n", bracketed ? "[" : "", host, bracketed ? "]" : "", port);
    flush_line();
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
