/* Taking and releasing slots. */
#include "slot.h"

#include <errno.h>

#include "../base/check.h"

int iocp_slot_table_open(iocp_slot_table *table, uint32_t node, uint32_t worker, uint32_t slot_count)
{
    *table = (iocp_slot_table){.slot_count = slot_count, .worker = worker, .free = iocp_slot_fifo_empty()};
    int result = iocp_arena_open(&table->arena, (size_t)slot_count * sizeof(iocp_slot), node);
    if (result == 0)
        result = iocp_arena_open(&table->terms_arena, (size_t)slot_count * sizeof(iocp_slot_terms), node);
    table->slots = (iocp_slot *)table->arena.start;
    table->terms = (iocp_slot_terms *)table->terms_arena.start;
    return result;
}

void iocp_slot_table_close(iocp_slot_table *table)
{
    iocp_guests_close(&table->guests);
    iocp_arena_close(&table->terms_arena);
    iocp_arena_close(&table->arena);
    *table = (iocp_slot_table){0};
}

/* Unused slots come first until enough others rest: their memory is touched only for what the rotation is worth. */
static uint32_t next_index(iocp_slot_table *table)
{
    if (table->untouched < table->slot_count && table->free.count < IOCP_SLOTS_RESTING)
        return table->untouched++;
    const iocp_slot *slot = iocp_slot_fifo_pop(&table->free, table);
    return slot != NULL ? iocp_slot_index(table, slot) : IOCP_SLOT_NONE;
}

static void push_first(iocp_slot_fifo *fifo, iocp_slot_table *table, iocp_slot *slot)
{
    slot->next = fifo->head;
    fifo->head = iocp_slot_index(table, slot);
    if (fifo->tail == IOCP_SLOT_NONE)
        fifo->tail = fifo->head;
    fifo->count++;
}

int64_t iocp_slot_take(iocp_slot_table *table)
{
    const uint32_t index = next_index(table);
    if (index == IOCP_SLOT_NONE)
        return -ENFILE;
    table->used_count++;

    iocp_slot *slot = &table->slots[index];
    const uint64_t generation = iocp_generation_next(iocp_slot_generation(slot));
    *slot = (iocp_slot){.generation_low = (uint32_t)generation,
                        .generation_high = (uint8_t)(generation >> 32),
                        .handle = IOCP_HANDLE_NONE,
                        .queue = iocp_send_queue_empty(),
                        .next = IOCP_SLOT_NONE};
    return index;
}

void iocp_slot_take_back(iocp_slot_table *table, uint32_t index)
{
    iocp_slot *slot = &table->slots[index];
    const uint64_t former = iocp_slot_generation(slot) - 1; /* before 1 the last one is as good as none */
    *slot = (iocp_slot){.generation_low = (uint32_t)former, .generation_high = (uint8_t)(former >> 32)};
    push_first(&table->free, table, slot);
    table->used_count--;
}

void iocp_slot_release(iocp_slot_table *table, uint32_t index)
{
    iocp_slot *slot = &table->slots[index];
    IOCP_CHECK(slot->state != IOCP_SLOT_FREE, "a slot was released twice");
    IOCP_CHECK(!iocp_slot_awaits_events(slot), "a slot was released with operations outstanding");
    IOCP_CHECK(slot->queue.head == IOCP_NODE_NONE, "a slot was released with unsent bytes");
    slot->state = IOCP_SLOT_FREE;
    iocp_slot_fifo_push(&table->free, table, slot);
    table->used_count--;
}

void iocp_slot_fifo_push(iocp_slot_fifo *fifo, iocp_slot_table *table, iocp_slot *slot)
{
    const uint32_t index = iocp_slot_index(table, slot);
    slot->next = IOCP_SLOT_NONE;
    if (fifo->tail == IOCP_SLOT_NONE)
        fifo->head = index;
    else
        table->slots[fifo->tail].next = index;
    fifo->tail = index;
    fifo->count++;
}

iocp_slot *iocp_slot_fifo_pop(iocp_slot_fifo *fifo, iocp_slot_table *table)
{
    if (fifo->head == IOCP_SLOT_NONE)
        return NULL;
    iocp_slot *slot = &table->slots[fifo->head];
    fifo->head = slot->next;
    if (fifo->head == IOCP_SLOT_NONE)
        fifo->tail = IOCP_SLOT_NONE;
    fifo->count--;
    slot->next = IOCP_SLOT_NONE;
    return slot;
}

void iocp_slot_fifo_remove(iocp_slot_fifo *fifo, iocp_slot_table *table, iocp_slot *slot)
{
    const uint32_t index = iocp_slot_index(table, slot);
    uint32_t before = IOCP_SLOT_NONE;
    for (uint32_t at = fifo->head; at != IOCP_SLOT_NONE; before = at, at = table->slots[at].next) {
        if (at != index)
            continue;
        if (before == IOCP_SLOT_NONE)
            fifo->head = slot->next;
        else
            table->slots[before].next = slot->next;
        if (fifo->tail == index)
            fifo->tail = before;
        fifo->count--;
        slot->next = IOCP_SLOT_NONE;
        return;
    }
    IOCP_CHECK(0, "a starved connection was not in the FIFO");
}
