/* Slots by value: Swift imports no over-aligned struct. */
#ifndef CIOCP_INTERNALS_SLOTS_H
#define CIOCP_INTERNALS_SLOTS_H

#include "../../../../CSources/CIOCP/connection/slot.h"

/* The members of iocp_slot, without its alignment. */
typedef struct internals_slot {
    uint64_t generation;
    uint32_t handle;
    uint16_t flags;
    uint32_t in_flight_bytes;
    iocp_send_queue queue;
    iocp_slot_state state;
    iocp_receive_state receive;
    iocp_send_state send;
    iocp_finish_state finish;
    iocp_watch_state watch;
    iocp_connect_state connect;
    iocp_buffer_choice buffers;
    uint8_t close_reason;
    uint64_t key;
    uint64_t received_bytes;
    uint64_t sent_bytes;
    uint64_t received_ns;
    uint64_t opened_ns;
    uint64_t sent_mark_bytes;
    int32_t close_result;
} internals_slot;

iocp_slot *internals_slot_at(const iocp_slot_table *table, uint32_t index);
internals_slot internals_slot_get(const iocp_slot *slot);
/* Everything but the link of the list the slot stands in. */
void internals_slot_set(iocp_slot *slot, internals_slot value);

#endif
