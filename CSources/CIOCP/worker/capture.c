/* Writes down what is said on the connections that are meant, in a ring that one other thread reads. */
#include "capture.h"

#include <stdlib.h>
#include <string.h>

#include "asking.h"

/* Whether a connection is captured. Found at its first bytes. */
typedef enum iocp_verdict : uint8_t {
    VERDICT_NONE = 0,
    VERDICT_CAPTURED = 1,
    VERDICT_OTHER = 2,
} iocp_verdict;

/* Of one slot. */
typedef struct iocp_mark {
    uint64_t generation; /* whose verdict it is */
    uint64_t offsets[2]; /* received, sent */
    iocp_verdict verdict;
} iocp_mark;

struct iocp_capture {
    iocp_job job;
    _Atomic uint32_t holders; /* the maker, and the worker while it has the job or captures */
    _Atomic bool is_left;     /* the maker has released it */
    _Atomic bool is_over;     /* the worker writes no more */
    iocp_capture_query query;

    /* The worker's. */
    iocp_mark *marks;
    uint64_t allowance_bytes;
    uint64_t allowed_ns; /* when it was last raised */

    uint8_t *ring;
    _Alignas(IOCP_CACHE_LINE_BYTES) _Atomic uint64_t head; /* read so far; the reader's */
    _Alignas(IOCP_CACHE_LINE_BYTES) _Atomic uint64_t tail; /* written so far; the worker's */
    _Atomic uint64_t records;
    _Atomic uint64_t dropped_records;
    _Atomic uint64_t dropped_bytes;
    _Atomic uint32_t connections;
};

static void give_back(iocp_capture *capture)
{
    if (atomic_fetch_sub_explicit(&capture->holders, 1, memory_order_acq_rel) != 1)
        return;
    free(capture->marks);
    free(capture->ring);
    free(capture);
}

/* --- the ring --------------------------------------------------------------------------------------------------- */

/* A record that would be cut in two by the ring's end begins at its start instead. What is left of the ring is a gap: 8 bytes or
 * more, of which the first 4 have this mark and how many there are. */
#define GAP_MARK (UINT32_C(1) << 31)

static uint32_t gap_bytes(const iocp_capture *capture, uint64_t tail, uint32_t record_bytes)
{
    const uint32_t left = capture->query.ring_bytes - (uint32_t)(tail & (capture->query.ring_bytes - 1));
    return record_bytes > left ? left : 0;
}

/* The rate is a bucket that a second fills. */
static bool is_within_rate(iocp_capture *capture, uint32_t record_bytes, uint64_t now_ns)
{
    const uint64_t rate = capture->query.bytes_per_second;
    if (rate == 0)
        return true;
    const uint64_t second_ns = 1000000000;
    const uint64_t passed_ns = now_ns > capture->allowed_ns ? now_ns - capture->allowed_ns : 0;
    const uint64_t gained_bytes =
        passed_ns >= second_ns ? rate : (uint64_t)((unsigned __int128)rate * passed_ns / second_ns);
    if (gained_bytes > 0) {
        const uint64_t raised_bytes = capture->allowance_bytes + gained_bytes;
        capture->allowance_bytes = raised_bytes < rate ? raised_bytes : rate;
        capture->allowed_ns = now_ns;
    }
    if (capture->allowance_bytes < record_bytes)
        return false;
    capture->allowance_bytes -= record_bytes;
    return true;
}

static void count_dropped(iocp_capture *capture, uint32_t count_bytes)
{
    atomic_fetch_add_explicit(&capture->dropped_records, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&capture->dropped_bytes, count_bytes, memory_order_relaxed);
}

/* Writes a record and `count_bytes` behind it, or drops it. */
static bool put(iocp_capture *capture, iocp_capture_record record, const void *bytes, uint32_t count_bytes)
{
    const uint64_t head = atomic_load_explicit(&capture->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&capture->tail, memory_order_relaxed);
    record.record_bytes = (uint32_t)(sizeof record + count_bytes + 7) & ~UINT32_C(7);
    const uint32_t gap = gap_bytes(capture, tail, record.record_bytes);
    if (tail - head + gap + record.record_bytes > capture->query.ring_bytes ||
        !is_within_rate(capture, record.record_bytes, record.time_ns)) {
        count_dropped(capture, record.count_bytes);
        return false;
    }
    const uint64_t mask = capture->query.ring_bytes - 1;
    if (gap > 0) {
        const uint32_t marked = gap | GAP_MARK;
        memcpy(capture->ring + (tail & mask), &marked, sizeof marked);
        tail += gap;
    }
    memcpy(capture->ring + (tail & mask), &record, sizeof record);
    if (count_bytes > 0)
        memcpy(capture->ring + (tail & mask) + sizeof record, bytes, count_bytes);
    atomic_store_explicit(&capture->tail, tail + record.record_bytes, memory_order_release);
    atomic_fetch_add_explicit(&capture->records, 1, memory_order_relaxed);
    return true;
}

