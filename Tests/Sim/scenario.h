/* One seed, from an empty port to an empty port. */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

typedef struct scenario_totals {
    uint64_t seed_count;
    uint64_t completion_count;
    uint64_t event_count;
    uint64_t closed_count;
} scenario_totals;

/* Runs a seed to its end and adds to the totals. A broken promise is printed and ends the process with 1. */
void scenario_run(uint64_t seed, bool tracing, scenario_totals *totals);

#endif
