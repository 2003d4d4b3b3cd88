/* Bytes that decide in place of the random sequences, choice by choice, until they are used up: a fuzzer's. The
 * sequences decide the rest, from the seed that the bytes begin with, so an input replays as a seed does. */
#ifndef SIM_INPUT_H
#define SIM_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sim_input {
    const uint8_t *next;
    size_t left;
} sim_input;

/* A number below bound, from as few bytes as that takes. Small numbers come from small bytes, whatever the bound: what
 * a fuzzer found out about one choice holds when another moves into its place. */
static inline bool input_choose(sim_input *input, uint32_t bound, uint32_t *choice)
{
    const uint32_t count_bytes = bound <= 1u << 8 ? 1 : bound <= 1u << 16 ? 2 : 4;
    if (input == NULL || input->left < count_bytes)
        return false;
    uint32_t value = 0;
    for (uint32_t i = 0; i < count_bytes; i++)
        value |= (uint32_t)input->next[i] << (8 * i);
    input->next += count_bytes;
    input->left -= count_bytes;
    *choice = value % bound;
    return true;
}

static inline uint64_t input_seed(sim_input *input)
{
    uint64_t seed = 0;
    for (uint32_t i = 0; i < sizeof seed && input->left > 0; i++) {
        seed |= (uint64_t)*input->next++ << (8 * i);
        input->left--;
    }
    return seed;
}

#endif
