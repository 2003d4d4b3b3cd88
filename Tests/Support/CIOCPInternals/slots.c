#include "slots.h"

#define COPY_MEMBERS(to, from)                       \
    do {                                             \
        (to)->handle = (from)->handle;               \
        (to)->flags = (from)->flags;                 \
        (to)->in_flight_bytes = (from)->in_flight_bytes; \
        (to)->queue = (from)->queue;                 \
        (to)->state = (from)->state;                 \
        (to)->receive = (from)->receive;             \
        (to)->send = (from)->send;                   \
        (to)->finish = (from)->finish;               \
        (to)->watch = (from)->watch;                 \
        (to)->connect = (from)->connect;             \
        (to)->buffers = (from)->buffers;             \
        (to)->close_reason = (from)->close_reason;   \
        (to)->key = (from)->key;                     \
        (to)->received_bytes = (from)->received_bytes; \
        (to)->sent_bytes = (from)->sent_bytes;       \
        (to)->received_ns = (from)->received_ns;     \
        (to)->opened_ns = (from)->opened_ns;         \
        (to)->sent_mark_bytes = (from)->sent_mark_bytes; \
        (to)->close_result = (from)->close_result;   \
    } while (0)

iocp_slot *internals_slot_at(const iocp_slot_table *table, uint32_t index)
{
    return &table->slots[index];
}

internals_slot internals_slot_get(const iocp_slot *slot)
{
    internals_slot value;
    COPY_MEMBERS(&value, slot);
    value.generation = iocp_slot_generation(slot);
    return value;
}

void internals_slot_set(iocp_slot *slot, internals_slot value)
{
    COPY_MEMBERS(slot, &value);
    slot->generation_low = (uint32_t)value.generation;
    slot->generation_high = (uint8_t)(value.generation >> 32);
}
