/* The echo of one connection: read into the shared buffer, send, keep what did not fit. */
#define _GNU_SOURCE
#include "echo.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Bytes a slow reader is owed. Blocks are pooled: a connection that blocks and drains over and
 * over reuses the block it gave back last, so there is no malloc per message. */
struct echo_pending {
    struct echo_pending *next;
    size_t start;
    size_t end;
    char bytes[ECHO_BUFFER_BYTES];
};

static struct echo_pending *pool;
static char buffer[ECHO_BUFFER_BYTES];

static struct echo_pending *pool_take(void)
{
    struct echo_pending *block = pool;
    if (block == NULL)
        return malloc(sizeof *block);
    pool = block->next;
    return block;
}

void echo_forget(echo_connection *connection)
{
    struct echo_pending *block = connection->pending;
    if (block == NULL)
        return;
    block->next = pool;
    pool = block;
    connection->pending = NULL;
}

/* Returns how many of the bytes the socket took (0 when it is full), or -1 when the peer is gone. */
static ssize_t send_some(int fd, const char *bytes, size_t count)
{
    for (;;) {
        ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
        if (sent >= 0)
            return sent;
        if (errno == EINTR)
            continue;
        return errno == EAGAIN ? 0 : -1;
    }
}

static bool keep(echo_connection *connection, const char *bytes, size_t count)
{
    struct echo_pending *block = pool_take();
    if (block == NULL)
        return false;
    memcpy(block->bytes, bytes, count);
    block->start = 0;
    block->end = count;
    connection->pending = block;
    return true;
}

static echo_state flush(echo_connection *connection, int fd)
{
    struct echo_pending *block = connection->pending;
    ssize_t sent = send_some(fd, block->bytes + block->start, block->end - block->start);
    if (sent < 0)
        return ECHO_ENDED;
    block->start += (size_t)sent;
    if (block->start < block->end)
        return ECHO_BLOCKED;
    echo_forget(connection);
    return ECHO_DRAINED;
}

echo_state echo_step(echo_connection *connection, int fd)
{
    if (connection->pending != NULL) {
        echo_state state = flush(connection, fd);
        if (state != ECHO_DRAINED)
            return state;
    }

    ssize_t count;
    do {
        count = recv(fd, buffer, sizeof buffer, 0);
    } while (count < 0 && errno == EINTR);
    if (count < 0)
        return errno == EAGAIN ? ECHO_DRAINED : ECHO_ENDED;
    if (count == 0)
        return ECHO_ENDED;

    ssize_t sent = send_some(fd, buffer, (size_t)count);
    if (sent < 0)
        return ECHO_ENDED;
    if (sent < count)
        return keep(connection, buffer + sent, (size_t)(count - sent)) ? ECHO_BLOCKED : ECHO_ENDED;
    return count == ECHO_BUFFER_BYTES ? ECHO_MORE : ECHO_DRAINED;
}
