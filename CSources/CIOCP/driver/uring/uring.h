/* The io_uring driver from the inside: one ring, owned by one thread.
 *
 *   setup.c     opening: ring, direct descriptors, buffer rings, wake-up
 *   rehearsal.c whether the rings of all workers can be opened
 *   submit.c    intents become submission entries
 *   complete.c  entering the kernel; completion entries become events
 *   gather.c    how many completions one entry waits for
 *   ring.c      the ring itself: mapping, entering, free entries
 *   closing.c   FIN, cancelling an operation, closing a socket
 *   sockets.c   descriptors of the process, where direct ones do not close at once
 *   handing.c   sockets that go to another worker, and come from one
 *   silent.c    sends whose success has no completion entry
 *   command.c   ring commands: their memory, their answers
 *   asking.c    what a socket is asked and told
 *   lockdown.c  restricting the ring to what is used
 *   probe.c     what this kernel can do, by trial
 *   set.h       several rings of one worker */
#ifndef IOCP_DRIVER_URING_URING_H
#define IOCP_DRIVER_URING_URING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "../driver.h"

/* Kernel constants that older liburing headers lack, under names of our own: several are enumerators upstream, so
 * #ifndef would not see them. */
enum {
    IOCP_URING_PBUF_RING_INC = 2,            /* 6.12 */
    IOCP_URING_CQE_F_BUF_MORE = 1 << 4,      /* 6.12 */
    IOCP_URING_ENTER_NO_IOWAIT = 1 << 7,     /* 6.15 */
    IOCP_URING_FEAT_MIN_TIMEOUT = 1 << 15,   /* 6.12 */
    IOCP_URING_FEAT_NO_IOWAIT = 1 << 17,     /* 6.15 */
    IOCP_URING_SOCKET_OP_SIOCOUTQ = 1,       /* 6.7 */
    IOCP_URING_SOCKET_OP_GETSOCKOPT = 2,     /* 6.7 */
    IOCP_URING_OP_FIXED_FD_INSTALL = 54,     /* 6.8 */
    IOCP_URING_REGISTER_NAPI = 27,           /* 6.9 */
};

enum {
    IOCP_URING_SQ_ENTRIES = 1024,
    IOCP_URING_MEMORY_AGAIN_NS = 1000 * 1000, /* a ring that finds no memory is opened again after this time, */
    IOCP_URING_MEMORY_NS = 250 * 1000 * 1000, /* up to this time in all where epoll will do as well, */
    IOCP_URING_REHEARSED_NS = 1000 * 1000 * 1000, /* and this where there was enough in the rehearsal */
    IOCP_URING_GATHERS_MAX = 256,      /* gathered sends between two submissions */
    IOCP_URING_GATHER_RANGES = 4096,   /* and ranges in them */
    IOCP_URING_SILENT_MAX = 512,       /* silent sends whose events are due; a power of two */
    IOCP_URING_COMMANDS_MAX = 64,      /* ring commands whose answers were not seen yet */
    IOCP_URING_ANSWER_BYTES_MAX = sizeof(struct sockaddr_storage),
};

_Static_assert(sizeof(struct iovec) == sizeof(iocp_range), "ranges are passed to the kernel as iovecs");
_Static_assert(offsetof(struct iovec, iov_base) == offsetof(iocp_range, start), "ranges are iovecs");
_Static_assert(offsetof(struct iovec, iov_len) == offsetof(iocp_range, count_bytes), "ranges are iovecs");

/* What a driver's own completions are about, in the slot field of their token. */
typedef enum iocp_uring_own : uint32_t {
    IOCP_URING_OWN_WAKE = 1,
    IOCP_URING_OWN_COMMAND = 2, /* of command.c; the generation is the command's place in the pool */
    IOCP_URING_OWN_IGNORED = 3,
    IOCP_URING_OWN_SILENT = 4,  /* a silent send that failed or was short; the generation says which */
} iocp_uring_own;

static inline uint64_t iocp_uring_own_token(iocp_uring_own own)
{
    return iocp_token_make(IOCP_OPERATION_DRIVER, own, 0);
}

/* Who may touch a ring command. */
typedef enum iocp_uring_command_state : uint8_t {
    IOCP_URING_COMMAND_FREE = 0,
    IOCP_URING_COMMAND_OURS = 1,   /* being prepared, or answered */
    IOCP_URING_COMMAND_TAKEN = 2,  /* the kernel has it: its completion was not seen yet */
} iocp_uring_command_state;

