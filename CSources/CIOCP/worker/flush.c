/* The flush: free buffers go to the driver, starved receives try again, a portion of the listed slots is serviced. */
#include "flush.h"

#include "admission.h"
#include "service.h"
#include "travel.h"

/* --- receives ----------------------------------------------------------------------------------------------- */

/* How many receives the provided buffers can serve: one each, or as many as fit by what receives bring lately. */
static uint32_t receives_served(const iocp_worker *worker, const iocp_buffer_range *range)
{
    if (worker->operations->whole_buffers)
        return range->provided_count;
    const uint64_t provided_bytes = (uint64_t)range->provided_count * range->buffer_bytes;
    const uint64_t served = provided_bytes / ((uint32_t)worker->receive_mean_bytes + 1);
    return served < range->provided_count ? range->provided_count : (uint32_t)served;
}

/* Whether the driver holds a buffer where the slot's receive looks for one. */
static bool would_be_fed(const iocp_worker *worker, const iocp_slot *slot, iocp_buffer_class class)
{
    return worker->operations->feeds == NULL || worker->operations->feeds(worker->driver, slot->handle, class);
}

static iocp_slot *next_starved(iocp_worker *worker, iocp_buffer_class class)
{
    iocp_slot_fifo *passed_over = &worker->passed_over[class];
    return iocp_slot_fifo_pop(passed_over->count > 0 ? passed_over : &worker->starved[class], &worker->table);
}

/* Returns whether it receives again. */
static bool try_again(iocp_worker *worker, iocp_slot *slot)
{
    slot->receive = IOCP_RECEIVE_NONE;
    iocp_slot_set(slot, IOCP_SLOT_RETRIED);
    if (iocp_slot_receives(slot))
        iocp_worker_service_receive(worker, slot);
    return slot->receive == IOCP_RECEIVE_SUBMITTED;
}

/* Gives the driver free buffers, then lets the starved try again, about as many as will find room and at most
 * `attempts`, in the order in which they ran dry. One receive may take every buffer, so one that tries in vain keeps its
 * place: behind whoever took them, which runs dry in the same turn, some would never have one. Returns the attempts
 * made. */
static uint32_t feed_receives(iocp_worker *worker, iocp_buffer_class class, uint32_t attempts)
{
    int id;
    while ((id = iocp_receive_buffers_provide(&worker->buffers, class)) >= 0)
        worker->operations->provide(worker->driver, (uint16_t)id);

    if (!iocp_worker_has_starved(worker, class))
        return 0;
    const uint32_t served = receives_served(worker, &worker->buffers.classes[class]);
    const uint32_t most = served < attempts ? served : attempts;
    uint32_t made = 0;
    uint32_t left = worker->starved[class].count + worker->passed_over[class].count;
    for (; made < most && left > 0; left--) {
        iocp_slot *slot = next_starved(worker, class);
        if (would_be_fed(worker, slot, class))
            made += try_again(worker, slot);
        else
            iocp_slot_fifo_push(&worker->starved[class], &worker->table, slot);
    }
    worker->starved_remain |= made < served && left > 0;
    return made;
}

/* --- slots -------------------------------------------------------------------------------------------------- */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* How many slots one flush services: at most half of the queue, since one may end a send and a receive at once. */
static uint32_t flush_slots_max(const iocp_worker *worker)
{
    return least(worker->setup.config->completion_queue_entries / 2, IOCP_FLUSH_SLOTS_MAX);
}

/* Closing connections have what traffic leaves of a portion, and at least one slot in this many. So when thousands
 * close at once no reply waits behind them, and under full traffic a close still ends. */
enum { CLOSING_SHARE = 4 };

static uint32_t listed_count(const iocp_service_list *list)
{
    return list->tail - list->head;
}

static void service_first(iocp_worker *worker, iocp_service_list *list)
{
    iocp_slot *slot = &worker->table.slots[list->slots[list->head++ & list->mask]];
    iocp_worker_service(worker, slot);
    iocp_slot_clear(slot, IOCP_SLOT_DIRTY); /* after: a slot that closes is not listed again meanwhile */
}

/* Services at most `most` slots with traffic; returns how many. Servicing lists no other slot. A broadcast to thousands
 * goes out in portions: what comes meanwhile does not wait for all of it, and the completions of one portion never overflow
 * the driver's queue. */
static uint32_t service_traffic(iocp_worker *worker, uint32_t most)
{
    const uint32_t count = least(listed_count(&worker->traffic), most);
    for (uint32_t left = count; left > 0; left--)
        service_first(worker, &worker->traffic);
    return count;
}

static void service_closing(iocp_worker *worker, uint32_t most)
{
    for (uint32_t left = least(listed_count(&worker->closing), most); left > 0 && iocp_worker_may_shut_down(worker); left--)
        service_first(worker, &worker->closing);
}

void iocp_worker_flush(iocp_worker *worker)
{
    uint32_t left = flush_slots_max(worker);
    worker->starved_remain = false;
    if (worker->accepting.held.count > 0)
        iocp_worker_admit_held(worker);
    if (worker->accepting.arrived.first != NULL)
        iocp_worker_settle_arrived(worker);
    if (worker->leaving.count > 0)
        iocp_worker_depart(worker);
    for (int class = 0; class < IOCP_BUFFER_CLASS_COUNT; class++)
        left -= feed_receives(worker, (iocp_buffer_class)class, left / 2);
    const uint32_t for_closing = least(listed_count(&worker->closing), left / CLOSING_SHARE);
    left -= service_traffic(worker, left - for_closing);
    service_closing(worker, left);
    iocp_worker_service_listeners(worker);
}
