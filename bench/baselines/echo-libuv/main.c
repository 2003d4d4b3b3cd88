/* Echo server on libuv, one loop, as tuned as its interface allows.
 *
 * All reads go to one static buffer, since a read is answered before the next one begins. The answer is first tried
 * with uv_try_write, which needs no request and no copy; what the socket did not take is copied and queued, and the
 * connection is not read until that has left.
 *
 * Without a descriptor for a waiting client, libuv itself accepts with one that it keeps in reserve and closes at
 * once: the client is turned away rather than left waiting. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "baseline.h"

/* What one read takes at most, and so what one connection can owe its peer. */
enum { BUFFER_BYTES = 64 * 1024 };

enum { BACKLOG = 4096 };

typedef struct connection {
    uv_tcp_t stream; /* first, so that a handle is its connection */
    struct connection *next_free;
} connection;

typedef struct owed {
    uv_write_t request; /* first, so that a request is what it sends */
    struct owed *next_free;
    char bytes[BUFFER_BYTES];
} owed;

/* Both are used again, so that neither a client nor a slow reader costs a malloc each time. */
static connection *free_connections;
static owed *free_owed;

static char buffer[BUFFER_BYTES];

static void allocate(uv_handle_t *handle, size_t suggested_bytes, uv_buf_t *target)
{
    (void)handle;
    (void)suggested_bytes;
    *target = uv_buf_init(buffer, sizeof buffer);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *source);

/* --- memory ------------------------------------------------------------------------------------------------- */

static connection *connection_take(void)
{
    connection *taken = free_connections;
    if (taken == NULL)
        return malloc(sizeof *taken);
    free_connections = taken->next_free;
    return taken;
}

static void on_close(uv_handle_t *handle)
{
    connection *closed = (connection *)handle;
    closed->next_free = free_connections;
    free_connections = closed;
}

static void connection_close(uv_stream_t *stream)
{
    if (!uv_is_closing((uv_handle_t *)stream))
        uv_close((uv_handle_t *)stream, on_close);
}

static owed *owed_take(void)
{
    owed *taken = free_owed;
    if (taken == NULL)
        return malloc(sizeof *taken);
    free_owed = taken->next_free;
    return taken;
}

static void owed_give_back(owed *sent)
{
    sent->next_free = free_owed;
    free_owed = sent;
}

/* --- the echo ----------------------------------------------------------------------------------------------- */

static void on_owed_sent(uv_write_t *request, int status)
{
    uv_stream_t *stream = request->handle;
    owed_give_back((owed *)request);
    if (status < 0 || uv_read_start(stream, allocate, on_read) != 0)
        connection_close(stream);
}

/* Returns false when the bytes could not be kept. */
static bool owe(uv_stream_t *stream, const char *bytes, size_t count)
{
    owed *kept = owed_take();
    if (kept == NULL)
        return false;
    memcpy(kept->bytes, bytes, count);
    uv_buf_t source = uv_buf_init(kept->bytes, (unsigned)count);
    if (uv_write(&kept->request, stream, &source, 1, on_owed_sent) != 0) {
        owed_give_back(kept);
        return false;
    }
    uv_read_stop(stream);
    return true;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *source)
{
    if (count == 0)
        return;
    if (count < 0) {
        connection_close(stream);
        return;
    }
    const uv_buf_t whole = uv_buf_init(source->base, (unsigned)count);
    int sent = uv_try_write(stream, &whole, 1);
    if (sent == count)
        return;
    if (sent == UV_EAGAIN)
        sent = 0;
    if (sent < 0 || !owe(stream, source->base + sent, (size_t)(count - sent)))
        connection_close(stream);
}

static void on_client(uv_stream_t *listener, int status)
{
    if (status < 0)
        return;
    connection *client = connection_take();
    if (client == NULL)
        return;
    /* TCP_NODELAY comes with the listener. */
    uv_tcp_init(listener->loop, &client->stream);
    uv_stream_t *stream = (uv_stream_t *)&client->stream;
    if (uv_accept(listener, stream) != 0 || uv_read_start(stream, allocate, on_read) != 0)
        connection_close(stream);
}

static void require(const char *what, int result)
{
    if (result < 0)
        baseline_fail(what, -result);
}

int main(int argc, char **argv)
{
    baseline_options options = baseline_options_parse(argc, argv, BASELINE_ECHO_ONLY);
    (void)baseline_process_prepare();

    static uv_loop_t loop;
    static uv_tcp_t listener;
    const int descriptor = baseline_listen(options, true);
    require("uv_loop_init", uv_loop_init(&loop));
    require("uv_tcp_init", uv_tcp_init(&loop, &listener));
    require("uv_tcp_open", uv_tcp_open(&listener, descriptor));
    require("uv_listen", uv_listen((uv_stream_t *)&listener, BACKLOG, on_client));
    baseline_announce(descriptor);
    return uv_run(&loop, UV_RUN_DEFAULT);
}