/* What the kernel reads and writes for a ring command. It stays the command's until the completion was seen, even when
 * nobody waits for the answer any more. */
typedef struct iocp_uring_command {
    iocp_uring_command_state state;
    int32_t fd;    /* of a socket that is placed in the table; -1: the command is a question */
    int32_t place; /* where the kernel reads that fd, and writes the index that it chose */
    bool lent;     /* that fd is somebody else's to close */
    bool installs; /* the answer is an fd, for whoever takes it to close */
    _Alignas(8) uint8_t answer[IOCP_URING_ANSWER_BYTES_MAX];
} iocp_uring_command;

typedef struct iocp_uring_silent {
    uint64_t token; /* 0: it failed or was short, and a completion entry tells so */
    uint32_t count_bytes;
} iocp_uring_silent;

/* Those whose events are due, in a ring; whether they succeeded is settled up to `settled`. */
typedef struct iocp_uring_silents {
    bool work; /* on this kernel */
    bool owed; /* the wait before left some without their events */
    uint32_t head;
    uint32_t settled;
    uint32_t tail;
    iocp_uring_silent sends[IOCP_URING_SILENT_MAX];
} iocp_uring_silents;

typedef struct iocp_uring_buffer_ring {
    struct io_uring_buf_ring *ring; /* application-allocated: see CVE-2024-0582 */
    iocp_arena arena;
    uint32_t entry_count;
    uint32_t unpublished_count;
} iocp_uring_buffer_ring;

typedef struct iocp_uring_socket {
    int32_t fd;    /* -1: the place is free */
    uint32_t next; /* free place */
} iocp_uring_socket;

/* By handle. */
typedef struct iocp_uring_sockets {
    iocp_arena arena;
    iocp_uring_socket *entries;
    uint32_t count;
    uint32_t untouched;
    uint32_t free_head;
} iocp_uring_sockets;

typedef struct iocp_uring {
    struct io_uring ring;
    iocp_driver_config config;
    bool direct; /* a handle is a place in the ring's own table; otherwise one in `sockets` */
    iocp_uring_sockets sockets;
    bool incremental;
    bool ring_open;
    bool min_wait;
    int32_t failure;                     /* 0, or the -errno after which nothing of the ring can be relied on */
    uint32_t enter_flags;                /* of every entry */
    uint32_t handles_held;
    uint32_t busyness;                   /* how often waits find work: see gather.c */
    uint32_t inline_count;               /* prepared sends that end within their submission, and say so */
    uint32_t gather_count;
    uint32_t gather_range_count;
    uint32_t *consumed_bytes;            /* per buffer: where the next receive into it starts */
    uint64_t wake_value;
    struct sockaddr_storage connect_address; /* of the one connect prepared: placing the next one's socket submits it */
    iocp_uring_buffer_ring buffer_rings[IOCP_BUFFER_CLASS_COUNT];
    iocp_uring_silents silents;
    iocp_uring_command commands[IOCP_URING_COMMANDS_MAX];
    struct io_uring_sqe unsubmitted;     /* stands in for an entry once the ring failed */
    struct msghdr gathers[IOCP_URING_GATHERS_MAX];
    struct iovec gather_ranges[IOCP_URING_GATHER_RANGES];
} iocp_uring;

static inline iocp_uring *iocp_uring_of(iocp_driver *driver)
{
    return (iocp_uring *)driver;
}

/* setup.c */

int iocp_uring_open(iocp_driver **driver, const iocp_driver_config *config, iocp_failure *failure);
void iocp_uring_close(iocp_driver *driver);
uint64_t iocp_uring_features(const iocp_driver *driver);

/* ring.c */

/* Opens a ring with the flags of the design, falling back from newer ones by trial. Returns 0 or -errno. */
int iocp_uring_ring_open(struct io_uring *ring, uint32_t sq_entries, uint32_t cq_entries, uint32_t more_flags);
void iocp_uring_ring_close(struct io_uring *ring);
int iocp_uring_buffer_ring_open(struct io_uring *ring, iocp_uring_buffer_ring *buffers, uint16_t group,
                                uint32_t entry_count, uint32_t flags, uint32_t node);

