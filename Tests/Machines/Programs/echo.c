/* An echo server by the public C API, and clients with plain sockets: connections, messages, large transfers, posts, a stop.
 *
 *   echo DRIVER [CONNECTIONS]    DRIVER is what `auto` has to become here: uring or epoll
 *
 * Exits 0 if every byte came back in order, every post arrived once, every connection was told of once at its begin and at
 * its end, each worker's pages lie on its node, and nothing was held in the end. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "CIOCP.h"

enum { WORKERS = 4, BATCH = 64, ROUNDS = 3, LARGE_BYTES = 1 << 20, LARGE_COUNT = 8, IDLE_COUNT = 8, POSTERS = 4, POSTS_EACH = 20000 };

static _Atomic uint32_t failures;
static _Atomic uint64_t opened, closed, posted, posted_sum;

static void expect(bool kept, const char *promise)
{
    if (kept)
        return;
    atomic_fetch_add(&failures, 1);
    printf("BROKEN: %s\n", promise);
}

/* --- the server ----------------------------------------------------------------------------------------------- */

static void take(iocp_worker *worker, const iocp_completion *completion)
{
    switch (completion->kind) {
    case IOCP_COMPLETION_OPENED:
        atomic_fetch_add(&opened, 1);
        break;
    case IOCP_COMPLETION_RECEIVED:
        if (iocp_send_lease(worker, completion->connection, completion->detail, completion->bytes,
                            (uint32_t)completion->result) < 0) {
            iocp_lease_return(worker, completion->detail);
            (void)iocp_abort(worker, completion->connection);
        }
        break;
    case IOCP_COMPLETION_CLOSED:
        atomic_fetch_add(&closed, 1);
        break;
    case IOCP_COMPLETION_POSTED:
        atomic_fetch_add(&posted, 1);
        atomic_fetch_add(&posted_sum, completion->key);
        break;
    default:
        break;
    }
}

static void serve(iocp_worker *worker, void *context)
{
    iocp_completion completions[BATCH];
    uint64_t resident = 0;
    uint64_t on_node = 0;
    (void)context;
    for (;;) {
        const int count = iocp_worker_wait(worker, completions, BATCH, UINT64_MAX);
        if (count == -ECANCELED)
            break;
        if (count < 0 && count != -EINTR && count != -ETIME) {
            printf("a wait failed: %s\n", iocp_error_name(count));
            expect(false, "a worker serves until its port stops");
            break;
        }
        for (int i = 0; i < count; i++)
            take(worker, &completions[i]);
    }
    const int result = iocp_worker_pages(worker, &resident, &on_node);
    printf("worker %u: CPU %d, node %u, %llu of %llu pages there\n", iocp_worker_index(worker),
           (int)iocp_worker_cpu(worker), iocp_worker_node(worker), (unsigned long long)on_node,
           (unsigned long long)resident);
    /* qemu-user tells nothing of pages. */
    expect(result == -ENOSYS || (result == 0 && on_node == resident), "a worker's pages lie on its node");
    const iocp_worker_holdings holdings = iocp_worker_hold(worker);
    expect(holdings.connections == 0 && holdings.leases == 0 && holdings.send_nodes == 0 && holdings.send_chunks == 0 &&
               holdings.driver_handles == 0,
           "a worker holds nothing in the end");
}

/* --- clients -------------------------------------------------------------------------------------------------- */

static struct sockaddr_in server;

