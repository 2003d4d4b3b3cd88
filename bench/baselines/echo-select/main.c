/* Echo server, one thread, select(2) beyond FD_SETSIZE.
 *
 * Linux reads as many bits as the first argument says; the bound of 1,024 is glibc's fd_set. So the
 * sets are bitmaps of our own and the system call is made directly. */
#define _GNU_SOURCE
#include "baseline.h"
#include "echo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WORD_BITS = 8 * sizeof(unsigned long) };

typedef unsigned long word;

typedef struct server {
    int listener;
    int end;            /* one more than the highest descriptor in use */
    int blocked;        /* connections that wait for output */
    bool accept_paused;
    word *input;        /* what is waited for */
    word *output;
    word *input_ready;  /* what the last call answered */
    word *output_ready;
    echo_connection *connections; /* by descriptor */
} server;

static bool is_set(const word *set, int fd)
{
    return set[fd / WORD_BITS] >> (fd % WORD_BITS) & 1;
}

static void set_bit(word *set, int fd, bool on)
{
    word bit = 1UL << (fd % WORD_BITS);
    if (on)
        set[fd / WORD_BITS] |= bit;
    else
        set[fd / WORD_BITS] &= ~bit;
}

static int words_in_use(const server *self)
{
    return (self->end + WORD_BITS - 1) / WORD_BITS;
}

/* A listener with a waiting client stays ready when accept finds no descriptor, and would spin. */
static void accept_pause(server *self, bool paused)
{
    self->accept_paused = paused;
    set_bit(self->input, self->listener, !paused);
}

static void accept_waiting(server *self)
{
    for (int count = 0; count < BASELINE_ACCEPT_BATCH; count++) {
        int fd = baseline_accept(self->listener, true);
        if (fd == BASELINE_ACCEPT_FULL) {
            accept_pause(self, true);
            return;
        }
        if (fd < 0)
            return;
        set_bit(self->input, fd, true);
        if (fd >= self->end)
            self->end = fd + 1;
    }
}

static void set_blocked(server *self, int fd, bool blocked)
{
    if (is_set(self->output, fd) == blocked)
        return;
    self->blocked += blocked ? 1 : -1;
    set_bit(self->output, fd, blocked);
    set_bit(self->input, fd, !blocked);
}

static void serve(server *self, int fd)
{
    echo_connection *connection = &self->connections[fd];
    switch (echo_step(connection, fd)) {
    case ECHO_DRAINED:
    case ECHO_MORE:
        set_blocked(self, fd, false);
        return;
    case ECHO_BLOCKED:
        set_blocked(self, fd, true);
        return;
    case ECHO_ENDED:
        break;
    }
    set_blocked(self, fd, false);
    set_bit(self->input, fd, false);
    echo_forget(connection);
    close(fd);
    while (self->end > 0 && !is_set(self->input, self->end - 1) &&
           !is_set(self->output, self->end - 1))
        self->end--;
    if (self->accept_paused)
        accept_pause(self, false);
    if (self->end <= self->listener)
        self->end = self->listener + 1;
}

static int wait_for_sockets(server *self)
{
    size_t bytes = (size_t)words_in_use(self) * sizeof(word);
    memcpy(self->input_ready, self->input, bytes);
    if (self->blocked > 0)
        memcpy(self->output_ready, self->output, bytes);
    else
        memset(self->output_ready, 0, bytes);
    struct timespec pause = {.tv_nsec = BASELINE_ACCEPT_PAUSE_MS * 1000L * 1000L};
    /* pselect6, since newer architectures have no system call named select. */
    return (int)syscall(SYS_pselect6, self->end, self->input_ready,
                        self->blocked > 0 ? self->output_ready : NULL, NULL,
                        self->accept_paused ? &pause : NULL, NULL);
}

static void serve_ready(server *self, int ready)
{
    bool clients_wait = is_set(self->input_ready, self->listener);
    ready -= clients_wait ? 1 : 0;
    set_bit(self->input_ready, self->listener, false);
    int words = words_in_use(self);
    for (int index = 0; ready > 0 && index < words; index++) {
        word bits = self->input_ready[index] | self->output_ready[index];
        for (; bits != 0; bits &= bits - 1, ready--)
            serve(self, index * WORD_BITS + __builtin_ctzl(bits));
    }
    /* Last, because an accepted descriptor may reuse a number this answer speaks of. */
    if (clients_wait)
        accept_waiting(self);
}

static word *bitmap_create(size_t descriptors)
{
    word *set = calloc(descriptors / WORD_BITS + 1, sizeof(word));
    if (set == NULL)
        baseline_fail("descriptor set", ENOMEM);
    return set;
}

int main(int argc, char **argv)
{
    baseline_options options = baseline_options_parse(argc, argv, BASELINE_ECHO_ONLY);
    size_t descriptors = baseline_process_prepare();

    server self = {
        .listener = baseline_listen(options, true),
        .input = bitmap_create(descriptors),
        .output = bitmap_create(descriptors),
        .input_ready = bitmap_create(descriptors),
        .output_ready = bitmap_create(descriptors),
        .connections = calloc(descriptors, sizeof(echo_connection)),
    };
    if (self.connections == NULL)
        baseline_fail("connection table", ENOMEM);
    self.end = self.listener + 1;
    set_bit(self.input, self.listener, true);
    baseline_announce(self.listener);

    for (;;) {
        int ready = wait_for_sockets(&self);
        if (ready < 0 && errno != EINTR)
            baseline_fail("select", errno);
        if (ready == 0)
            accept_pause(&self, false);
        if (ready > 0)
            serve_ready(&self, ready);
    }
}
