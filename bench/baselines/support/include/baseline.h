/* What every baseline server in C shares, so that they differ only in how they wait for sockets. */
#ifndef BASELINE_H
#define BASELINE_H

#include <stdbool.h>
#include <stddef.h>

/* The exit status for a command line that cannot be understood, as in <sysexits.h>. */
enum { BASELINE_EXIT_USAGE = 64 };

/* No baseline holds more descriptors than this, whatever the limit says: tables indexed by
 * descriptor stay bounded where a container sets RLIMIT_NOFILE to a billion. */
enum { BASELINE_FDS_MAX = 1 << 20 };

/* How long accepting rests after the process ran out of descriptors or memory. */
enum { BASELINE_ACCEPT_PAUSE_MS = 100 };

/* How many connections one readiness of the listener may bring in before others get their turn. */
enum { BASELINE_ACCEPT_BATCH = 256 };

typedef struct baseline_options {
    const char *host;
    const char *port;
    const char *unix_name; /* NULL: TCP. Otherwise the path of a Unix socket, or "@NAME" for an abstract name. */
    size_t fan_out_bytes; /* 0: echo. Otherwise each frame of so many bytes goes to every other connection. */
} baseline_options;

/* The largest frame of --fan-out. */
enum { BASELINE_FRAME_BYTES_MAX = 1 << 20 };

typedef enum baseline_work {
    BASELINE_ECHO_ONLY,
    BASELINE_ECHO_OR_FAN_OUT,
} baseline_work;

/* Reads --host and --port (default 127.0.0.1 and 0), --unix in their place and, for a server that fans out, --fan-out.
 * Prints one line and exits with 64 on bad usage. */
baseline_options baseline_options_parse(int argc, char **argv, baseline_work work);

/* Raises the soft descriptor limit to the hard one, lets SIGINT and SIGTERM end the process with
 * status 0 and turns SIGPIPE into EPIPE. Returns the bound on descriptors: every fd is below it. */
size_t baseline_process_prepare(void);

/* Prints "NAME: what: reason" for `error` (an errno value) on stderr and exits with 1. */
_Noreturn void baseline_fail(const char *what, int error);

/* Opens the listening socket (backlog 4,096; for TCP, SO_REUSEADDR and TCP_NODELAY, which accepted sockets inherit).
 * Exits with 1 and one line when it cannot: where a path exists already, for one. */
int baseline_listen(baseline_options options, bool nonblocking);

/* Prints the ready line, for TCP with the port the kernel chose. Call once, when clients may come. */
void baseline_announce(int listener);

/* Results of baseline_accept below zero. */
enum {
    BASELINE_ACCEPT_EMPTY = -1, /* nobody waits */
    BASELINE_ACCEPT_FULL = -2,  /* no descriptor or memory left; the client stays in the backlog */
};

/* Accepts one connection, non-blocking if asked. Returns its descriptor or one of the above. */
int baseline_accept(int listener, bool nonblocking);

#endif
