/* Looks at the connections of a worker, slice by slice: which come first, and then what their sockets say. */
#include <errno.h>
#include <stdlib.h>

#include "asking.h"
#include "life.h"
#include "lookup.h"
#include "survey.h"

enum {
    SLOTS_PER_SLICE = 256, /* looked at: some 10 us */
    ASKS_PER_SLICE = 8,    /* sockets that are asked, for a few microseconds each */
    TRIES_MAX = 8,         /* slices in which a socket cannot be asked, before it is passed over */
};

/* --- candidates ------------------------------------------------------------------------------------------------ */

static void swap(iocp_candidate *one, iocp_candidate *other)
{
    const iocp_candidate kept = *one;
    *one = *other;
    *other = kept;
}

static void sift_up(iocp_candidate *heap, uint32_t place)
{
    for (uint32_t above; place > 0 && heap[above = (place - 1) / 2].rank > heap[place].rank; place = above)
        swap(&heap[above], &heap[place]);
}

static void sift_down(iocp_candidate *heap, uint32_t count)
{
    for (uint32_t place = 0;;) {
        uint32_t least = place;
        for (uint32_t below = 2 * place + 1; below <= 2 * place + 2 && below < count; below++)
            if (heap[below].rank < heap[least].rank)
                least = below;
        if (least == place)
            return;
        swap(&heap[place], &heap[least]);
        place = least;
    }
}

static void consider(iocp_survey *survey, iocp_token connection, uint64_t rank)
{
    if (survey->candidate_count < survey->query.limit) {
        survey->candidates[survey->candidate_count] = (iocp_candidate){.rank = rank, .connection = connection};
        sift_up(survey->candidates, survey->candidate_count++);
    } else if (rank > survey->candidates[0].rank) {
        survey->candidates[0] = (iocp_candidate){.rank = rank, .connection = connection};
        sift_down(survey->candidates, survey->candidate_count);
    }
}

static int compare(const void *one, const void *other)
{
    const uint64_t a = ((const iocp_candidate *)one)->rank;
    const uint64_t b = ((const iocp_candidate *)other)->rank;
    return a < b ? 1 : a > b ? -1 : 0;
}

/* --- ranks ------------------------------------------------------------------------------------------------------ */

static uint64_t moved_bytes(const iocp_slot *slot)
{
    return slot->received_bytes + slot->sent_bytes - iocp_slot_uncertain_bytes(slot);
}

/* Since the sample. One that opened later has moved all it has since then. */
static uint64_t moved_since_sample(const iocp_survey *survey, const iocp_worker *worker, const iocp_slot *slot)
{
    const uint32_t index = iocp_slot_index(&worker->table, slot);
    const bool known = index < survey->sample_count && survey->samples[index].generation == iocp_slot_generation(slot);
    const uint64_t before_bytes = known ? survey->samples[index].moved_bytes : 0;
    const uint64_t now_bytes = moved_bytes(slot);
    return now_bytes > before_bytes ? now_bytes - before_bytes : 0;
}

static bool asks_info(iocp_survey_order order)
{
    return order == IOCP_SURVEY_ROUND_TRIP || order == IOCP_SURVEY_RETRANSMITS;
}

/* Times count from the end of time, so that workers that answer at different times agree. Returns 1 with a rank, 0 for a
 * connection that has none in this order; or -EBUSY, -EAGAIN. */
static int rank_of(const iocp_survey *survey, iocp_worker *worker, const iocp_slot *slot, uint64_t *rank)
{
    iocp_connection_info info = {0};
    if (asks_info(survey->query.order)) {
        const int result = iocp_worker_ask_info(worker, slot, &info);
        if (result < 0)
            return iocp_worker_asks_later(result) ? result : 0;
    }
    switch (survey->query.order) {
    case IOCP_SURVEY_BUSY:
        *rank = moved_since_sample(survey, worker, slot);
        return 1;
    case IOCP_SURVEY_UNSENT:
        *rank = slot->queue.unsent_bytes;
        return 1;
    case IOCP_SURVEY_SLOW:
        *rank = UINT64_MAX - slot->sent_ns;
        return (slot->flags & IOCP_SLOT_STALLED) != 0;
    case IOCP_SURVEY_IDLE:
        *rank = UINT64_MAX - slot->received_ns;
        return 1;
    case IOCP_SURVEY_OLD:
        *rank = UINT64_MAX - slot->opened_ns;
        return 1;
    case IOCP_SURVEY_ROUND_TRIP:
        *rank = info.round_trip_us;
        return 1;
    case IOCP_SURVEY_RETRANSMITS:
        *rank = info.retransmitted_segments;
        return 1;
    }
    return 0;
}

/* --- entries ---------------------------------------------------------------------------------------------------- */

