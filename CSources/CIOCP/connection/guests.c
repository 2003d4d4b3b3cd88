/* A hash table from the names of connections to slots. */
#include "guests.h"

#include <errno.h>
#include <stdlib.h>

enum { ENTRIES_MIN = 16 };

/* Names differ in their slots and generations: in the low bits of either. The multiplier is 2^64 over the golden ratio. */
static uint32_t place_of(const iocp_guests *guests, iocp_token name)
{
    return (uint32_t)((name * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & guests->mask;
}

static uint32_t after(const iocp_guests *guests, uint32_t place)
{
    return (place + 1) & guests->mask;
}

static void insert(iocp_guests *guests, iocp_guest guest)
{
    uint32_t place = place_of(guests, guest.name);
    while (guests->entries[place].name != 0)
        place = after(guests, place);
    guests->entries[place] = guest;
    guests->count++;
}

static int grow(iocp_guests *guests)
{
    const uint32_t former_count = guests->entries != NULL ? guests->mask + 1 : 0;
    const uint32_t entry_count = former_count > 0 ? former_count * 2 : ENTRIES_MIN;
    iocp_guests larger = {.entries = calloc(entry_count, sizeof *larger.entries), .mask = entry_count - 1};
    if (larger.entries == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < former_count; i++)
        if (guests->entries[i].name != 0)
            insert(&larger, guests->entries[i]);
    free(guests->entries);
    *guests = larger;
    return 0;
}

int iocp_guests_put(iocp_guests *guests, iocp_token name, uint32_t slot)
{
    if (guests->entries == NULL || guests->count * 2 > guests->mask) {
        const int result = grow(guests);
        if (result < 0)
            return result;
    }
    insert(guests, (iocp_guest){.name = name, .slot = slot});
    return 0;
}

static uint32_t entry_of(const iocp_guests *guests, iocp_token name)
{
    if (guests->count == 0)
        return IOCP_GUEST_NONE;
    for (uint32_t place = place_of(guests, name); guests->entries[place].name != 0; place = after(guests, place))
        if (guests->entries[place].name == name)
            return place;
    return IOCP_GUEST_NONE;
}

uint32_t iocp_guests_find(const iocp_guests *guests, iocp_token name)
{
    const uint32_t place = entry_of(guests, name);
    return place != IOCP_GUEST_NONE ? guests->entries[place].slot : IOCP_GUEST_NONE;
}

/* Those behind it that it kept from their places move up, so that no search ends too early. */
void iocp_guests_remove(iocp_guests *guests, iocp_token name)
{
    uint32_t hole = entry_of(guests, name);
    if (hole == IOCP_GUEST_NONE)
        return;
    for (uint32_t place = after(guests, hole); guests->entries[place].name != 0; place = after(guests, place)) {
        const uint32_t wanted = place_of(guests, guests->entries[place].name);
        if (((place - wanted) & guests->mask) < ((place - hole) & guests->mask))
            continue;
        guests->entries[hole] = guests->entries[place];
        hole = place;
    }
    guests->entries[hole] = (iocp_guest){0};
    guests->count--;
}

void iocp_guests_close(iocp_guests *guests)
{
    free(guests->entries);
    *guests = (iocp_guests){0};
}