static int connected(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&server, sizeof server) == 0)
        return fd;
    printf("a client does not connect: %s\n", iocp_error_name(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static uint8_t byte_at(uint32_t client, uint32_t position)
{
    return (uint8_t)(position * 31 + client * 7 + position / 251);
}

/* Sends and reads at a time, since neither end can hold everything. Returns whether all came back. */
static bool exchange(int fd, uint32_t client, uint32_t count_bytes)
{
    static _Thread_local uint8_t out[16384], in[16384];
    uint32_t sent = 0;
    uint32_t read_count = 0;
    while (read_count < count_bytes) {
        struct pollfd ready = {.fd = fd, .events = POLLIN | (sent < count_bytes ? POLLOUT : 0)};
        if (poll(&ready, 1, 60000) <= 0)
            return false;
        if (ready.revents & POLLOUT) {
            const uint32_t left = count_bytes - sent < sizeof out ? count_bytes - sent : (uint32_t)sizeof out;
            for (uint32_t i = 0; i < left; i++)
                out[i] = byte_at(client, sent + i);
            const ssize_t took = send(fd, out, left, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (took < 0 && errno != EAGAIN)
                return false;
            sent += took > 0 ? (uint32_t)took : 0;
        }
        if (ready.revents & (POLLIN | POLLHUP | POLLERR)) {
            const ssize_t got = recv(fd, in, sizeof in, MSG_DONTWAIT);
            if (got == 0 || (got < 0 && errno != EAGAIN))
                return false;
            for (ssize_t i = 0; i < got; i++)
                if (in[i] != byte_at(client, read_count + (uint32_t)i))
                    return false;
            read_count += got > 0 ? (uint32_t)got : 0;
        }
    }
    return true;
}

/* Whether FIN comes. */
static bool ends(int fd)
{
    uint8_t byte;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, 10000) == 1 && recv(fd, &byte, 1, 0) == 0;
}

static void *large_client(void *argument)
{
    const uint32_t client = (uint32_t)(size_t)argument;
    const int fd = connected();
    expect(fd >= 0 && exchange(fd, client, LARGE_BYTES), "a large transfer comes back in order");
    close(fd);
    return NULL;
}

/* Every connection has its first message in flight before any of the answers is read. */
static void many_clients(uint32_t count)
{
    int *fds = calloc(count, sizeof *fds);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < count && wrong == 0; i++)
        wrong += (fds[i] = connected()) < 0;
    expect(wrong == 0, "every client is accepted");
    for (uint32_t round = 0; round < ROUNDS && wrong == 0; round++)
        for (uint32_t i = 0; i < count; i++)
            wrong += !exchange(fds[i], i + round, 1 + (i * 37 + round * 1999) % 6000);
    expect(wrong == 0, "every message comes back in order");
    /* The server closes when it has read FIN. What closes must not wait for what is open, and began before. */
    for (uint32_t i = 0; i < count && wrong == 0; i++)
        wrong += shutdown(fds[i], SHUT_WR) < 0 || !ends(fds[i]);
    expect(wrong == 0, "a close ends in FIN, beside a connection that is idle");
    for (uint32_t i = 0; i < count; i++)
        if (fds[i] > 0)
            close(fds[i]);
    free(fds);
}

typedef struct poster {
    iocp_port *port;
    uint32_t index;
} poster;

static void *post(void *argument)
{
    const poster *self = argument;
    for (uint32_t i = 0; i < POSTS_EACH;) {
        const int result = iocp_port_post(self->port, (self->index + i) % WORKERS, 0, i + 1);
        if (result == 0)
            i++;
        else if (result != -EAGAIN) {
            expect(false, "a post is taken, or the mailbox is full");
            break;
        }
    }
    return NULL;
}

static void many_posts(iocp_port *port)
{
    pthread_t threads[POSTERS];
    poster posters[POSTERS];
    for (uint32_t i = 0; i < POSTERS; i++) {
        posters[i] = (poster){.port = port, .index = i};
        if (pthread_create(&threads[i], NULL, post, &posters[i]) != 0)
            abort();
    }
    for (uint32_t i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
}

/* --- together ------------------------------------------------------------------------------------------------- */

static iocp_port *open_port(const char *driver)
{
    iocp_port *port = NULL;
    iocp_failure failure = {0};
    iocp_port_config config = iocp_port_config_default();
    config.worker_count = WORKERS;
    config.connections_per_worker = 4096;
    config.receive_buffers_per_worker = 64;
    config.worker_placement = IOCP_PLACE_EVERY_CPU;
    if (iocp_port_create(&config, &port, &failure) < 0) {
        printf("no port: %s, %s\n", iocp_error_name(failure.code), failure.detail != NULL ? failure.detail : "");
        exit(1);
    }
    const iocp_failure cause = iocp_port_fallback_cause(port);
    const char *in_force = iocp_driver_name(iocp_port_configuration(port)->driver);
    printf("auto is %s here%s%s\n", in_force, cause.code < 0 ? ", because of " : "",
           cause.code < 0 ? iocp_error_name(cause.code) : "");
    expect(strcmp(in_force, driver) == 0, "auto is the driver that is expected here");
    expect((cause.code < 0) == (strcmp(driver, "epoll") == 0), "a fallback has its reason, and nothing else has");
    const iocp_capabilities *can = iocp_capabilities_get();
    printf("found: prompt close %d, socket commands %d, incremental buffers %d, silent sends %d, fd install %d, min wait %d\n",
           can->prompt_close, can->socket_commands, can->incremental_buffers, can->silent_sends, can->fd_install, can->min_wait);
    return port;
}

int main(int count, char **words)
{
    if (count < 2) {
        fprintf(stderr, "usage: echo DRIVER [CONNECTIONS]\n");
        return 2;
    }
    const uint32_t connections = count > 2 ? (uint32_t)strtoul(words[2], NULL, 10) : 1000;
    iocp_port *port = open_port(words[1]);
    iocp_failure failure = {0};
    iocp_address address, bound;
    for (uint32_t i = 0; i < WORKERS; i++)
        if (iocp_port_spawn(port, i, serve, NULL, &failure) < 0) {
            printf("worker %u does not open: %s\n", i, iocp_error_name(failure.code));
            return 1;
        }
    if (iocp_address_resolve("127.0.0.1", 0, &address) < 0 || iocp_port_listen(port, &address, &bound, &failure) < 0) {
        printf("no listener: %s\n", iocp_error_name(failure.code));
        return 1;
    }
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = bound.port_be, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    const int idle[] = {connected(), connected(), connected(), connected(), connected(), connected(), connected(), connected()};
    for (uint32_t i = 0; i < IDLE_COUNT; i++)
        expect(idle[i] >= 0 && exchange(idle[i], i, 1), "a connection that is idle from then on");
    pthread_t large[LARGE_COUNT];
    for (size_t i = 0; i < LARGE_COUNT; i++)
        if (pthread_create(&large[i], NULL, large_client, (void *)i) != 0)
            abort();
    many_clients(connections);
    many_posts(port);
    for (size_t i = 0; i < LARGE_COUNT; i++)
        pthread_join(large[i], NULL);
    for (uint32_t i = 0; i < IDLE_COUNT; i++) {
        expect(exchange(idle[i], i, 1), "an idle connection still serves");
        close(idle[i]);
    }
    iocp_port_stop(port, UINT64_C(10000000000));
    for (uint32_t i = 0; i < WORKERS; i++)
        expect(iocp_port_join(port, i) == 0, "a worker's thread ends");
    iocp_port_destroy(port);

    const uint64_t each = (uint64_t)POSTS_EACH * (POSTS_EACH + 1) / 2;
    expect(atomic_load(&posted) == POSTERS * POSTS_EACH && atomic_load(&posted_sum) == POSTERS * each,
           "every post arrives once");
    expect(atomic_load(&opened) == connections + LARGE_COUNT + IDLE_COUNT && atomic_load(&closed) == atomic_load(&opened),
           "every connection opens and closes once");
    printf("%s: %llu connections, %llu posts%s\n", words[1], (unsigned long long)atomic_load(&closed),
           (unsigned long long)atomic_load(&posted), atomic_load(&failures) == 0 ? ", every promise was kept" : "");
    return atomic_load(&failures) != 0;
}
