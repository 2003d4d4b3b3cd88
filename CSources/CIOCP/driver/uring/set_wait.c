/* One wait for all rings of a set: what each has to do, the sleep of the first, and where clients go that came. */
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "set.h"

/* --- clients ---------------------------------------------------------------------------------------------------- */

int iocp_uring_set_choose(const iocp_uring_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->members[i].uring->handles_held < set->members[i].uring->config.handle_count)
            return (int)i;
    return -ENFILE;
}

/* Places a client whose descriptor is the event's result, which becomes its handle, or why it has none. A client that cannot be
 * placed is gone, with FIN: as one that a ring accepts into a full table. Returns false where it may be tried again: the
 * completion queue of its ring is full, as after thousands of accepts at once, or the kernel is short of memory. */
static bool place_client(iocp_uring_set *set, iocp_event *event)
{
    const int fd = event->result;
    const int chosen = iocp_uring_set_choose(set);
    int placed = chosen;
    if (chosen >= 0)
        placed = iocp_uring_place_lent(set->members[chosen].uring, fd);
    if (placed == -EBUSY || placed == -EAGAIN)
        return false;
    close(fd);
    event->result = placed < 0 ? placed : (int32_t)iocp_uring_set_outer((uint32_t)chosen, (uint32_t)placed);
    return true;
}

static iocp_event *waiting_at(iocp_uring_set *set, uint32_t position)
{
    return &set->waiting[position % IOCP_URING_SET_WAITING_MAX];
}

/* An event of an accept. Returns whether it may be told of now: clients are told of in the order in which they came. */
static bool settle_accept(iocp_uring_set *set, iocp_event *event)
{
    if (event->result >= 0)
        set->members[0].uring->handles_held--; /* it is none of that ring's yet */
    if (set->waiting_head == set->waiting_tail && (event->result < 0 || place_client(set, event)))
        return true;
    if (set->waiting_tail - set->waiting_head == IOCP_URING_SET_WAITING_MAX) {
        /* As many as one accept may bring have been waiting: this one is refused. */
        if (event->result >= 0)
            close(event->result);
        event->result = event->result >= 0 ? -ENOBUFS : event->result;
        return true;
    }
    *waiting_at(set, set->waiting_tail++) = *event;
    return false;
}

/* Tries those that wait again. Returns how many events were written. */
static uint32_t take_waiting(iocp_uring_set *set, iocp_event *events, uint32_t capacity)
{
    uint32_t count = 0;
    for (; count < capacity && set->waiting_head != set->waiting_tail; set->waiting_head++) {
        iocp_event *event = waiting_at(set, set->waiting_head);
        if (event->result >= 0 && !place_client(set, event))
            break;
        events[count++] = *event;
    }
    return count;
}

/* --- the wait ----------------------------------------------------------------------------------------------------- */

static bool has_work(const iocp_uring *uring)
{
    const struct io_uring *ring = &uring->ring;
    return ring->sq.sqe_tail != io_uring_smp_load_acquire(ring->sq.khead) || io_uring_cq_ready(ring) > 0 ||
           (IO_URING_READ_ONCE(*ring->sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0 ||
           iocp_uring_has_silents(uring);
}

/* Returns how many of the events are to be told of now; they stand first, in their order. */
static uint32_t settle(iocp_uring_set *set, iocp_uring_member *member, iocp_event *events, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (events[i].flags & IOCP_EVENT_BUFFER_DONE)
            member->held[iocp_receive_buffers_class(set->config->buffers, events[i].buffer)]--;
        if (iocp_token_operation(events[i].token) != IOCP_OPERATION_ACCEPT || settle_accept(set, &events[i]))
            events[kept++] = events[i];
    }
    return kept;
}

/* As the wait of one driver; a signal brings no events, and is noted. */
static int wait_for(iocp_uring_set *set, uint32_t index, iocp_event *events, uint32_t capacity, uint64_t timeout_ns)
{
    iocp_uring_member *member = &set->members[index];
    const int count = iocp_uring_wait((iocp_driver *)member->uring, events, capacity, timeout_ns);
    if (count == -EINTR) {
        set->interrupted = true;
        return 0;
    }
    return count > 0 ? (int)settle(set, member, events, (uint32_t)count) : count;
}

/* Every ring but the first: submits what it has, and takes what came. Returns how many events there are now, or -errno of a
 * ring that failed. */
static int look_at_others(iocp_uring_set *set, iocp_event *events, uint32_t count, uint32_t capacity)
{
    for (uint32_t i = 0; i + 1 < set->count && count < capacity; i++) {
        const uint32_t index = 1 + (set->next + i) % (set->count - 1);
        iocp_uring *uring = set->members[index].uring;
        if (!has_work(uring)) {
            iocp_uring_publish_buffers(uring);
            continue;
        }
        const int more = wait_for(set, index, events + count, capacity - count, 0);
        if (more < 0)
            return more;
        count += (uint32_t)more;
        if (count == capacity)
            set->next = index - 1; /* it may have more */
    }
    return (int)count;
}

static void tell_of_completions(iocp_uring_set *set, bool tells)
{
    for (uint32_t i = 1; i < set->count; i++)
        (void)io_uring_cq_eventfd_toggle(&set->members[i].uring->ring, tells);
}

static bool others_have_work(const iocp_uring_set *set)
{
    for (uint32_t i = 1; i < set->count; i++)
        if (has_work(set->members[i].uring))
            return true;
    return false;
}

/* The first ring sleeps for all. */
static int sleep_in_first(iocp_uring_set *set, iocp_event *events, uint32_t capacity, uint64_t timeout_ns)
{
    tell_of_completions(set, true);
    /* Pairs with the kernel's: it sets a ring's flag, and then looks whether it is to tell. So either it tells, or the flag
     * is seen here. */
    atomic_thread_fence(memory_order_seq_cst);
    if (others_have_work(set))
        timeout_ns = 0;
    const int count = wait_for(set, 0, events, capacity, timeout_ns);
    tell_of_completions(set, false);
    return count;
}

/* Returns how many events there are, or -errno of a ring that failed. */
static int wait_for_all(iocp_uring_set *set, iocp_event *events, uint32_t capacity, uint64_t timeout_ns)
{
    uint32_t found = take_waiting(set, events, capacity);
    if (set->waiting_head != set->waiting_tail && timeout_ns > IOCP_URING_SET_RETRY_NS)
        timeout_ns = IOCP_URING_SET_RETRY_NS;
    /* The first ring has its turn, however much the others bring. */
    if (set->first_due && found < capacity) {
        const int more = wait_for(set, 0, events + found, capacity - found, 0);
        if (more < 0)
            return more;
        found += (uint32_t)more;
    }
    const int count = look_at_others(set, events, found, capacity);
    set->first_due = count >= 0 && (uint32_t)count == capacity;
    if (count < 0 || set->first_due)
        return count;
    const bool sleeps = count == 0 && timeout_ns > 0;
    const int first = sleeps ? sleep_in_first(set, events, capacity, timeout_ns)
                             : wait_for(set, 0, events + count, capacity - (uint32_t)count, 0);
    if (first < 0)
        return first;
    return sleeps ? look_at_others(set, events, (uint32_t)first, capacity) : count + first;
}

int iocp_uring_set_wait(iocp_driver *driver, iocp_event *events, uint32_t capacity, uint64_t timeout_ns)
{
    iocp_uring_set *set = iocp_uring_set_of(driver);
    set->interrupted = false;
    const int count = wait_for_all(set, events, capacity, timeout_ns);
    return count == 0 && set->interrupted ? -EINTR : count;
}
