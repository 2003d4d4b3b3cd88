/* What this machine offers: features found by trial, CPUs and nodes, addresses. */
#ifndef IOCP_SYSTEM_H
#define IOCP_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

/* Which driver stands under a worker. Append only. */
typedef enum iocp_driver_kind : uint8_t {
    IOCP_DRIVER_AUTO = 0,  /* uring where every worker can open its ring, else epoll */
    IOCP_DRIVER_URING = 1,
    IOCP_DRIVER_EPOLL = 2,
    IOCP_DRIVER_SIM = 3,
} iocp_driver_kind;

/* The name of a driver: "auto", "uring", "epoll" or "sim". Static storage. Thread: any. */
const char *iocp_driver_name(iocp_driver_kind kind);

/* The step at which a set-up failed, so that an error can name its likely cause. Append only. */
typedef enum iocp_stage : uint8_t {
    IOCP_STAGE_NONE = 0,
    IOCP_STAGE_CONFIGURATION = 1, /* a bound was broken; `detail` names the field                  */
    IOCP_STAGE_MEMORY = 2,        /* an arena could not be mapped; detail names it                 */
    IOCP_STAGE_RING = 3,          /* io_uring_setup(2) refused                                     */
    IOCP_STAGE_RING_FILES = 4,    /* the direct-descriptor table was refused                       */
    IOCP_STAGE_RING_BUFFERS = 5,  /* the provided-buffer ring was refused                          */
    IOCP_STAGE_RING_LOCKDOWN = 6, /* restrictions were refused, or a denied operation was allowed  */
    IOCP_STAGE_EPOLL = 7,         /* epoll_create1(2) or eventfd(2) refused                        */
    IOCP_STAGE_THREAD = 8,        /* pthread_create(3) or pinning refused                          */
    IOCP_STAGE_STATS = 9,         /* memfd_create(2) or mmap(2) of the stats page refused          */
    IOCP_STAGE_LISTEN = 10,       /* socket(2), bind(2) or listen(2) refused                       */
    IOCP_STAGE_STATE = 11,        /* the call does not fit the port's state (stopped, already open) */
    IOCP_STAGE_BUSY_POLL = 12,    /* NAPI busy polling was refused                                 */
    IOCP_STAGE_LISTEN_UNIX = 13,  /* as LISTEN, for a Unix socket                                  */
} iocp_stage;

typedef struct iocp_failure {
    int code;           /* -errno */
    iocp_stage stage;
    const char *detail; /* static storage; may be NULL */
} iocp_failure;

/* The C name of an error ("EPERM"), or NULL for a number that is none. code may be negative. Thread: any. */
const char *iocp_error_name(int code);

/* Opens the process to its own user again after setuid(2), which closes it to all but root (PR_SET_DUMPABLE, prctl(2)):
 * that user may then read /proc/PID/fd, and with it the stats page, trace the process where the system allows that, and
 * gets core dumps. Returns 0 or -errno. Thread: any. */
int iocp_process_open_to_its_user(void);

/* Features of io_uring found by trial set-up, never by version string. */
typedef struct iocp_capabilities {
    int uring_result;           /* 0, or the -errno with which io_uring_setup(2) was refused */
    bool single_issuer;         /* SINGLE_ISSUER | DEFER_TASKRUN, since 6.1 */
    bool no_sqarray;            /* since 6.6, and a liburing that knows it */
    bool socket_commands;       /* socket options and what is unacknowledged, by ring command, since 6.7 */
    bool incremental_buffers;   /* IOU_PBUF_RING_INC, since 6.12, and its self-test of byte order passed */
    bool min_wait;              /* min-wait timeouts, since 6.12 */
    bool no_iowait;             /* since 6.15 */
    bool silent_sends;          /* a send's success needs no completion, and a short one has one */
    bool fd_install;            /* an fd for a direct descriptor (FIXED_FD_INSTALL), since 6.8 */
    bool prompt_close;          /* a direct descriptor's socket is released by its close, since 6.13; without, connections take
                                 * descriptors of the process */
    int busy_poll_result;       /* 0, or the -errno with which busy polling of a ring was refused (NAPI); since 6.9 */
} iocp_capabilities;