/* Returns 0, or -EBUSY, -EAGAIN: its socket could not be asked now. */
static int tell(iocp_survey *survey, iocp_worker *worker, const iocp_slot *slot, uint64_t rank)
{
    iocp_survey_entry *entry = &survey->entries[survey->entry_count];
    *entry = (iocp_survey_entry){
        .connection = iocp_slot_connection(&worker->table, slot),
        .rank = rank,
        .key = slot->key,
        .opened_ns = slot->opened_ns,
        .received_ns = slot->received_ns,
        .sent_ns = slot->flags & IOCP_SLOT_STALLED ? slot->sent_ns : 0,
        .received_bytes = slot->received_bytes,
        .sent_bytes = slot->sent_bytes - iocp_slot_uncertain_bytes(slot),
        .moved_bytes = survey->samples != NULL ? moved_since_sample(survey, worker, slot) : 0,
        .unsent_bytes = slot->queue.unsent_bytes,
        .listener = slot->listener,
        .is_closing = slot->state != IOCP_SLOT_OPEN,
        .is_held_back = iocp_slot_is_held_back(slot),
        .is_stalled = slot->flags & IOCP_SLOT_STALLED,
        .is_layered = slot->layer != IOCP_LAYER_NONE,
    };
    entry->address_result = (int16_t)iocp_worker_ask_addresses(worker, slot, &entry->peer, &entry->local);
    entry->info_result = (int16_t)iocp_worker_ask_info(worker, slot, &entry->info);
    const bool later = iocp_worker_asks_later(entry->address_result) || iocp_worker_asks_later(entry->info_result);
    if (later && survey->tries < TRIES_MAX)
        return -EAGAIN;
    survey->entry_count++;
    return 0;
}

/* --- slices ----------------------------------------------------------------------------------------------------- */

/* Whether the next slice is to try the same again: a socket could not be asked now. */
static bool tries_again(iocp_survey *survey, int result)
{
    const bool again = result < 0 && survey->tries < TRIES_MAX;
    survey->tries = again ? survey->tries + 1 : 0;
    return again;
}

int iocp_survey_make_samples(iocp_survey *survey, const iocp_worker *worker)
{
    free(survey->samples);
    survey->sample_count = worker->table.untouched;
    survey->samples = calloc(survey->sample_count > 0 ? survey->sample_count : 1, sizeof *survey->samples);
    return survey->samples == NULL ? -ENOMEM : 0;
}

static void sample(iocp_survey *survey, iocp_worker *worker)
{
    const uint32_t end = survey->sample_count;
    for (uint32_t left = SLOTS_PER_SLICE; left > 0 && survey->next < end; left--, survey->next++) {
        const iocp_slot *slot = &worker->table.slots[survey->next];
        survey->samples[survey->next] =
            (iocp_sample){.generation = iocp_slot_generation(slot), .moved_bytes = moved_bytes(slot)};
    }
}

/* Returns 1 for a connection that is meant; or as the questions. */
static int look_at(iocp_survey *survey, iocp_worker *worker, iocp_slot *slot)
{
    uint64_t rank = 0;
    int result = iocp_worker_is_meant(worker, slot, &survey->query.filter);
    if (result != 1)
        return result;
    if (!survey->query.aborts) {
        result = rank_of(survey, worker, slot, &rank);
        if (result == 1)
            consider(survey, iocp_slot_connection(&worker->table, slot), rank);
        return result < 0 ? result : 1;
    }
    if (survey->entry_count < survey->query.limit && tell(survey, worker, slot, 0) < 0)
        return -EAGAIN;
    iocp_worker_begin_close(worker, slot, IOCP_CLOSE_ABORTED, 0, true);
    survey->totals.aborted++;
    return 1;
}

static void rank(iocp_survey *survey, iocp_worker *worker)
{
    const iocp_survey_query *query = &survey->query;
    const bool asks = query->filter.by_peer || query->aborts || asks_info(query->order);
    uint32_t asks_left = ASKS_PER_SLICE;
    for (uint32_t left = SLOTS_PER_SLICE; left > 0 && survey->next < worker->table.untouched; left--) {
        iocp_slot *slot = &worker->table.slots[survey->next];
        if (iocp_worker_may_ask(slot)) {
            if (asks && asks_left-- == 0)
                return;
            const int result = look_at(survey, worker, slot);
            if (tries_again(survey, result))
                return;
            survey->totals.connections++;
            survey->totals.meant += result == 1;
        }
        survey->next++;
    }
}

static void tell_some(iocp_survey *survey, iocp_worker *worker)
{
    for (uint32_t left = ASKS_PER_SLICE; left > 0 && survey->next < survey->candidate_count; left--) {
        const iocp_candidate *candidate = &survey->candidates[survey->next];
        const iocp_slot *slot = iocp_worker_find_slot(worker, candidate->connection);
        /* It may have closed meanwhile. */
        if (slot != NULL && iocp_worker_may_ask(slot) && tries_again(survey, tell(survey, worker, slot, candidate->rank)))
            return;
        survey->next++;
    }
}

bool iocp_survey_go_on(iocp_survey *survey, iocp_worker *worker)
{
    switch (survey->stage) {
    case IOCP_SURVEY_SAMPLES:
        sample(survey, worker);
        return survey->next < survey->sample_count;
    case IOCP_SURVEY_RANKS:
        rank(survey, worker);
        if (survey->next < worker->table.untouched)
            return true;
        qsort(survey->candidates, survey->candidate_count, sizeof *survey->candidates, compare);
        survey->stage = IOCP_SURVEY_TELLS;
        survey->next = 0;
        survey->tries = 0;
        return survey->candidate_count > 0;
    case IOCP_SURVEY_TELLS:
        tell_some(survey, worker);
        return survey->next < survey->candidate_count;
    }
    return false;
}
