/* An input, taken from its start. Behind its end come zeros, so that every input is one, and a target ends. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fuzz_input {
    const uint8_t *next;
    size_t left;
} fuzz_input;

/* As IOCP_CHECK, of what a target expects. */
#define FUZZ_REQUIRE(condition, message)                                                            \
    do {                                                                                            \
        if (__builtin_expect(!(condition), 0)) {                                                    \
            fprintf(stderr, "fuzz: %s (%s, %s:%d)\n", message, #condition, __FILE__, __LINE__);      \
            abort();                                                                                \
        }                                                                                           \
    } while (0)

static inline uint8_t fuzz_byte(fuzz_input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->next++;
}

/* Little endian. */
static inline uint64_t fuzz_word(fuzz_input *input, uint32_t count_bytes)
{
    uint64_t word = 0;
    for (uint32_t i = 0; i < count_bytes; i++)
        word |= (uint64_t)fuzz_byte(input) << (8 * i);
    return word;
}

/* Below bound, from as many bytes as that takes. */
static inline uint32_t fuzz_below(fuzz_input *input, uint32_t bound)
{
    if (bound <= 1)
        return 0;
    return (uint32_t)(fuzz_word(input, bound <= 1u << 8 ? 1 : bound <= 1u << 16 ? 2 : 4) % bound);
}

/* Once in `count` for equally likely bytes, and never behind the end. */
static inline bool fuzz_one_in(fuzz_input *input, uint32_t count)
{
    return input->left > 0 && fuzz_below(input, count) == count - 1;
}

#endif
