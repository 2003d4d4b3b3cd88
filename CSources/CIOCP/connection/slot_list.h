/* A list of slots in the order in which they were appended. Any of them can leave it at once.
 *
 * Its links lie outside the slots: a slot is two cache lines, and few slots ever stand in the list. */
#ifndef IOCP_CONNECTION_SLOT_LIST_H
#define IOCP_CONNECTION_SLOT_LIST_H

#include <stdint.h>

#include "../memory/arena.h"

typedef struct iocp_slot_links {
    uint32_t previous;
    uint32_t next;
} iocp_slot_links;

typedef struct iocp_slot_list {
    iocp_arena arena;
    iocp_slot_links *links; /* by slot index */
    uint32_t head;          /* the longest in it, or IOCP_SLOT_NONE */
    uint32_t tail;
} iocp_slot_list;

int iocp_slot_list_open(iocp_slot_list *list, uint32_t node, uint32_t slot_count);
void iocp_slot_list_close(iocp_slot_list *list);

/* The caller knows whether a slot stands in the list: it is appended only if not, and removed only if so. O(1). */
void iocp_slot_list_append(iocp_slot_list *list, uint32_t slot);
void iocp_slot_list_remove(iocp_slot_list *list, uint32_t slot);

#endif
