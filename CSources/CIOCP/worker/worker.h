/* A worker: its memory, its lists, and what every file of this folder may ask of it. Everything here runs on the
 * worker's own thread unless it says otherwise.
 *
 * The files, from the top. Each calls those below it, and none above: a test says so.
 *
 *   loop.c        wait: flush, driver wait, posts, events, deadlines
 *   sends.c       the application's sends on one connection;  terms.c  its calls that change the terms
 *   sealing.c     sends of connections with a layer
 *   requests.c    its other calls;  inquiries.c  what a socket is asked and told
 *   worker.c      opening, closing, what it holds
 *   failure.c     the end of a worker whose driver failed
 *   flush.c       which slots are serviced now, and which starved receives try again
 *   service.c     what a slot needs now: receive, send, FIN, cancel, close
 *   letters.c     what comes out of the mailbox;  jobs.c  work that other threads gave the worker to do itself
 *   survey.c      an administrator's question as a job;  looking.c  which connections it is about
 *   events.c      one driver event: which slot, which change of state, which completion
 *   listeners.c   accepting, backing off
 *   admission.c   limits at the door, and clients that another worker handed over
 *   handing.c     clients that go to workers with fewer;  posting.c  letters to another worker
 *   opening.c     what arrives on connections with a layer
 *   stopping.c    the end of a worker: posts, STOPPING, closes
 *   squeeze.c     what connections behind full sockets may hold, and which of them ends
 *   expiry.c      a deadline is due: does its connection go on?
 *   pressure.c    what unsent bytes cause
 *   life.c        the life of a connection: take, open, begin to close, fail, release
 *   capture.c     what is said on connections, for a reader;  asking.c  what an administrator's questions ask of sockets
 *   layers.c      the layer of a connection: it begins, writes, finishes and ends
 *   timers.c      user timers
 *   outbox.c      what is owed to the application
 *   sent.c        what a send counts for;  reserve.h  who may use the reserve of send memory
 *   refusing.h    a send is refused: why, and when its sender may try again
 *   stalled.c     the list of connections behind full sockets
 *   windows.c     when a connection's deadline is due
 *   mailbox.c     posts
 *   listener_members.c, listener_set.c, listener_sockets.c  the port's listening sockets, which workers join and leave
 *   listener_backlogs.c  what waits in their backlogs
 *   offloads.c    what is handed to the port's pool, and what comes back of it
 *   owner.c       which thread may call */
#ifndef IOCP_WORKER_WORKER_H
#define IOCP_WORKER_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/chain.h"
#include "../base/check.h"
#include "../base/lifetime.h"
#include "../connection/deadlines.h"
#include "../connection/slot.h"
#include "../connection/slot_list.h"
#include "../driver/driver.h"
#include "../include/iocp_worker.h"
#include "../offload/pool.h"
#include "../stats/page.h"
#include "../system/thread.h"
#include "../system/topology.h"
#include "balancing.h"
#include "handing.h"
#include "jobs.h"
#include "listeners.h"
#include "mailbox.h"
#include "owner.h"
#include "residence.h"
#include "timers.h"

/* What the port shares with its workers. */
typedef struct iocp_worker_setup {
    iocp_port *port;
    struct iocp_worker *workers; /* all of the port's */
    iocp_lifetime *lifetime; /* of the port, and so of this worker; NULL without a port */
    const iocp_port_config *config;
    const iocp_driver_operations *driver;
    iocp_stats_cell *stats;
    iocp_listener_set *listeners;
    iocp_address_counts *addresses;
    iocp_offload_pool *offload;         /* NULL without a port */
    const _Atomic uint64_t *stop_at_ns; /* 0: running; else when the drain ends, monotonic */
    bool rehearsed;                     /* the driver was, by this port */
    uint32_t index;
    uint32_t cpu; /* UINT32_MAX: not pinned */
    uint32_t node;
    int wake_fd;
} iocp_worker_setup;

