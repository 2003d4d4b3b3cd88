/* Echo server, one thread, poll(2) over a dense array. */
#define _GNU_SOURCE
#include "baseline.h"
#include "echo.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/* The listener is always the first entry; connections follow without gaps. */
typedef struct server {
    int listener;
    nfds_t count;
    struct pollfd *entries;
    echo_connection *connections; /* by descriptor */
} server;

/* poll(2) passes over negative descriptors: a listener with a waiting client stays ready when
 * accept finds no descriptor, and would spin. */
static void accept_pause(server *self, bool paused)
{
    self->entries[0].fd = paused ? -1 : self->listener;
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
        self->entries[self->count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
}

/* Returns false when the entry was closed and another one took its place. */
static bool serve(server *self, nfds_t index)
{
    struct pollfd *entry = &self->entries[index];
    echo_connection *connection = &self->connections[entry->fd];
    switch (echo_step(connection, entry->fd)) {
    case ECHO_DRAINED:
    case ECHO_MORE:
        entry->events = POLLIN;
        return true;
    case ECHO_BLOCKED:
        entry->events = POLLOUT;
        return true;
    case ECHO_ENDED:
        break;
    }
    echo_forget(connection);
    close(entry->fd);
    *entry = self->entries[--self->count];
    accept_pause(self, false);
    return false;
}

int main(int argc, char **argv)
{
    baseline_options options = baseline_options_parse(argc, argv, BASELINE_ECHO_ONLY);
    size_t descriptors = baseline_process_prepare();

    server self = {
        .listener = baseline_listen(options, true),
        .count = 1,
        .entries = calloc(descriptors, sizeof(struct pollfd)),
        .connections = calloc(descriptors, sizeof(echo_connection)),
    };
    if (self.entries == NULL || self.connections == NULL)
        baseline_fail("connection table", ENOMEM);
    self.entries[0] = (struct pollfd){.fd = self.listener, .events = POLLIN};
    baseline_announce(self.listener);

    for (;;) {
        int timeout = self.entries[0].fd < 0 ? BASELINE_ACCEPT_PAUSE_MS : -1;
        int ready = poll(self.entries, self.count, timeout);
        if (ready < 0 && errno != EINTR)
            baseline_fail("poll", errno);
        if (ready == 0)
            accept_pause(&self, false);

        bool clients_wait = ready > 0 && self.entries[0].revents != 0;
        ready -= clients_wait ? 1 : 0;
        for (nfds_t index = 1; ready > 0 && index < self.count;) {
            if (self.entries[index].revents == 0) {
                index++;
                continue;
            }
            ready--;
            index += serve(&self, index) ? 1 : 0;
        }
        /* Last, because new entries carry no answer of this poll. */
        if (clients_wait)
            accept_waiting(&self);
    }
}
