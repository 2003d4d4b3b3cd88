/* Binds, shares and ends listening sockets. */
#include "listening.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../include/iocp_admin.h"
#include "../system/socket_address.h"
#include "../system/socket_option.h"

static int closed(int fd, int result)
{
    close(fd);
    return result;
}

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

static int set_text(int fd, int level, int option, const char *text, size_t capacity)
{
    return setsockopt(fd, level, option, text, (socklen_t)strnlen(text, capacity)) < 0 ? -errno : 0;
}

/* --- options ------------------------------------------------------------------------------------------------ */

/* Those of every kind of stream socket. */
static int set_buffers(int fd, const iocp_listen_options *options)
{
    int result = 0;
    if (options->send_buffer_bytes > 0)
        result = set(fd, SOL_SOCKET, SO_SNDBUF, (int)options->send_buffer_bytes);
    if (result == 0 && options->receive_buffer_bytes > 0)
        result = set(fd, SOL_SOCKET, SO_RCVBUF, (int)options->receive_buffer_bytes);
    return result;
}

static int set_keep_alive(int fd, const iocp_listen_options *options)
{
    if (options->keep_alive_idle_s == 0)
        return 0;
    int result = set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (result == 0)
        result = set(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)options->keep_alive_idle_s);
    if (result == 0 && options->keep_alive_interval_s > 0)
        result = set(fd, IPPROTO_TCP, TCP_KEEPINTVL, (int)options->keep_alive_interval_s);
    if (result == 0 && options->keep_alive_count > 0)
        result = set(fd, IPPROTO_TCP, TCP_KEEPCNT, (int)options->keep_alive_count);
    return result;
}

static int set_tcp_options(int fd, const iocp_listen_options *options)
{
    int result = set(fd, IPPROTO_TCP, TCP_NODELAY, !options->delays);
    if (result == 0)
        result = set_keep_alive(fd, options);
    if (result == 0 && options->fast_open_queue > 0)
        result = set(fd, IPPROTO_TCP, TCP_FASTOPEN, (int)options->fast_open_queue);
    if (result == 0 && options->defer_accept_s > 0)
        result = set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, (int)options->defer_accept_s);
    if (result == 0 && options->congestion[0] != 0)
        result = set_text(fd, IPPROTO_TCP, TCP_CONGESTION, options->congestion, sizeof options->congestion);
    if (result == 0 && options->device[0] != 0)
        result = set_text(fd, SOL_SOCKET, SO_BINDTODEVICE, options->device, sizeof options->device);
    return result;
}

/* --- TCP ---------------------------------------------------------------------------------------------------- */

static int bind_tcp(const iocp_endpoint *endpoint, const iocp_listen_options *options, bool shared)
{
    struct sockaddr_storage storage;
    const socklen_t length = iocp_sockaddr_write(endpoint, &storage);
    const int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0)
        return -errno;
    int result = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (result == 0 && shared)
        result = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    /* Either way, whatever net.ipv6.bindv6only says. */
    if (result == 0 && endpoint->address.family_is_v6)
        result = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->v6_only);
    if (result == 0)
        result = set_buffers(fd, options);
    if (result == 0)
        result = set_tcp_options(fd, options);
    if (result == 0 && bind(fd, (struct sockaddr *)&storage, length) < 0)
        result = -errno;
    return result < 0 ? closed(fd, result) : fd;
}

static int name_of(int fd, iocp_endpoint *endpoint)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &length) < 0)
        return -errno;
    return iocp_sockaddr_read_endpoint(&storage, length, endpoint);
}

static int claim_tcp(iocp_bound *bound, const iocp_listen_options *options)
{
    const int fd = bind_tcp(&bound->endpoint, options, false);
    if (fd < 0)
        return fd;
    int result = name_of(fd, &bound->endpoint);
    if (result == 0 && listen(fd, (int)options->backlog) < 0)
        result = -errno;
    if (result == 0)
        result = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    return result < 0 ? closed(fd, result) : fd;
}

/* Without SO_REUSEADDR a bound socket is in the way of other servers even while it does not listen. It is switched off after
 * the bind, which would otherwise fail beside connections in TIME_WAIT. */
static int hold_tcp(const iocp_bound *bound, const iocp_listen_options *options)
{
    const int fd = bind_tcp(&bound->endpoint, options, true);
    if (fd < 0)
        return fd;
    const int result = set(fd, SOL_SOCKET, SO_REUSEADDR, 0);
    return result < 0 ? closed(fd, result) : fd;
}

/* --- Unix --------------------------------------------------------------------------------------------------- */

static void path_of(const iocp_endpoint *endpoint, char path[IOCP_UNIX_NAME_BYTES_MAX + 1])
{
    memcpy(path, endpoint->name, endpoint->name_bytes);
    path[endpoint->name_bytes] = 0;
}