uint32_t iocp_capture_read(iocp_capture *capture, void *bytes, uint32_t capacity_bytes)
{
    const uint64_t tail = atomic_load_explicit(&capture->tail, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&capture->head, memory_order_relaxed);
    uint32_t count_bytes = 0;
    while (head != tail) {
        const uint8_t *start = capture->ring + (head & (capture->query.ring_bytes - 1));
        uint32_t record_bytes;
        memcpy(&record_bytes, start, sizeof record_bytes);
        if (record_bytes & GAP_MARK) {
            head += record_bytes & ~GAP_MARK;
            continue;
        }
        if (record_bytes > capacity_bytes - count_bytes)
            break;
        memcpy((uint8_t *)bytes + count_bytes, start, record_bytes);
        count_bytes += record_bytes;
        head += record_bytes;
    }
    atomic_store_explicit(&capture->head, head, memory_order_release);
    return count_bytes;
}

/* --- the worker's side ------------------------------------------------------------------------------------------ */

static iocp_capture_record record_of(const iocp_worker *worker, const iocp_slot *slot, iocp_capture_kind kind)
{
    return (iocp_capture_record){
        .connection = iocp_slot_connection(&worker->table, slot), .time_ns = iocp_worker_clock_ns(worker), .kind = kind};
}

static bool has_room_for_one_more(const iocp_capture *capture)
{
    return capture->query.connections_max == 0 ||
           atomic_load_explicit(&capture->connections, memory_order_relaxed) < capture->query.connections_max;
}

/* Whether it is meant; without an answer it is asked again at its next bytes. */
static void judge(iocp_worker *worker, const iocp_slot *slot, iocp_mark *mark)
{
    iocp_capture *capture = worker->capture;
    *mark = (iocp_mark){.generation = iocp_slot_generation(slot)};
    const int meant = iocp_worker_may_ask(slot) && has_room_for_one_more(capture)
                          ? iocp_worker_is_meant(worker, slot, &capture->query.filter)
                          : 0;
    if (meant <= 0) {
        mark->verdict = meant == 0 ? VERDICT_OTHER : VERDICT_NONE;
        return;
    }
    iocp_capture_ends ends = {0};
    ends.result = iocp_worker_ask_addresses(worker, slot, &ends.peer, &ends.local);
    if (iocp_worker_asks_later(ends.result))
        return;
    iocp_capture_record record = record_of(worker, slot, IOCP_CAPTURE_OPENED);
    record.detail = slot->listener;
    if (!put(capture, record, &ends, sizeof ends))
        return;
    mark->verdict = VERDICT_CAPTURED;
    atomic_fetch_add_explicit(&capture->connections, 1, memory_order_relaxed);
}

/* The mark of a connection that is captured, or NULL. */
static iocp_mark *mark_of(iocp_worker *worker, const iocp_slot *slot)
{
    iocp_capture *capture = worker->capture;
    const uint32_t index = iocp_slot_index(&worker->table, slot);
    if (atomic_load_explicit(&capture->is_left, memory_order_relaxed)) {
        iocp_worker_end_capture(worker);
        return NULL;
    }
    iocp_mark *mark = &capture->marks[index];
    if (mark->verdict == VERDICT_NONE || mark->generation != iocp_slot_generation(slot))
        judge(worker, slot, mark);
    return mark->verdict == VERDICT_CAPTURED ? mark : NULL;
}

bool iocp_worker_judge(iocp_worker *worker, const iocp_slot *slot)
{
    return mark_of(worker, slot) != NULL;
}

static void write(iocp_worker *worker, const iocp_slot *slot, iocp_capture_kind kind, const uint8_t *bytes,
                  uint32_t count_bytes)
{
    iocp_mark *mark = mark_of(worker, slot);
    if (mark == NULL)
        return;
    iocp_capture *capture = worker->capture;
    const uint32_t snap_bytes = capture->query.snap_bytes;
    const uint32_t kept_bytes = snap_bytes > 0 && snap_bytes < count_bytes ? snap_bytes : count_bytes;
    uint64_t *offset = &mark->offsets[kind == IOCP_CAPTURE_SENT];
    iocp_capture_record record = record_of(worker, slot, kind);
    for (uint32_t written = 0; written < kept_bytes; written += record.count_bytes) {
        const uint32_t left = kept_bytes - written;
        record.offset = *offset + written;
        record.count_bytes = left < IOCP_CAPTURE_PIECE_BYTES_MAX ? left : IOCP_CAPTURE_PIECE_BYTES_MAX;
        put(capture, record, bytes + written, record.count_bytes);
    }
    *offset += count_bytes;
}