/* Probes once per process and remembers. Thread: any. */
const iocp_capabilities *iocp_capabilities_get(void);

/* Whether waits of the epoll driver end by the nanosecond (epoll_pwait2(2), since Linux 5.11 and glibc 2.35), and otherwise by the
 * millisecond. 0, or the -errno with which a trial was refused. A few system calls. Thread: any. */
int iocp_epoll_try_nanoseconds(void);

/* CPUs this process may run on (affinity and cpuset respected), in ascending order.
 * Writes at most `capacity` CPU numbers; returns how many there are, or -errno. Thread: any. */
int iocp_cpus_allowed(uint32_t *cpus, uint32_t capacity);

/* Leaves of CPUs, in ascending order, the first of each core: of those that are threads of one core (SMT) the others go. Returns
 * how many are left. `root` is put before "/sys/devices/system/cpu": "" for this system. O(count^2). Thread: any. */
uint32_t iocp_cpus_one_per_core(const char *root, uint32_t *cpus, uint32_t count);

/* How many CPUs' worth of time this process' cgroups grant (cpu.max of version 2, cpu.cfs_quota_us of version 1, the
 * least along the path to the root), rounded up and at least 1; 0 where nothing limits it. `root` is put before
 * "/proc/self/cgroup" and "/sys/fs/cgroup": "" for this system. Thread: any. */
uint32_t iocp_cpus_granted(const char *root);

/* The NUMA node of a CPU, or 0 where the machine has one node or no NUMA support. Thread: any. */
uint32_t iocp_cpu_node(uint32_t cpu);

/* How many NUMA nodes the machine has; at least 1. Thread: any. */
uint32_t iocp_node_count(void);

/* A thread that is bound to a worker's CPU gets the CPUs back that it had before its first worker, until the worker's next
 * wait: a thread that it creates meanwhile inherits those (sched_setaffinity(2)). Does nothing on a thread that is not bound.
 * Thread: any; it acts on the calling one. */
void iocp_thread_unbind(void);

/* An IPv4 or IPv6 address and port, in network byte order. */
typedef struct iocp_address {
    uint8_t family_is_v6; /* 0 or 1 */
    uint8_t bytes[16];    /* the first 4 for IPv4 */
    uint16_t port_be;
    uint32_t scope_id;
} iocp_address;

/* As many addresses of one name as are used. */
enum { IOCP_ADDRESSES_MAX = 16 };

/* The first of iocp_addresses_resolve. Returns 0 or -errno. Thread: any. */
int iocp_address_resolve(const char *host, uint16_t port, iocp_address *address);

/* Resolves a numeric address ("fe80::1%eth0" with its scope) or a name (getaddrinfo(3); may block on a resolver) and a
 * port: every address once, in the order of preference (RFC 6724), at most `capacity`. Of a name with addresses of both
 * families only those are told that this machine has.
 * Returns how many; -EINVAL for a host that names nothing; -EAGAIN when the resolver gave no answer, -EIO when its
 * answer was a failure; or -errno. Thread: any. */
int iocp_addresses_resolve(const char *host, uint16_t port, iocp_address *addresses, uint32_t capacity);

enum { IOCP_ADDRESS_TEXT_BYTES = 64 };

/* Writes "1.2.3.4", "::1" or "fe80::1%eth0" (an interface that is gone by its number) and a NUL; capacity at least
 * IOCP_ADDRESS_TEXT_BYTES. Returns 0 or -ENOSPC. Thread: any. */
int iocp_address_format(const iocp_address *address, char *text, uint32_t capacity_bytes);

#endif
