/* Connections that move: a port of some workers, each on a played kernel of its own, and an application that moves its
 * connections about while bytes, letters, timers and ends come. What it is told is held against what it asked.
 *
 *   moves.c    a run: turns, what the application does, the end
 *   told.c     what the workers tell, and the kernels see */
#ifndef SIM_MOVES_H
#define SIM_MOVES_H

#include <stdbool.h>
#include <stdint.h>

#include "CIOCP.h"
#include "../random.h"
#include "../scenario.h"

enum {
    MOVES_WORKERS_MAX = 4,
    MOVES_SLOTS_MAX = 64,
    MOVES_LIVES_MAX = 4096, /* of one run */
    MOVES_MARKS_MAX = 16,
    MOVES_OUT_STREAM = 1 << 28, /* what the application sends: a stream for each life */
};

typedef struct moves_mark {
    uint64_t key;
    uint64_t queued_bytes;
} moves_mark;

/* One connection, wherever it lives. */
typedef struct moves_life {
    iocp_token name;
    iocp_token here; /* what its worker calls it */
    uint32_t worker; /* where it lives, or whom it leaves */
    uint32_t home;
    uint32_t stream; /* what its peer sends; 0: not known yet */
    bool by_letters; /* its bytes are sent by its name, and otherwise by its worker */
    bool opened;
    bool leaving; /* LEAVING came, and ARRIVED did not */
    bool over;
    bool dropped;   /* what was given for it was released */
    bool closing;   /* a close or an abort was asked for */
    bool ends;      /* SENT failed: CLOSED follows */
    bool broken;    /* the transport failed */
    bool paused;
    bool kept;      /* where it is, by the application */
    bool nameless;  /* its home forgot it */
    bool unordered; /* and its posts come in any order */
    uint64_t key;
    uint64_t received_bytes;
    uint64_t queued_bytes;
    uint64_t taken_bytes;
    uint64_t posted;   /* posts to its name so far, */
    uint64_t delivered; /* and those that came */
    moves_mark marks[MOVES_MARKS_MAX]; /* a ring */
    uint32_t mark_head, mark_tail;
    iocp_timer timer; /* 0: none is armed */
    uint64_t timer_key;
    bool timer_cancelled;
    uint32_t move_count;
} moves_life;

/* What a worker's slot is called now, and which peer's socket it has. */
typedef struct moves_place {
    iocp_token token;
    uint32_t stream;
    moves_life *life; /* NULL: not told yet, */
    uint8_t *early;   /* and these were sent of it already */
    uint32_t early_bytes;
    bool broke;
} moves_place;

struct moves;

typedef struct moves_worker {
    struct moves *moves;
    uint32_t index;
    iocp_sim *sim;
    iocp_worker *worker; /* NULL: closed */
    bool ended;          /* its waits are over, or its driver failed */
    bool failed;
    bool said_stopping;
    bool takes_part;
    uint32_t stalls_for;
    moves_place places[MOVES_SLOTS_MAX];
} moves_worker;

typedef struct moves {
    uint64_t seed;
    bool tracing;
    iocp_port_config config;
    iocp_port *port;
    uint32_t worker_count;
    moves_worker workers[MOVES_WORKERS_MAX];
    sim_random random;
    bool stopped;
    bool calm; /* nothing new is begun */
    moves_life lives[MOVES_LIVES_MAX];
    uint32_t life_count;
    uint64_t next_key;
    scenario_totals *totals;
    uint64_t *move_count; /* of all runs */
} moves;

#define MOVES_REQUIRE(moves, condition, rule, what, connection)           \
    do {                                                                  \
        if (!(condition))                                                 \
            moves_violated((moves), (rule), (what), (connection));        \
    } while (0)
_Noreturn void moves_violated(const moves *moves, const char *rule, const char *what, iocp_token connection);

/* One seed. `move_count` adds up the moves that came to their ends. */
void moves_run(uint64_t seed, bool tracing, scenario_totals *totals, uint64_t *move_count);

/* --- told.c ------------------------------------------------------------------------------------------------- */

iocp_sim_observer moves_observer(moves_worker *worker);
void moves_told(moves_worker *worker, const iocp_completion *completion);
/* Whether what it has queued may be lost, or its end is near. */
bool moves_may_lose(const moves *moves, const moves_life *life);

#endif
