/* What this kernel can do, found by doing it: versions lie where features were backported or switched off. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../system/topology.h"
#include "uring.h"

enum { PROBE_ENTRIES = 64, PROBE_BUFFER_BYTES = 4096 };

static int wait_one(struct io_uring *ring, struct io_uring_cqe *copy)
{
    struct io_uring_cqe *entry;
    struct __kernel_timespec limit = {.tv_sec = 1};
    const int result = io_uring_submit_and_wait_timeout(ring, &entry, 1, &limit, NULL);
    if (result < 0)
        return result;
    *copy = *entry;
    io_uring_cqe_seen(ring, entry);
    return 0;
}

/* Prepares a command on a socket; the caller fills the rest. */
static struct io_uring_sqe *socket_command(struct io_uring *ring, int fd, uint32_t operation)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(ring);
    memset(entry, 0, sizeof *entry);
    entry->opcode = IORING_OP_URING_CMD;
    entry->fd = fd;
    entry->cmd_op = operation;
    return entry;
}

/* Both that are used: an option, and how much the peer has not acknowledged. */
static bool socket_commands_work(struct io_uring *ring)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    int type = 0;
    struct io_uring_sqe *entry = socket_command(ring, fd, IOCP_URING_SOCKET_OP_GETSOCKOPT);
    entry->addr = SOL_SOCKET | (uint64_t)SO_TYPE << 32;
    entry->file_index = sizeof type;
    entry->addr3 = (uint64_t)(uintptr_t)&type;
    struct io_uring_cqe answer;
    bool works = wait_one(ring, &answer) == 0 && answer.res >= 0 && type == SOCK_STREAM;
    if (works) {
        socket_command(ring, fd, IOCP_URING_SOCKET_OP_SIOCOUTQ);
        works = wait_one(ring, &answer) == 0 && answer.res == 0;
    }
    close(fd);
    return works;
}

/* --- incremental buffers: byte order, checked before a single byte of a user's passes through --------------- */

typedef struct increments {
    struct io_uring *ring;
    iocp_uring_buffer_ring buffers;
    iocp_arena memory; /* two buffers */
    uint32_t consumed_bytes[2];
    uint8_t expected;  /* the next byte of the stream */
} increments;

static void provide(increments *test, uint16_t id)
{
    test->consumed_bytes[id] = 0;
    io_uring_buf_ring_add(test->buffers.ring, test->memory.start + id * PROBE_BUFFER_BYTES, PROBE_BUFFER_BYTES, id,
                          io_uring_buf_ring_mask(test->buffers.entry_count), 0);
    io_uring_buf_ring_advance(test->buffers.ring, 1);
}

/* Every byte where the buffer's own count says it is, in the order of the stream. */
static bool received_in_order(increments *test, uint32_t count_bytes)
{
    while (count_bytes > 0) {
        struct io_uring_cqe entry;
        if (wait_one(test->ring, &entry) < 0 || entry.res <= 0 || !(entry.flags & IORING_CQE_F_BUFFER) ||
            !(entry.flags & IORING_CQE_F_MORE))
            return false;
        const uint16_t id = (uint16_t)(entry.flags >> IORING_CQE_BUFFER_SHIFT);
        const uint32_t received = (uint32_t)entry.res;
        if (id > 1 || received > count_bytes || test->consumed_bytes[id] + received > PROBE_BUFFER_BYTES)
            return false;
        const uint8_t *bytes = test->memory.start + id * PROBE_BUFFER_BYTES + test->consumed_bytes[id];
        for (uint32_t i = 0; i < received; i++)
            if (bytes[i] != test->expected++)
                return false;
        test->consumed_bytes[id] += received;
        count_bytes -= received;
        const bool full = test->consumed_bytes[id] == PROBE_BUFFER_BYTES;
        if (full == ((entry.flags & IOCP_URING_CQE_F_BUF_MORE) != 0))
            return false;
        if (full)
            provide(test, id);
    }
    return true;
}

