/* One seed, or one input, from an empty port to an empty port. */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failures.h"

/* What decides a scenario. */
typedef struct scenario_source {
    uint64_t seed;
    const uint8_t *input; /* may be NULL; else its first 8 bytes are the seed, and the others decide before it does */
    size_t input_bytes;
    bool tracing;
    bool traps;           /* a broken promise ends in abort(3), which a fuzzer catches */
} scenario_source;

typedef struct scenario_totals {
    uint64_t seed_count;
    uint64_t completion_count;
    uint64_t event_count;
    uint64_t closed_count;
    uint64_t move_count;
    failures failures;
} scenario_totals;

/* Runs it to its end and adds to the totals. A broken promise is printed and ends the process with 1. */
void scenario_run(const scenario_source *source, scenario_totals *totals);

#endif
