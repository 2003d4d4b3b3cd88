#include "slot.h"

#include <errno.h>

#include "../base/check.h"

int iocp_slot_table_open(iocp_slot_table *table, uint32_t node, uint32_t worker, uint32_t slot_count)
{
    *table = (iocp_slot_table){.slot_count = slot_count, .worker = worker, .free_head = IOCP_SLOT_NONE};
    const int result = iocp_arena_open(&table->arena, (size_t)slot_count * sizeof(iocp_slot), node);
    table->slots = (iocp_slot *)table->arena.start;
    return result;
}

void iocp_slot_table_close(iocp_slot_table *table)
{
    iocp_arena_close(&table->arena);
    *table = (iocp_slot_table){0};
}

int64_t iocp_slot_take(iocp_slot_table *table)
{
    uint32_t index = table->free_head;
    if (index != IOCP_SLOT_NONE)
        table->free_head = table->slots[index].next;
    else if (table->untouched < table->slot_count)
        index = table->untouched++;
    else
        return -ENFILE;
    table->used_count++;

    iocp_slot *slot = &table->slots[index];
    const uint32_t generation = iocp_generation_next(slot->generation);
    *slot = (iocp_slot){.generation = generation,
                        .handle = IOCP_HANDLE_NONE,
                        .queue = iocp_send_queue_empty(),
                        .next = IOCP_SLOT_NONE};
    return index;
}

void iocp_slot_release(iocp_slot_table *table, uint32_t index)
{
    iocp_slot *slot = &table->slots[index];
    IOCP_CHECK(slot->state != IOCP_SLOT_FREE, "a slot was released twice");
    IOCP_CHECK(slot->outstanding_count == 0, "a slot was released with operations outstanding");
    IOCP_CHECK(slot->queue.head == IOCP_NODE_NONE, "a slot was released with unsent bytes");
    slot->state = IOCP_SLOT_FREE;
    slot->next = table->free_head;
    table->free_head = index;
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