void iocp_worker_write_received(iocp_worker *worker, const iocp_slot *slot, const uint8_t *bytes, uint32_t count_bytes)
{
    write(worker, slot, IOCP_CAPTURE_RECEIVED, bytes, count_bytes);
}

void iocp_worker_write_sent(iocp_worker *worker, const iocp_slot *slot, const uint8_t *bytes, uint32_t count_bytes)
{
    write(worker, slot, IOCP_CAPTURE_SENT, bytes, count_bytes);
}

void iocp_worker_write_draft(iocp_worker *worker, const iocp_slot *slot)
{
    const iocp_send_pool *pool = &worker->pool;
    for (uint32_t index = pool->draft.queue.head; index != IOCP_NODE_NONE; index = pool->nodes[index].next)
        (void)iocp_worker_captured(worker, slot, 0, pool->nodes[index].start, pool->nodes[index].count_bytes);
}

void iocp_worker_write_closed(iocp_worker *worker, const iocp_slot *slot)
{
    iocp_capture *capture = worker->capture;
    iocp_mark *mark = &capture->marks[iocp_slot_index(&worker->table, slot)];
    if (mark->verdict != VERDICT_CAPTURED || mark->generation != iocp_slot_generation(slot))
        return;
    iocp_capture_record record = record_of(worker, slot, IOCP_CAPTURE_CLOSED);
    record.detail = slot->close_reason;
    put(capture, record, NULL, 0);
    *mark = (iocp_mark){0};
}

void iocp_worker_end_capture(iocp_worker *worker)
{
    iocp_capture *capture = worker->capture;
    if (capture == NULL)
        return;
    worker->capture = NULL;
    atomic_store_explicit(&capture->is_over, true, memory_order_release);
    give_back(capture);
}

/* The job's reference becomes the worker's. */
static uint32_t run(iocp_job *job, iocp_worker *worker, uint32_t most, bool *more)
{
    (void)most;
    *more = false;
    iocp_capture *capture = job->context;
    iocp_worker_end_capture(worker);
    capture->marks = calloc(worker->table.slot_count, sizeof *capture->marks);
    worker->capture = capture;
    if (capture->marks == NULL)
        iocp_worker_end_capture(worker);
    return 0;
}

static void release(void *job)
{
    iocp_capture *capture = ((iocp_job *)job)->context;
    atomic_store_explicit(&capture->is_over, true, memory_order_release);
    give_back(capture);
}

/* --- the maker's side ------------------------------------------------------------------------------------------- */

static bool is_valid(const iocp_capture_query *query)
{
    const uint32_t ring_bytes = query->ring_bytes;
    return ring_bytes >= IOCP_CAPTURE_RING_BYTES_MIN && ring_bytes <= IOCP_CAPTURE_RING_BYTES_MAX &&
           (ring_bytes & (ring_bytes - 1)) == 0 && iocp_filter_is_valid(&query->filter);
}

iocp_capture *iocp_capture_create(const iocp_capture_query *query)
{
    if (!is_valid(query))
        return NULL;
    iocp_capture *capture = aligned_alloc(IOCP_CACHE_LINE_BYTES, sizeof *capture);
    if (capture == NULL)
        return NULL;
    memset(capture, 0, sizeof *capture);
    capture->query = *query;
    capture->allowance_bytes = query->bytes_per_second;
    capture->job = (iocp_job){.run = run, .release = release, .context = capture};
    atomic_init(&capture->holders, 1);
    capture->ring = malloc(query->ring_bytes);
    if (capture->ring == NULL) {
        give_back(capture);
        return NULL;
    }
    return capture;
}

iocp_job *iocp_capture_begin(iocp_capture *capture)
{
    atomic_fetch_add_explicit(&capture->holders, 1, memory_order_relaxed);
    return &capture->job;
}

void iocp_capture_cancel(iocp_capture *capture)
{
    give_back(capture);
}

bool iocp_capture_is_over(const iocp_capture *capture)
{
    return atomic_load_explicit(&capture->is_over, memory_order_acquire);
}

iocp_capture_totals iocp_capture_totals_of(const iocp_capture *capture)
{
    return (iocp_capture_totals){
        .records = atomic_load_explicit(&capture->records, memory_order_relaxed),
        .dropped_records = atomic_load_explicit(&capture->dropped_records, memory_order_relaxed),
        .dropped_bytes = atomic_load_explicit(&capture->dropped_bytes, memory_order_relaxed),
        .connections = atomic_load_explicit(&capture->connections, memory_order_relaxed),
    };
}

void iocp_capture_release(iocp_capture *capture)
{
    atomic_store_explicit(&capture->is_left, true, memory_order_relaxed);
    give_back(capture);
}
