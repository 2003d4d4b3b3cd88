/* Many producers, one consumer that sleeps whenever it finds nothing: the way a worker uses its mailbox. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "mailboxes.h"

enum { LOST_WAKE_MS = 5000, GIVE_UP_S = 60 };

typedef struct crowd_state {
    internals_crowd *crowd;
    internals_mailbox *mailbox;
    int wake_fd;
    _Atomic uint32_t running; /* producers that may still put */
} crowd_state;

typedef struct producer {
    pthread_t thread;
    crowd_state *state;
    uint32_t index;
    uint64_t accepted;
    uint64_t refused_full;
    uint64_t refused_closed;
    uint64_t accepted_too_late;
    uint64_t other_answers;
    uint64_t wakes;
} producer;

static void ring_bell(int fd)
{
    const uint64_t one = 1;
    (void)!write(fd, &one, sizeof one);
}

static void *produce(void *argument)
{
    producer *self = argument;
    internals_mailbox *mailbox = self->state->mailbox;
    time_t full_since = 0; /* a mailbox that stays full must fail the test, not hang it */
    for (uint32_t post = 0; post < self->state->crowd->posts_each;) {
        const int result = internals_mailbox_put(mailbox, self->index, self->accepted);
        switch (-result) {
        case 0:
            self->accepted++;
            full_since = 0;
            self->accepted_too_late += self->refused_closed > 0;
            if (internals_mailbox_wake_due(mailbox)) {
                self->wakes++;
                ring_bell(self->state->wake_fd);
            }
            break;
        case EAGAIN:
            self->refused_full++;
            sched_yield();
            if (self->refused_full % 1024 != 0)
                continue;
            if (full_since == 0)
                full_since = time(NULL);
            if (time(NULL) - full_since < GIVE_UP_S)
                continue;
            self->other_answers++;
            post = self->state->crowd->posts_each;
            break;
        case ESHUTDOWN:
            self->refused_closed++;
            break;
        default:
            self->other_answers++;
            break;
        }
        post++;
    }
    /* The last one out rings, so that a consumer at its end need not wait. */
    if (atomic_fetch_sub(&self->state->running, 1) == 1)
        ring_bell(self->state->wake_fd);
    return NULL;
}

static void sleep_once(crowd_state *state)
{
    internals_crowd *crowd = state->crowd;
    crowd->sleeps++;
    if (!internals_mailbox_sleep(state->mailbox))
        return;
    struct pollfd bell = {.fd = state->wake_fd, .events = POLLIN};
    uint64_t rings;
    if (atomic_load(&state->running) > 0 && poll(&bell, 1, LOST_WAKE_MS) == 0) {
        /* Nobody rang. That is right if there is nothing to take, because producers may be slow. */
        internals_mailbox_awake(state->mailbox);
        crowd->lost_wakes += !internals_mailbox_sleep(state->mailbox);
    } else {
        (void)!read(state->wake_fd, &rings, sizeof rings);
    }
    internals_mailbox_awake(state->mailbox);
}

static void consume(crowd_state *state, uint64_t *next)
{
    internals_crowd *crowd = state->crowd;
    uint64_t from, value;
    for (;;) {
        /* Asked before the take: a producer's last letter comes before its end. */
        const bool ended = atomic_load(&state->running) == 0;
        if (internals_mailbox_take(state->mailbox, &from, &value)) {
            crowd->taken++;
            crowd->out_of_order += from >= crowd->producer_count || value != next[from];
            if (from < crowd->producer_count)
                next[from] = value + 1;
            if (crowd->taken == crowd->close_after)
                internals_mailbox_close(state->mailbox);
            if (crowd->nap_every > 0 && crowd->taken % crowd->nap_every == 0)
                sched_yield();
        } else if (ended) {
            return;
        } else {
            sleep_once(state);
        }
    }
}

int internals_crowd_run(internals_crowd *crowd)
{
    crowd_state state = {.crowd = crowd,
                         .mailbox = internals_mailbox_create(crowd->mailbox_entries),
                         .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    producer *producers = calloc(crowd->producer_count, sizeof *producers);
    uint64_t *next = calloc(crowd->producer_count, sizeof *next);
    if (state.mailbox == NULL || state.wake_fd < 0 || producers == NULL || next == NULL)
        return -ENOMEM;
    atomic_init(&state.running, crowd->producer_count);

    uint32_t started = 0;
    int result = 0;
    for (; started < crowd->producer_count && result == 0; started += result == 0) {
        producers[started] = (producer){.state = &state, .index = started};
        result = -pthread_create(&producers[started].thread, NULL, produce, &producers[started]);
    }
    atomic_fetch_sub(&state.running, crowd->producer_count - started);
    consume(&state, next);
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(producers[i].thread, NULL);
        crowd->accepted += producers[i].accepted;
        crowd->refused_full += producers[i].refused_full;
        crowd->refused_closed += producers[i].refused_closed;
        crowd->accepted_too_late += producers[i].accepted_too_late;
        crowd->other_answers += producers[i].other_answers;
        crowd->wakes += producers[i].wakes;
    }
    free(next);
    free(producers);
    close(state.wake_fd);
    internals_mailbox_destroy(state.mailbox);
    return result;
}

/* --- wakes per sleep ----------------------------------------------------------------------------------------- */

typedef struct rounds {
    internals_mailbox *mailbox;
    pthread_barrier_t begin;
    pthread_barrier_t end;
    uint32_t round_count;
    _Atomic uint32_t told;
} rounds;

static void *put_each_round(void *argument)
{
    rounds *rounds = argument;
    for (uint32_t round = 0; round < rounds->round_count; round++) {
        pthread_barrier_wait(&rounds->begin);
        if (internals_mailbox_put(rounds->mailbox, 0, round) == 0 && internals_mailbox_wake_due(rounds->mailbox))
            atomic_fetch_add(&rounds->told, 1);
        pthread_barrier_wait(&rounds->end);
    }
    return NULL;
}

int internals_wakes_per_sleep(uint32_t thread_count, uint32_t round_count, uint32_t *least, uint32_t *most)
{
    rounds rounds = {.mailbox = internals_mailbox_create(64), .round_count = round_count};
    pthread_t *threads = calloc(thread_count, sizeof *threads);
    if (rounds.mailbox == NULL || threads == NULL)
        return -ENOMEM;
    pthread_barrier_init(&rounds.begin, NULL, thread_count + 1);
    pthread_barrier_init(&rounds.end, NULL, thread_count + 1);
    for (uint32_t i = 0; i < thread_count; i++)
        if (pthread_create(&threads[i], NULL, put_each_round, &rounds) != 0)
            abort(); /* the barriers would wait forever */
    *least = UINT32_MAX;
    *most = 0;
    for (uint32_t round = 0; round < round_count; round++) {
        atomic_store(&rounds.told, 0);
        const bool asleep = internals_mailbox_sleep(rounds.mailbox);
        pthread_barrier_wait(&rounds.begin);
        pthread_barrier_wait(&rounds.end);
        const uint32_t told = asleep ? atomic_load(&rounds.told) : UINT32_MAX;
        *least = told < *least ? told : *least;
        *most = told > *most ? told : *most;
        internals_mailbox_awake(rounds.mailbox);
        uint64_t from, value;
        while (internals_mailbox_take(rounds.mailbox, &from, &value)) {
        }
    }
    for (uint32_t i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&rounds.begin);
    pthread_barrier_destroy(&rounds.end);
    free(threads);
    internals_mailbox_destroy(rounds.mailbox);
    return 0;
}