static bool has_path(const iocp_endpoint *endpoint)
{
    return endpoint->kind == IOCP_ENDPOINT_UNIX && endpoint->name_bytes > 0 && endpoint->name[0] != 0;
}

static bool is_socket(const char *path)
{
    struct stat found;
    return lstat(path, &found) == 0 && S_ISSOCK(found.st_mode);
}

/* Connects as a client does: 0 if somebody listens, with the process that began to in `holder` (0: of a namespace that is
 * not seen from here), or -errno. */
static int visit(const iocp_endpoint *endpoint, pid_t *holder)
{
    const int fd = iocp_socket_open(endpoint, NULL);
    if (fd < 0)
        return fd;
    struct sockaddr_storage storage;
    struct ucred credentials = {0};
    socklen_t length = iocp_sockaddr_write(endpoint, &storage);
    int result = connect(fd, (struct sockaddr *)&storage, length) < 0 ? -errno : 0;
    length = sizeof credentials;
    if (result == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
        result = -errno;
    *holder = credentials.pid;
    return closed(fd, result);
}

/* A socket file stays when its server dies. It is stale if a connect is refused: nobody listens there. */
static bool is_stale(const iocp_endpoint *endpoint, const char *path)
{
    pid_t unwanted;
    return is_socket(path) && visit(endpoint, &unwanted) == -ECONNREFUSED;
}

static int bind_unix(int fd, const iocp_endpoint *endpoint)
{
    struct sockaddr_storage storage;
    const socklen_t length = iocp_sockaddr_write(endpoint, &storage);
    if (bind(fd, (struct sockaddr *)&storage, length) == 0)
        return 0;
    const int result = -errno;
    char path[IOCP_UNIX_NAME_BYTES_MAX + 1];
    path_of(endpoint, path);
    if (result != -EADDRINUSE || !has_path(endpoint) || !is_stale(endpoint, path) || unlink(path) < 0)
        return result;
    return bind(fd, (struct sockaddr *)&storage, length) < 0 ? -errno : 0;
}

/* Nobody can connect before listen(2), so the permissions are there in time. */
static int settle_file(iocp_bound *bound, const iocp_listen_options *options)
{
    struct stat file;
    char path[IOCP_UNIX_NAME_BYTES_MAX + 1];
    path_of(&bound->endpoint, path);
    if ((options->permissions != 0 && chmod(path, options->permissions) < 0) || lstat(path, &file) < 0)
        return -errno;
    bound->file_device = file.st_dev;
    bound->file_number = file.st_ino;
    return 0;
}

static int claim_unix(iocp_bound *bound, const iocp_listen_options *options)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    bound->shared = true;
    int result = set_buffers(fd, options);
    if (result == 0)
        result = bind_unix(fd, &bound->endpoint);
    if (result == 0 && has_path(&bound->endpoint) && (result = settle_file(bound, options)) < 0)
        iocp_listening_kernel.remove(bound);
    return result < 0 ? closed(fd, result) : fd;
}

/* --- the operations ----------------------------------------------------------------------------------------- */

static int descriptor_of(int fd)
{
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
}