/* io_uring_register_napi(3): a wait polls the queues from which this ring's sockets last received. Returns 0 or -errno. */
int iocp_uring_busy_poll(const struct io_uring *ring, uint32_t timeout_us);

/* The kernel gives the memory of a closed ring back to its user later, by a thread of its own: 20 to 30 ms were measured,
 * after the end of a process, too. Sleeps a little; false once it is `until_ns`. */
bool iocp_uring_wait_for_memory(uint64_t until_ns);

/* Submits what is queued and, when want > 0, waits for that many completions or the timeout; once min_wait_us have
 * passed (0: not used), one is enough.
 * Returns >= 0, or -ETIME, -EINTR, -EBUSY, -EAGAIN; anything else is a failure of the ring, and every wait from there
 * on returns it. */
int iocp_uring_enter(iocp_uring *uring, uint32_t want, uint64_t timeout_ns, uint32_t min_wait_us);
/* Submits only: no completion is made but those that the submission itself brings. */
int iocp_uring_submit(iocp_uring *uring);
/* Shows the kernel the buffers that were provided since. An entry does so, too. */
void iocp_uring_publish_buffers(iocp_uring *uring);

/* A free submission entry, zeroed; enters the kernel when the queue is full. One that is never submitted after the ring
 * failed. */
struct io_uring_sqe *iocp_uring_entry(iocp_uring *uring);
void iocp_uring_arm_wake(iocp_uring *uring);

/* The descriptor of a socket that has one beside the ring: not of a direct one. */
static inline int iocp_uring_socket_fd(const iocp_uring *uring, uint32_t handle)
{
    return uring->sockets.entries[handle].fd;
}

/* A free entry for an operation on a handle. */
static inline struct io_uring_sqe *iocp_uring_handle_entry(iocp_uring *uring, uint8_t operation, uint64_t token, uint32_t handle)
{
    struct io_uring_sqe *entry = iocp_uring_entry(uring);
    entry->opcode = operation;
    entry->flags = uring->direct ? IOSQE_FIXED_FILE : 0;
    entry->fd = uring->direct ? (int32_t)handle : iocp_uring_socket_fd(uring, handle);
    entry->user_data = token;
    return entry;
}

/* lockdown.c */

/* Restricts a ring that was opened disabled to what this driver uses, enables it, and makes sure that a forbidden
 * operation is refused. Returns 0 or -errno and fills failure. */
int iocp_uring_lock_down(iocp_uring *uring, iocp_failure *failure);

/* sockets.c: for a ring without direct descriptors */

int iocp_uring_sockets_open(iocp_uring *uring);
/* After the ring: closes what is held. */
void iocp_uring_sockets_close(iocp_uring *uring);
/* Takes a descriptor over. Returns its handle, or -ENFILE with the descriptor closed. */
int iocp_uring_sockets_hold(iocp_uring *uring, int fd);
/* As close_handle in driver.h. */
void iocp_uring_sockets_end(iocp_uring *uring, uint64_t token, uint32_t handle, bool abort);

/* submit.c */

void iocp_uring_accept(iocp_driver *driver, uint64_t token, int listener, bool many);
int iocp_uring_connect(iocp_driver *driver, uint64_t token, const iocp_endpoint *endpoint, const iocp_endpoint *source,
                       uint32_t *handle);
void iocp_uring_receive(iocp_driver *driver, uint64_t token, uint32_t handle, iocp_buffer_class class);
int iocp_uring_adopt(iocp_driver *driver, uint64_t token, int fd, uint32_t *handle);
void iocp_uring_watch(iocp_driver *driver, uint64_t token, uint32_t handle);
void iocp_uring_send(iocp_driver *driver, uint64_t token, uint32_t handle, const iocp_range *ranges, uint32_t count,
                     iocp_send_mode mode);
void iocp_uring_provide(iocp_driver *driver, uint16_t buffer);

/* closing.c */

void iocp_uring_shutdown(iocp_driver *driver, uint64_t token, uint32_t handle);
void iocp_uring_cancel(iocp_driver *driver, uint64_t token, uint32_t handle);
void iocp_uring_close_handle(iocp_driver *driver, uint64_t token, uint32_t handle, bool abort);

/* gather.c */

/* What an entry waits for: `want` completions, or one once min_wait_us have passed (0: not used). */
typedef struct iocp_uring_threshold {
    uint32_t want;
    uint32_t min_wait_us;
} iocp_uring_threshold;