/* Odd sizes, so that pieces end everywhere in a buffer and across its end; several turns of the ring. */
static bool stream_survives(increments *test, int sender)
{
    static const uint32_t sizes[] = {1, 63, 64, 1000, 4095, 3, 4096, 2049, 4097, 777, 8000};
    uint8_t bytes[8192];
    uint8_t next = 0;
    for (int turn = 0; turn < 4; turn++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            for (uint32_t k = 0; k < sizes[i]; k++)
                bytes[k] = next++;
            /* In two steps: one receive must not find more than both buffers hold. */
            const uint32_t half = sizes[i] / 2;
            if (half > 0 && (write(sender, bytes, half) != half || !received_in_order(test, half)))
                return false;
            const uint32_t rest = sizes[i] - half;
            if (write(sender, bytes + half, rest) != rest || !received_in_order(test, rest))
                return false;
        }
    }
    return true;
}

static bool incremental_buffers_work(struct io_uring *ring)
{
    enum { GROUP = 7 };
    int pair[2];
    increments test = {.ring = ring};
    if (iocp_uring_buffer_ring_open(ring, &test.buffers, GROUP, 2, IOCP_URING_PBUF_RING_INC, 0) < 0)
        return false;
    bool works = false;
    if (iocp_arena_open(&test.memory, 2 * PROBE_BUFFER_BYTES, 0) == 0 &&
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
        provide(&test, 0);
        provide(&test, 1);
        struct io_uring_sqe *entry = io_uring_get_sqe(ring);
        memset(entry, 0, sizeof *entry);
        entry->opcode = IORING_OP_RECV;
        entry->fd = pair[0];
        entry->flags = IOSQE_BUFFER_SELECT;
        entry->ioprio = IORING_RECV_MULTISHOT;
        entry->buf_group = GROUP;
        works = stream_survives(&test, pair[1]);
        /* Ends the receive before its memory goes. */
        struct io_uring_cqe entry_end = {.flags = IORING_CQE_F_MORE};
        close(pair[1]);
        while (entry_end.flags & IORING_CQE_F_MORE && wait_one(ring, &entry_end) == 0) {
        }
        close(pair[0]);
    }
    (void)io_uring_unregister_buf_ring(ring, GROUP);
    iocp_arena_close(&test.buffers.arena);
    iocp_arena_close(&test.memory);
    return works;
}

/* --- silent sends: a whole one has no completion, a short one tells how much it took ------------------------- */

static void send_silently(struct io_uring *ring, int fd, const uint8_t *bytes, uint32_t count_bytes)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(ring);
    memset(entry, 0, sizeof *entry);
    entry->opcode = IORING_OP_SEND;
    entry->flags = IOSQE_CQE_SKIP_SUCCESS;
    entry->fd = fd;
    entry->addr = (uint64_t)(uintptr_t)bytes;
    entry->len = count_bytes;
    entry->msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
    entry->user_data = count_bytes;
}

static bool silent_sends_work(struct io_uring *ring)
{
    enum { TOO_MANY_BYTES = 8 * 1024 * 1024 }; /* for an empty socket: net.core.wmem_max is some 200 KiB */
    int pair[2];
    iocp_arena memory;
    if (iocp_arena_open(&memory, TOO_MANY_BYTES, 0) < 0)
        return false;
    bool works = false;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
        struct io_uring_cqe answer = {0};
        send_silently(ring, pair[0], memory.start, 1);
        send_silently(ring, pair[0], memory.start, TOO_MANY_BYTES);
        send_silently(ring, pair[0], memory.start, 2);
        works = wait_one(ring, &answer) == 0 && answer.user_data == TOO_MANY_BYTES && answer.res > 0 &&
                answer.res < TOO_MANY_BYTES && wait_one(ring, &answer) == 0 && answer.user_data == 2 &&
                answer.res == -EAGAIN && io_uring_cq_ready(ring) == 0;
        close(pair[0]);
        close(pair[1]);
    }
    iocp_arena_close(&memory);
    return works;
}