/* As systemd and its like hand them down: bound, and listening or not. */
static int claim_inherited(iocp_bound *bound, const iocp_listen_options *options, int inherited)
{
    int type = 0;
    socklen_t length = sizeof type;
    if (getsockopt(inherited, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
        return -errno;
    if (type != SOCK_STREAM)
        return -EPROTOTYPE;
    const int fd = descriptor_of(inherited);
    if (fd < 0)
        return fd;
    bound->shared = true;
    int result = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ? -errno : name_of(fd, &bound->endpoint);
    if (result == 0 && bound->endpoint.kind == IOCP_ENDPOINT_TCP)
        result = set_tcp_options(fd, options);
    return result < 0 ? closed(fd, result) : fd;
}

static int claim(iocp_bound *bound, const iocp_listen_options *options, int inherited)
{
    if (inherited >= 0)
        return claim_inherited(bound, options, inherited);
    switch (bound->endpoint.kind) {
    case IOCP_ENDPOINT_TCP:
        return claim_tcp(bound, options);
    case IOCP_ENDPOINT_UNIX:
        return claim_unix(bound, options);
    }
    return -EAFNOSUPPORT;
}

static int kernel_bind(iocp_bound *bound, const iocp_listen_options *options, iocp_bind_role role, int sibling)
{
    switch (role) {
    case IOCP_BIND_CLAIM:
        return claim(bound, options, sibling);
    case IOCP_BIND_HOLD:
        return bound->shared ? descriptor_of(sibling) : hold_tcp(bound, options);
    case IOCP_BIND_SHARE:
        return bound->shared ? descriptor_of(sibling) : bind_tcp(&bound->endpoint, options, true);
    }
    return -EINVAL;
}

static int kernel_listen(int listener, uint32_t backlog)
{
    return listen(listener, (int)backlog) < 0 ? -errno : 0;
}

static void kernel_end(int listener)
{
    shutdown(listener, SHUT_RDWR);
}

static void kernel_unbind(int listener)
{
    close(listener);
}

static void kernel_remove(const iocp_bound *bound)
{
    struct stat file;
    char path[IOCP_UNIX_NAME_BYTES_MAX + 1];
    if (!has_path(&bound->endpoint) || bound->file_number == 0)
        return;
    path_of(&bound->endpoint, path);
    /* Another server may have taken the path over. */
    if (lstat(path, &file) == 0 && file.st_dev == bound->file_device && file.st_ino == bound->file_number)
        unlink(path);
}

/* A ring that a process leaves behind is taken down after the process was reaped, and until then its sockets listen: 7 to 20 ms
 * here, on Linux 6.18. Of a TCP port it cannot be told who holds it. */
static bool kernel_may_come_free(const iocp_endpoint *endpoint)
{
    pid_t holder;
    char path[IOCP_UNIX_NAME_BYTES_MAX + 1];
    if (endpoint->kind != IOCP_ENDPOINT_UNIX)
        return true;
    path_of(endpoint, path);
    if (has_path(endpoint) && !is_socket(path))
        return false;
    switch (visit(endpoint, &holder)) {
    case 0:
        return holder == 0 || (kill(holder, 0) < 0 && errno == ESRCH);
    case -ECONNREFUSED: /* it has just come free */
    case -EAGAIN:       /* its backlog is full, which hides the holder */
        return true;
    }
    return false;
}

/* Of a listening socket TCP_INFO tells its backlog. SO_MEMINFO counts what it dropped: of clients that came to a full
 * backlog each SYN, which a client repeats. Measured on Linux 6.18 with a limit of 3: 4 wait, the fifth client is dropped. */
static int kernel_backlog(int listener, iocp_backlog *backlog)
{
    struct tcp_info info = {0};
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t info_bytes = sizeof info;
    socklen_t memory_bytes = sizeof memory;
    if (getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &info_bytes) < 0)
        return -errno;
    if (info.tcpi_state != TCP_LISTEN)
        return -EINVAL;
    if (getsockopt(listener, SOL_SOCKET, SO_MEMINFO, memory, &memory_bytes) < 0)
        return -errno;
    *backlog = (iocp_backlog){.waiting_count = info.tcpi_unacked, .limit_count = info.tcpi_sacked,
                              .dropped_count = memory[SK_MEMINFO_DROPS]};
    return 0;
}

/* --- beside the workers ---------------------------------------------------------------------------------------- */

int iocp_side_listen(const iocp_endpoint *endpoint, uint16_t permissions, iocp_side_listener *listener)
{
    const iocp_listen_options options = {.backlog = 16, .permissions = permissions};
    iocp_bound bound = {.endpoint = *endpoint};
    const int fd = claim(&bound, &options, -1);
    if (fd < 0)
        return fd;
    *listener = (iocp_side_listener){.fd = fd,
                                     .endpoint = bound.endpoint,
                                     .file_device = bound.file_device,
                                     .file_number = bound.file_number};
    int result = kernel_listen(fd, options.backlog);
    /* Nobody is to share it, as workers do. */
    if (result == 0 && bound.endpoint.kind == IOCP_ENDPOINT_TCP)
        result = set(fd, SOL_SOCKET, SO_REUSEPORT, 0);
    if (result < 0)
        iocp_side_close(listener);
    return result;
}

void iocp_side_close(iocp_side_listener *listener)
{
    const iocp_bound bound = {.endpoint = listener->endpoint, .file_device = listener->file_device,
                              .file_number = listener->file_number};
    kernel_remove(&bound);
    close(listener->fd);
}

int iocp_side_connect(const iocp_endpoint *endpoint)
{
    struct sockaddr_storage storage;
    const socklen_t length = iocp_sockaddr_write(endpoint, &storage);
    const int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    return connect(fd, (struct sockaddr *)&storage, length) < 0 ? closed(fd, -errno) : fd;
}

int iocp_side_peer_user(int fd, uint32_t *user)
{
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
        return -errno;
    *user = credentials.uid;
    return 0;
}

const iocp_listening_operations iocp_listening_kernel = {
    .bind = kernel_bind,
    .listen = kernel_listen,
    .prefer_cpu = iocp_socket_prefer_cpu,
    .end = kernel_end,
    .unbind = kernel_unbind,
    .remove = kernel_remove,
    .may_come_free = kernel_may_come_free,
    .backlog = kernel_backlog,
};
