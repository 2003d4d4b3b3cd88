/* The io_uring driver from the inside: one ring, owned by one thread.
 *
 *   setup.c     opening: ring, direct descriptors, buffer rings, wake-up
 *   submit.c    intents become submission entries
 *   complete.c  entering the kernel; completion entries become events
 *   silent.c    sends whose success has no completion entry
 *   command.c   questions answered at once: a socket's peer, placing a socket in the table
 *   lockdown.c  restricting the ring to what is used
 *   probe.c     what this kernel can do, by trial */
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
    IOCP_URING_SOCKET_OP_GETSOCKOPT = 2,     /* 6.7 */
    IOCP_URING_REGISTER_NAPI = 27,           /* 6.9 */
};

enum {
    IOCP_URING_SQ_ENTRIES = 1024,
    IOCP_URING_GATHERS_MAX = 256,      /* gathered sends between two submissions */
    IOCP_URING_GATHER_RANGES = 4096,   /* and ranges in them */
    IOCP_URING_SILENT_MAX = 512,       /* silent sends whose events are due; a power of two */
};

_Static_assert(sizeof(struct iovec) == sizeof(iocp_range), "ranges are passed to the kernel as iovecs");
_Static_assert(offsetof(struct iovec, iov_base) == offsetof(iocp_range, start), "ranges are iovecs");
_Static_assert(offsetof(struct iovec, iov_len) == offsetof(iocp_range, count_bytes), "ranges are iovecs");

/* What a driver's own completions are about, in the slot field of their token. */
typedef enum iocp_uring_own : uint32_t {
    IOCP_URING_OWN_WAKE = 1,
    IOCP_URING_OWN_COMMAND = 2, /* awaited at once by command.c */
    IOCP_URING_OWN_IGNORED = 3,
    IOCP_URING_OWN_SILENT = 4,  /* a silent send that failed or was short; the generation says which */
} iocp_uring_own;

static inline uint64_t iocp_uring_own_token(iocp_uring_own own)
{
    return iocp_token_make(IOCP_OPERATION_DRIVER, 0, own, 0);
}

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

typedef struct iocp_uring {
    struct io_uring ring;
    iocp_driver_config config;
    bool incremental;
    bool ring_open;
    bool min_wait;
    uint32_t enter_flags;                /* of every entry */
    uint32_t handles_held;
    uint32_t busyness;                   /* up with each wait that found work, down with each other */
    uint32_t inline_count;               /* prepared sends that end within their submission, and say so */
    uint32_t gather_count;
    uint32_t gather_range_count;
    uint32_t *consumed_bytes;            /* per buffer: where the next receive into it starts */
    uint64_t wake_value;
    struct sockaddr_storage connect_address; /* of the one connect prepared: placing the next one's socket submits it */
    iocp_uring_buffer_ring buffer_rings[IOCP_BUFFER_CLASS_COUNT];
    iocp_uring_silents silents;
    struct msghdr gathers[IOCP_URING_GATHERS_MAX];
    struct iovec gather_ranges[IOCP_URING_GATHER_RANGES];
} iocp_uring;

static inline iocp_uring *iocp_uring_of(iocp_driver *driver)
{
    return (iocp_uring *)driver;
}

/* setup.c */

/* Opens a ring with the flags of the design, falling back from newer ones by trial. Returns 0 or -errno. */
int iocp_uring_ring_open(struct io_uring *ring, uint32_t sq_entries, uint32_t cq_entries, uint32_t more_flags);
int iocp_uring_buffer_ring_open(struct io_uring *ring, iocp_uring_buffer_ring *buffers, uint16_t group,
                                uint32_t entry_count, uint32_t flags, uint32_t node);

/* lockdown.c */

/* Restricts a ring that was opened disabled to what this driver uses, enables it, and makes sure that a forbidden
 * operation is refused. Returns 0 or -errno and fills failure. */
int iocp_uring_lock_down(iocp_uring *uring, iocp_failure *failure);

/* submit.c */

/* A free submission entry, zeroed; enters the kernel when the queue is full. */
struct io_uring_sqe *iocp_uring_entry(iocp_uring *uring);
void iocp_uring_arm_wake(iocp_uring *uring);

void iocp_uring_accept(iocp_driver *driver, uint64_t token, int listener, bool many);
int iocp_uring_connect(iocp_driver *driver, uint64_t token, const iocp_address *address, const iocp_address *source,
                       uint32_t *handle);
void iocp_uring_receive(iocp_driver *driver, uint64_t token, uint32_t handle, iocp_buffer_class class);
void iocp_uring_send(iocp_driver *driver, uint64_t token, uint32_t handle, const iocp_range *ranges, uint32_t count,
                     iocp_send_mode mode);
void iocp_uring_shutdown(iocp_driver *driver, uint64_t token, uint32_t handle);
void iocp_uring_cancel(iocp_driver *driver, uint64_t token, uint32_t handle);
void iocp_uring_close_handle(iocp_driver *driver, uint64_t token, uint32_t handle, bool abort);
void iocp_uring_provide(iocp_driver *driver, uint16_t buffer);

/* complete.c */

/* Submits what is queued and, when want > 0, waits for that many completions or the timeout; once min_wait_us have
 * passed (0: not used), one is enough.
 * Returns >= 0, or -ETIME, -EINTR, -EBUSY, -EAGAIN; anything else cannot be survived and aborts. */
int iocp_uring_enter(iocp_uring *uring, uint32_t want, uint64_t timeout_ns, uint32_t min_wait_us);
/* Submits only: no completion is made but those that the submission itself brings. */
int iocp_uring_submit(iocp_uring *uring);
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

/* Submits the prepared entry and waits for its completion alone; others stay queued, in order. Returns its result;
 * or, nothing done, -EBUSY when the completion queue may be too full for the answer, and -EAGAIN when the kernel is
 * short of memory for requests. */
int iocp_uring_command(iocp_uring *uring, struct io_uring_sqe *entry);
int iocp_uring_peer(iocp_driver *driver, uint32_t handle, iocp_address *address);
/* Moves an fd into the direct-descriptor table and closes it. Returns the handle or -errno. */
int iocp_uring_place(iocp_uring *uring, int fd);

#endif