/* Completions that found the application's array full; handed out first at the next wait. */
typedef struct iocp_spill {
    iocp_arena arena;
    iocp_completion *records;
    uint32_t mask;
    uint32_t head;
    uint32_t tail;
} iocp_spill;

/* Slots that need service, in the order in which they were listed. */
typedef struct iocp_service_list {
    iocp_arena arena;
    uint32_t *slots;
    uint32_t mask;
    uint32_t head;
    uint32_t tail;
} iocp_service_list;

/* Slots whose layers are not open, and have something to open: a FIFO through iocp_slot_terms.next_turn. */
typedef struct iocp_layer_turns {
    uint32_t head;
    uint32_t tail;
    uint32_t left; /* steps that this turn of the loop may still take */
} iocp_layer_turns;

/* How far a worker is on its way to its end. Each state follows the one before it. */
typedef enum iocp_stop : uint8_t {
    IOCP_STOP_NONE = 0,       /* running */
    IOCP_STOP_DELIVERING = 1, /* accepts no more; what was posted before the stop is handed out first */
    IOCP_STOP_SAID = 2,       /* STOPPING was handed out; the application answers before the next wait */
    IOCP_STOP_CLOSING = 3,    /* connections close, and are aborted when the drain is over */
} iocp_stop;

struct iocp_worker {
    _Atomic uint64_t owner; /* the number of the thread that opened it, or IOCP_OWNER_NONE */

    /* the loop */
    const iocp_driver_operations *operations;
    iocp_driver *driver;
    iocp_stats_cell *stats;
    uint64_t now_ns;
    uint64_t entered_ns;      /* when the application called the wait at hand */
    uint64_t turn_began_ns;   /* 0: the latest wait handed out nothing */
    uint64_t cpu_time_due_ns; /* when CPU time is asked for again */
    uint64_t library_from_ns; /* since when the library has the thread, within a wait */
    uint32_t wait_count;      /* of waits that the application called; wraps */
    iocp_turn_watch watch;
    struct iocp_capture *capture; /* NULL: what is said is not written down */
    iocp_completion *out; /* the application's array, during a wait */
    uint32_t out_capacity;
    uint32_t out_count;
    uint32_t event_next;
    uint32_t event_count;
    int32_t receive_mean_bytes; /* how much a receive brings, lately */
    uint64_t unsent_bytes;      /* of all connections */
    uint64_t stalled_bytes;     /* of those behind full sockets */
    uint64_t leave_at_ns;       /* as the port's stop_at_ns, for this worker alone */
    iocp_job_list jobs;         /* not done */
    uint64_t posts_due;         /* where the mailbox ended when the stop was seen */
    uint32_t shutdown_count;    /* shutdowns with the driver */
    bool spins;                 /* the last sleep or spin ended soon: look again before sleeping */
    bool sealing;               /* a layer seals a send, for which there is room */
    bool starved_remain;        /* the latest flush had buffers for more of the starved, and no room */
    int32_t failure;            /* 0, or the -errno that the driver failed with: it is closed */
    iocp_stop stop;
    bool finished; /* wait has nothing more to deliver, ever */

    iocp_send_marks marks; /* the configured ones; some connections have their own */
    iocp_timeouts timeouts;     /* likewise */
    bool counts_idle;           /* some connection has an idle timeout */
    iocp_slot_table table;
    iocp_send_pool pool;
    iocp_send_chunks chunks;
    iocp_receive_buffers buffers;
    iocp_slot_fifo starved[IOCP_BUFFER_CLASS_COUNT];     /* found no buffer */
    iocp_slot_fifo passed_over[IOCP_BUFFER_CLASS_COUNT]; /* tried again in vain: before those */
    iocp_service_list traffic; /* open connections to service; a slot stands in one list, once */
    iocp_service_list closing; /* and those that close, or are to send FIN */
    iocp_slot_list stalled;    /* behind full sockets (IOCP_SLOT_STALLED); the longest without progress first */
    iocp_layer_turns turns;
    iocp_spill spill;
    iocp_deadlines deadlines;
    iocp_worker_listeners accepting;
    iocp_timers timers;
    iocp_balancer balancer;
    iocp_residence residence;
    iocp_slot_fifo resting;  /* LEAVING is due */
    iocp_slot_fifo leaving;  /* told LEAVING, and still here */
    uint32_t travel_count;   /* connections of this home that moved, or are to */
    iocp_links late;         /* letters of moves that are over, the oldest first */
    iocp_event events[IOCP_DRIVER_EVENTS_MAX];

