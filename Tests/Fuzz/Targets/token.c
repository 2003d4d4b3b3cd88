/* Tokens, and the slot table that they name lives in: a token finds the life it was made for, and no other (G4). */
#include <errno.h>

#include "../../../CSources/CIOCP/base/token.h"
#include "../../../CSources/CIOCP/connection/slot.h"
#include "include/FuzzTargets.h"
#include "input.h"

enum { SLOT_COUNT = 6, ENDED_MAX = 64 };

/* What the table should know. */
typedef struct model {
    iocp_slot_table table;
    bool live[SLOT_COUNT];
    uint64_t generation[SLOT_COUNT];
    uint32_t live_count;
    uint32_t free_since[SLOT_COUNT]; /* how many lives had ended; 0: never used */
    uint32_t end_count;
    uint64_t ended[ENDED_MAX]; /* names of lives that ended */
    uint32_t ended_count;
} model;

static iocp_token name_of(const model *model, uint32_t slot)
{
    return iocp_token_join(model->table.worker, slot, model->generation[slot]);
}

/* --- packing ------------------------------------------------------------------------------------------------ */

static void check_packing(fuzz_input *input)
{
    const iocp_operation operation = (iocp_operation)fuzz_below(input, 16);
    const iocp_operation other = (iocp_operation)fuzz_below(input, 16);
    const uint32_t worker = (uint32_t)fuzz_word(input, 2) % (1 << IOCP_TOKEN_WORKER_BITS);
    const uint32_t slot = (uint32_t)fuzz_word(input, 3) % (1 << IOCP_TOKEN_SLOT_BITS);
    const uint64_t generation = fuzz_word(input, 8) & IOCP_GENERATION_MASK;
    const uint64_t token = iocp_token_make(operation, slot, generation);
    FUZZ_REQUIRE(iocp_token_operation(token) == operation && iocp_token_slot(token) == slot &&
                     iocp_token_generation(token) == generation,
                 "an operation's name gives back what it was made of");
    FUZZ_REQUIRE(iocp_token_with(token, other) == iocp_token_make(other, slot, generation),
                 "another operation's token differs in its operation alone");
    const iocp_token connection = iocp_token_connection(token, worker);
    FUZZ_REQUIRE(iocp_token_worker(connection) == worker && iocp_token_slot(connection) == slot &&
                     iocp_token_generation(connection) == generation,
                 "a connection's name gives back what it was made of");
    const uint64_t next = iocp_generation_next(generation);
    FUZZ_REQUIRE(next != 0 && next != generation && next <= IOCP_GENERATION_MASK, "a generation is never 0");
}

/* --- lives -------------------------------------------------------------------------------------------------- */

static void take(model *model)
{
    const int64_t slot = iocp_slot_take(&model->table);
    if (model->live_count == SLOT_COUNT) {
        FUZZ_REQUIRE(slot == -ENFILE, "a full table has no slot");
        return;
    }
    FUZZ_REQUIRE(slot >= 0 && slot < SLOT_COUNT && !model->live[slot], "a slot that is taken is taken again");
    const uint64_t generation = iocp_slot_generation(&model->table.slots[slot]);
    FUZZ_REQUIRE(generation == iocp_generation_next(model->generation[slot]), "a life has its own generation");
    for (uint32_t i = 0; i < SLOT_COUNT; i++)
        FUZZ_REQUIRE(model->live[i] || model->free_since[i] >= model->free_since[slot], "a slot is taken out of its turn");
    model->generation[slot] = generation;
    model->live[slot] = true;
    model->live_count++;
    model->table.slots[slot].state = IOCP_SLOT_OPEN;
}

static void release(model *model, uint32_t slot)
{
    if (!model->live[slot])
        return;
    iocp_slot_release(&model->table, slot);
    model->live[slot] = false;
    model->live_count--;
    model->free_since[slot] = ++model->end_count;
    model->ended[model->ended_count++ % ENDED_MAX] = name_of(model, slot);
}

/* A connection's name, or what looks like one. */
static void check_find(const model *model, uint64_t token)
{
    const uint32_t slot = iocp_token_slot(token);
    const bool known = slot < SLOT_COUNT && model->live[slot] && iocp_token_worker(token) == model->table.worker &&
                       iocp_token_generation(token) == model->generation[slot];
    const iocp_slot *found = iocp_slot_find(&model->table, token);
    FUZZ_REQUIRE(found == (known ? &model->table.slots[slot] : NULL), "a token finds its own life, and no other");
}

/* Whatever the operation, and whoever's the table: a driver belongs to one worker. */
static void check_operation(const model *model, uint64_t token)
{
    const uint32_t slot = iocp_token_slot(token);
    const bool known = slot < SLOT_COUNT && model->live[slot] && iocp_token_generation(token) == model->generation[slot];
    FUZZ_REQUIRE(iocp_slot_of_operation(&model->table, token) == (known ? &model->table.slots[slot] : NULL),
                 "an operation finds its own life, and no other");
}

static void check_all(const model *model)
{
    const uint32_t known = model->ended_count < ENDED_MAX ? model->ended_count : ENDED_MAX;
    for (uint32_t i = 0; i < known; i++)
        FUZZ_REQUIRE(iocp_slot_find(&model->table, model->ended[i]) == NULL, "a life that ended is found");
    for (uint32_t i = 0; i < SLOT_COUNT; i++) {
        const iocp_slot *found = model->live[i] ? iocp_slot_find(&model->table, name_of(model, i)) : NULL;
        FUZZ_REQUIRE((found != NULL) == model->live[i], "a life is not found");
    }
    FUZZ_REQUIRE(model->table.used_count == model->live_count, "slots are miscounted");
}

static void step(model *model, fuzz_input *input)
{
    const uint32_t slot = fuzz_below(input, SLOT_COUNT);
    switch (fuzz_below(input, 6)) {
    case 0:
        take(model);
        return;
    case 1:
        release(model, slot);
        return;
    case 2:
        check_find(model, fuzz_word(input, 8));
        return;
    case 3: /* a name, or a bit beside one */
        check_find(model, name_of(model, slot) ^ (UINT64_C(1) << fuzz_below(input, 64)));
        return;
    case 4:
        check_operation(model, iocp_token_with(name_of(model, slot), (iocp_operation)fuzz_below(input, 16)));
        return;
    default:
        check_packing(input);
        return;
    }
}

void fuzz_token(const uint8_t *bytes, size_t count)
{
    fuzz_input input = {bytes, count};
    model model = {0};
    FUZZ_REQUIRE(iocp_slot_table_open(&model.table, 0, fuzz_below(&input, IOCP_WORKERS_MAX), SLOT_COUNT) == 0,
                 "no memory for six slots");
    /* A table that was in use for long: generations come to their end, and start over. */
    for (uint32_t i = 0; i < SLOT_COUNT && fuzz_one_in(&input, 2); i++) {
        model.generation[i] = IOCP_GENERATION_MASK - fuzz_below(&input, 4) * fuzz_below(&input, 2);
        model.table.slots[i].generation_low = (uint32_t)model.generation[i];
        model.table.slots[i].generation_high = (uint8_t)(model.generation[i] >> 32);
    }
    while (input.left > 0) {
        step(&model, &input);
        check_all(&model);
    }
    iocp_slot_table_close(&model.table);
}
