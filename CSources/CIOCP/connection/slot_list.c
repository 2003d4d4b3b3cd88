/* A doubly linked list of slots, linked by index. */
#include "slot_list.h"

#include "slot.h"

int iocp_slot_list_open(iocp_slot_list *list, uint32_t node, uint32_t slot_count)
{
    *list = (iocp_slot_list){.head = IOCP_SLOT_NONE, .tail = IOCP_SLOT_NONE};
    const int result = iocp_arena_open(&list->arena, (size_t)slot_count * sizeof *list->links, node);
    list->links = (iocp_slot_links *)list->arena.start;
    return result;
}

void iocp_slot_list_close(iocp_slot_list *list)
{
    iocp_arena_close(&list->arena);
    *list = (iocp_slot_list){.head = IOCP_SLOT_NONE, .tail = IOCP_SLOT_NONE};
}

void iocp_slot_list_append(iocp_slot_list *list, uint32_t slot)
{
    list->links[slot] = (iocp_slot_links){.previous = list->tail, .next = IOCP_SLOT_NONE};
    if (list->tail == IOCP_SLOT_NONE)
        list->head = slot;
    else
        list->links[list->tail].next = slot;
    list->tail = slot;
}

void iocp_slot_list_remove(iocp_slot_list *list, uint32_t slot)
{
    const iocp_slot_links links = list->links[slot];
    if (links.previous == IOCP_SLOT_NONE)
        list->head = links.next;
    else
        list->links[links.previous].next = links.next;
    if (links.next == IOCP_SLOT_NONE)
        list->tail = links.previous;
    else
        list->links[links.next].previous = links.previous;
}