/* --- closing: whether it ends a direct descriptor's socket, while another's request goes on ------------------- */

static bool close_is_told(struct io_uring *ring, const int *held, const int *closed)
{
    enum { PROMPT_MS = 10 }; /* it takes microseconds, or as long as the request */
    uint8_t byte;
    struct io_uring_cqe answer = {0};
    const int placed = io_uring_register_files_update(ring, 0, (const int[]){held[0], closed[0]}, 2);
    close(closed[0]);
    if (placed != 2)
        return false;
    struct io_uring_sqe *entry = io_uring_get_sqe(ring);
    io_uring_prep_recv(entry, 0, &byte, sizeof byte, 0);
    entry->flags = IOSQE_FIXED_FILE;
    entry->user_data = 1;
    entry = io_uring_get_sqe(ring);
    memset(entry, 0, sizeof *entry);
    entry->opcode = IORING_OP_CLOSE;
    entry->file_index = 2;
    entry->user_data = 2;
    struct pollfd ended = {.fd = closed[1], .events = POLLIN};
    const bool told = wait_one(ring, &answer) == 0 && answer.user_data == 2 && answer.res == 0 &&
                      poll(&ended, 1, PROMPT_MS) == 1;
    /* The receive ends before its memory goes. */
    shutdown(held[1], SHUT_RDWR);
    while (answer.user_data != 1 && wait_one(ring, &answer) == 0) {
    }
    return told;
}

static bool closes_promptly(struct io_uring *ring)
{
    int held[2];
    int closed[2];
    bool prompt = false;
    if (io_uring_register_files_sparse(ring, 2) < 0)
        return false;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, held) == 0) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, closed) == 0) {
            prompt = close_is_told(ring, held, closed);
            close(closed[1]);
        }
        close(held[0]);
        close(held[1]);
    }
    (void)io_uring_unregister_files(ring);
    return prompt;
}

static bool knows_operation(struct io_uring *ring, int operation)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    const bool knows = probe != NULL && io_uring_opcode_supported(probe, operation);
    io_uring_free_probe(probe);
    return knows;
}

/* --- once per process --------------------------------------------------------------------------------------- */

static iocp_capabilities capabilities;

static void probe(void)
{
    struct io_uring ring;
    const uint64_t until_ns = iocp_clock_ns() + IOCP_URING_MEMORY_NS;
    do
        capabilities.uring_result = iocp_uring_ring_open(&ring, PROBE_ENTRIES, PROBE_ENTRIES * 2, 0);
    while (capabilities.uring_result == -ENOMEM && iocp_uring_wait_for_memory(until_ns));
    if (capabilities.uring_result < 0)
        return;
    capabilities.single_issuer = true;
#ifdef IORING_SETUP_NO_SQARRAY
    capabilities.no_sqarray = ring.flags & IORING_SETUP_NO_SQARRAY;
#endif
    capabilities.min_wait = ring.features & IOCP_URING_FEAT_MIN_TIMEOUT;
    capabilities.no_iowait = ring.features & IOCP_URING_FEAT_NO_IOWAIT;
    capabilities.socket_commands = socket_commands_work(&ring);
    capabilities.incremental_buffers = incremental_buffers_work(&ring);
    capabilities.silent_sends = silent_sends_work(&ring);
    capabilities.fd_install = knows_operation(&ring, IOCP_URING_OP_FIXED_FD_INSTALL);
    capabilities.prompt_close = closes_promptly(&ring);
    /* Last: the ring polls from here on. */
    capabilities.busy_poll_result = iocp_uring_busy_poll(&ring, 1);
    iocp_uring_ring_close(&ring);
}

const iocp_capabilities *iocp_capabilities_get(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, probe);
    return &capabilities;
}
