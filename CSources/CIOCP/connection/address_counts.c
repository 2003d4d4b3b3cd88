/* How many connections each address has, counted for a whole port. */
#include "address_counts.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/check.h"

int iocp_address_counts_open(iocp_address_counts *counts, uint64_t connection_count, uint32_t limit)
{
    *counts = (iocp_address_counts){.limit = limit};
    if (limit == 0)
        return 0;
    /* Twice the room that can be needed keeps probes short, and an entry to be found always is. */
    uint64_t size = 16;
    while (size < connection_count * 2)
        size *= 2;
    if (size > UINT32_MAX)
        return -ENOMEM;
    counts->entries = calloc(size, sizeof *counts->entries);
    if (counts->entries == NULL)
        return -ENOMEM;
    counts->mask = (uint32_t)size - 1;
    pthread_mutex_init(&counts->lock, NULL);
    return 0;
}

void iocp_address_counts_close(iocp_address_counts *counts)
{
    if (counts->entries == NULL)
        return;
    pthread_mutex_destroy(&counts->lock);
    free(counts->entries);
    counts->entries = NULL;
}

iocp_address_key iocp_address_key_of(const iocp_address *address)
{
    /* RFC 4291, 2.5.5.2: an IPv4 peer of a dual-stack listener is that IPv4 address, not one /64 for all of them. */
    static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};
    const bool mapped = address->family_is_v6 && memcmp(address->bytes, mapped_prefix, sizeof mapped_prefix) == 0;
    if (address->family_is_v6 && !mapped) {
        uint64_t prefix;
        memcpy(&prefix, address->bytes, sizeof prefix);
        return prefix != 0 ? be64toh(prefix) : 1;
    }
    uint32_t host;
    memcpy(&host, mapped ? address->bytes + 12 : address->bytes, sizeof host);
    /* 0:1:a.b.c.d::/64 and, for ::/64, 0:0:0:1::/64 are no peer's: RFC 4291, 2.4, reserves 0000::/8. */
    return UINT64_C(1) << 32 | be32toh(host);
}

static uint32_t home(const iocp_address_counts *counts, iocp_address_key key)
{
    const uint64_t mixed = key * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mixed >> 32) & counts->mask;
}

/* Where the key stands, or the free place where it would. */
static uint32_t find(const iocp_address_counts *counts, iocp_address_key key)
{
    uint32_t at = home(counts, key);
    while (counts->entries[at].key != 0 && counts->entries[at].key != key)
        at = (at + 1) & counts->mask;
    return at;
}

bool iocp_address_counts_take(iocp_address_counts *counts, iocp_address_key key)
{
    pthread_mutex_lock(&counts->lock);
    iocp_address_count *place = &counts->entries[find(counts, key)];
    const bool taken = place->count < counts->limit;
    if (taken) {
        place->key = key;
        place->count++;
    }
    pthread_mutex_unlock(&counts->lock);
    return taken;
}

/* Knuth, TAOCP 3, 6.4, algorithm R: what follows a freed place moves up, so that no search ends at the gap and no
 * dead places pile up under a stream of ever new addresses. */
static void remove_at(iocp_address_counts *counts, uint32_t gap)
{
    uint32_t at = gap;
    for (;;) {
        counts->entries[gap] = (iocp_address_count){0};
        for (;;) {
            at = (at + 1) & counts->mask;
            if (counts->entries[at].key == 0)
                return;
            const uint32_t from_home = (at - home(counts, counts->entries[at].key)) & counts->mask;
            if (from_home >= ((at - gap) & counts->mask))
                break; /* its home lies at or before the gap: it may move there */
        }
        counts->entries[gap] = counts->entries[at];
        gap = at;
    }
}

void iocp_address_counts_release(iocp_address_counts *counts, iocp_address_key key)
{
    pthread_mutex_lock(&counts->lock);
    const uint32_t at = find(counts, key);
    IOCP_CHECK(counts->entries[at].count > 0, "an address was counted down twice");
    if (--counts->entries[at].count == 0)
        remove_at(counts, at);
    pthread_mutex_unlock(&counts->lock);
}