    iocp_worker_setup setup;
    bool open;
    iocp_offload_inbox offloads; /* outlives it, too: of work that runs on */
    iocp_parcel *parcels; /* what it hands over; NULL: it never does */
    uint32_t parcel_next;
    iocp_mailbox mailbox; /* these outlive the worker's open time: others post to it, */
    iocp_door door;       /* and look at it */
    iocp_chain dispatches; /* what other workers send it */
    _Alignas(IOCP_CACHE_LINE_BYTES) _Atomic uint32_t letters_out; /* of connections of this home: passed on or held, and not opened */
};

/* What other threads write, or read often, shares no line with what the owner works on: the rest of the worker lies before. */
#define IOCP_HAS_OWN_LINES(member)                                                                                    \
    _Static_assert(offsetof(struct iocp_worker, member) % IOCP_CACHE_LINE_BYTES == 0, #member " begins a cache line")
IOCP_HAS_OWN_LINES(offloads);
IOCP_HAS_OWN_LINES(mailbox);
IOCP_HAS_OWN_LINES(door);
IOCP_HAS_OWN_LINES(dispatches);
IOCP_HAS_OWN_LINES(letters_out);
_Static_assert(sizeof(iocp_door) == IOCP_CACHE_LINE_BYTES, "a look at a worker's door is one line");
_Static_assert(sizeof(struct iocp_worker) % IOCP_CACHE_LINE_BYTES == 0, "workers of a port share no line");
_Static_assert(sizeof(iocp_stats_cell) % IOCP_CACHE_LINE_BYTES == 0, "nor do their counters");

/* --- who may call --------------------------------------------------------------------------------------------- */

/* Whether the calling thread owns the worker, and so may call it. False, too, once the worker is closed. */
static inline bool iocp_worker_is_mine(const iocp_worker *worker)
{
    return __builtin_expect(atomic_load_explicit(&worker->owner, memory_order_relaxed) == iocp_thread_number, 1);
}

/* Whether another thread than the calling one owns it. */
static inline bool iocp_worker_is_foreign(const iocp_worker *worker)
{
    const uint64_t owner = atomic_load_explicit(&worker->owner, memory_order_relaxed);
    return owner != IOCP_OWNER_NONE && owner != iocp_thread_number;
}

/* --- posting.c ----------------------------------------------------------------------------------------------- */

/* Ends a sleep. Thread: any; async-signal-safe. */
void iocp_worker_wake(const iocp_worker *worker);

/* --- worker.c ------------------------------------------------------------------------------------------------ */

/* How many small receive buffers a worker has, with the driver that is given. */
uint32_t iocp_worker_small_buffer_count(const iocp_port_config *config, const iocp_driver_operations *operations);

/* Opens on the calling thread, which becomes the owner. Returns 0 or -errno and fills failure. */
int iocp_worker_open(iocp_worker *worker, iocp_failure *failure);

/* Gives back a lease that its worker's owner does not give back while open: the worker may be closed, and else it is a
 * programmer error that traps. Thread: any. */
void iocp_worker_lease_late(iocp_worker *worker, uint16_t lease);

/* Whether the application was told: from then on nothing begins that would be ended at once. */
static inline bool iocp_worker_said_stopping(const iocp_worker *worker)
{
    return worker->stop >= IOCP_STOP_SAID;
}

/* --- time and terms ------------------------------------------------------------------------------------------ */

/* The driver's clock: the monotonic one, or a simulated kernel's. */
static inline uint64_t iocp_worker_clock_ns(const iocp_worker *worker)
{
    return worker->operations->now_ns != NULL ? worker->operations->now_ns(worker->driver) : iocp_clock_ns();
}

/* The wheel's entries: slots, then listeners, then user timers. */
static inline uint32_t iocp_worker_first_listener_deadline(const iocp_worker *worker)
{
    return worker->table.slot_count;
}

static inline uint32_t iocp_worker_first_timer_deadline(const iocp_worker *worker)
{
    return worker->table.slot_count + IOCP_LISTENERS_MAX;
}

static inline const iocp_send_marks *iocp_worker_marks(const iocp_worker *worker, const iocp_slot *slot)
{
    return slot->flags & IOCP_SLOT_OWN_MARKS ? &iocp_slot_terms_of(&worker->table, slot)->marks : &worker->marks;
}

static inline const iocp_timeouts *iocp_worker_timeouts(const iocp_worker *worker, const iocp_slot *slot)
{
    return slot->flags & IOCP_SLOT_OWN_TIMEOUTS ? &iocp_slot_terms_of(&worker->table, slot)->timeouts : &worker->timeouts;
}

/* Room in the application's array for whatever one more letter, event or deadline may become. */
static inline bool iocp_worker_has_room(const iocp_worker *worker)
{
    return worker->out_count + IOCP_COMPLETIONS_PER_EVENT_MAX <= worker->out_capacity;
}

/* --- lists --------------------------------------------------------------------------------------------------- */

/* Lists a slot for service at the next flush. */
static inline void iocp_worker_touch(iocp_worker *worker, iocp_slot *slot)
{
    if (slot->flags & IOCP_SLOT_DIRTY)
        return;
    iocp_slot_set(slot, IOCP_SLOT_DIRTY);
    const bool finishes = slot->state != IOCP_SLOT_OPEN || slot->finish == IOCP_FINISH_WANTED;
    iocp_service_list *list = finishes ? &worker->closing : &worker->traffic;
    list->slots[list->tail++ & list->mask] = iocp_slot_index(&worker->table, slot);
}

/* The buffers that a slot receives into. */
static inline iocp_buffer_class iocp_worker_buffer_class(const iocp_worker *worker, const iocp_slot *slot)
{
    const bool large = !worker->operations->whole_buffers || slot->buffers == IOCP_BUFFERS_LARGE;
    return large ? IOCP_BUFFER_LARGE : IOCP_BUFFER_SMALL;
}

/* The list that a starved slot stands in, or is to. */
static inline iocp_slot_fifo *iocp_worker_starved(iocp_worker *worker, const iocp_slot *slot)
{
    const iocp_buffer_class class = iocp_worker_buffer_class(worker, slot);
    return slot->flags & IOCP_SLOT_RETRIED ? &worker->passed_over[class] : &worker->starved[class];
}

/* Whether the driver may have one more shutdown. The kernel hands each to a thread of its own, which runs on the
 * worker's CPU: with 18,000 of them at once, live connections waited for 73 ms. */
static inline bool iocp_worker_may_shut_down(const iocp_worker *worker)
{
    return worker->shutdown_count < IOCP_SHUTDOWNS_MAX;
}

/* Closing connections wait for the end of a shutdown while there are as many as there may be. */
static inline bool iocp_worker_has_dirty(const iocp_worker *worker)
{
    return worker->traffic.head != worker->traffic.tail ||
           (worker->closing.head != worker->closing.tail && iocp_worker_may_shut_down(worker));
}

/* Whether one flush left something for the next. */
static inline bool iocp_worker_flush_incomplete(const iocp_worker *worker)
{
    return iocp_worker_has_dirty(worker) || worker->starved_remain;
}

static inline bool iocp_worker_has_starved(const iocp_worker *worker, iocp_buffer_class class)
{
    return worker->starved[class].count + worker->passed_over[class].count > 0;
}

#endif
