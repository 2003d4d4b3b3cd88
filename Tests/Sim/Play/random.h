/* The scenario's own random sequence, apart from the kernel's: SplitMix64 (Steele, Lea and Flood, 2014). An input,
 * where there is one, decides first. */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "input.h"

typedef struct sim_random {
    uint64_t state;
    sim_input *input; /* may be NULL */
} sim_random;

static inline uint64_t random_next(sim_random *random)
{
    uint64_t value = random->state += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static inline uint32_t random_below(sim_random *random, uint32_t bound)
{
    uint32_t choice;
    if (bound > 1 && input_choose(random->input, bound, &choice))
        return choice;
    return (uint32_t)(((random_next(random) >> 32) * bound) >> 32);
}

static inline bool random_one_in(sim_random *random, uint32_t count)
{
    return random_below(random, count) == 0;
}

/* Mostly small, sometimes up to `most`. */
static inline uint32_t random_magnitude(sim_random *random, uint32_t most)
{
    const uint32_t bits = most > 1 ? 32 - (uint32_t)__builtin_clz(most) : 1;
    const uint32_t bound = UINT32_C(1) << random_below(random, bits + 1);
    return random_below(random, (bound < most ? bound : most) + 1);
}

#endif