/* Before an entry: whether the worker has something to do without it. */
void iocp_uring_note_wait(iocp_uring *uring, bool found_work);

/* For an entry that may sleep. send_count: sends in it or before it whose completions are to come. */
iocp_uring_threshold iocp_uring_gather_threshold(const iocp_uring *uring, bool has_task_work, uint32_t send_count);

/* complete.c */

int iocp_uring_wait(iocp_driver *driver, iocp_event *events, uint32_t capacity, uint64_t timeout_ns);

/* silent.c */

/* Makes a prepared send a silent one. Returns false, nothing done, when too many are due. */
bool iocp_uring_silence(iocp_uring *uring, struct io_uring_sqe *entry, uint64_t token, uint32_t count_bytes);
/* After an entry: completion entries of silent sends get the names of their operations; and where the kernel has taken
 * every submission, and hides no completion, those without one are settled. */
void iocp_uring_settle_silents(iocp_uring *uring);
/* Returns how many events were written. */
uint32_t iocp_uring_take_silents(iocp_uring *uring, iocp_event *events, uint32_t capacity);

static inline bool iocp_uring_has_silents(const iocp_uring *uring)
{
    return uring->silents.head != uring->silents.tail;
}

/* command.c */

/* Submits a prepared entry that names no memory, and looks for its completion alone; others stay queued, in order.
 * Returns the entry's result; or -EBUSY while the answer is behind a full completion queue, and -EAGAIN when the kernel
 * is short of memory for requests. After -EBUSY the kernel may have done it. */
int iocp_uring_command_run(iocp_uring *uring, struct io_uring_sqe *entry);

/* rehearsal.c: see rehearse in driver.h. */
int iocp_uring_rehearse(const iocp_driver_rehearsal *rehearsal, iocp_failure *failure);

/* What of a socket is asked. */
typedef struct iocp_uring_question {
    uint32_t command;      /* IOCP_URING_SOCKET_OP_ */
    uint32_t level;        /* of GETSOCKOPT, as in getsockopt(2) */
    uint32_t option;
    uint32_t answer_bytes; /* at most IOCP_URING_ANSWER_BYTES_MAX */
} iocp_uring_question;

/* Asks a socket: a direct descriptor has no fd for getsockopt(2) and ioctl(2). Copies answer_bytes to `answer`. Returns
 * what the command answers: the length of an option, or the value of SIOCOUTQ; -EOPNOTSUPP on kernels without such
 * commands (before 6.7); or as iocp_uring_command_run. */
int iocp_uring_ask(iocp_uring *uring, uint32_t handle, const iocp_uring_question *question, void *answer);

/* Gives a socket an fd beside its direct descriptor; it is the caller's to close. Returns it or -errno: -EOPNOTSUPP before
 * Linux 6.8, -EMFILE, or as iocp_uring_command_run. */
int iocp_uring_install(iocp_uring *uring, uint32_t handle);

/* asking.c */
int iocp_uring_peer(iocp_driver *driver, uint32_t handle, iocp_address *address);
int iocp_uring_get_option(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, void *value,
                          uint32_t *count_bytes);
int iocp_uring_set_option(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, const void *value,
                          uint32_t count_bytes);
int iocp_uring_local(iocp_driver *driver, uint32_t handle, iocp_address *address);
int iocp_uring_unacknowledged(iocp_driver *driver, uint32_t handle);

/* Moves an fd into the direct-descriptor table, which holds it from here on, and closes it; a ring without such a table
 * holds the fd itself. Returns the handle or
 * -errno, as iocp_uring_command_run: a socket that is placed after -EBUSY is closed as soon as that is known. */
int iocp_uring_place(iocp_uring *uring, int fd);

/* The same with an fd that stays open and the caller's, whatever the result: it may be tried again. */
int iocp_uring_place_lent(iocp_uring *uring, int fd);

/* handing.c */
extern const iocp_hand_over_operations iocp_uring_hand_over;

/* The completion of a command whose answer nobody waits for any more. */
void iocp_uring_command_answered_late(iocp_uring *uring, const struct io_uring_cqe *entry);

/* Closes the fds of commands that were never answered. */
void iocp_uring_commands_close(iocp_uring *uring);

#endif
