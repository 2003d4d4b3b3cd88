/* How many connections each peer address has, over all workers of a port.
 *
 * Used only where a limit is configured, and only when connections open and close; so a lock is fair. IPv6 peers are
 * counted by /64, the least a household is given: one host can take any address in it. */
#ifndef IOCP_CONNECTION_ADDRESS_COUNTS_H
#define IOCP_CONNECTION_ADDRESS_COUNTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "../include/iocp_system.h"

/* What is counted as one: an IPv4 address or an IPv6 /64, as one number. 0: none. */
typedef uint64_t iocp_address_key;

typedef struct iocp_address_count {
    iocp_address_key key;
    uint32_t count;
} iocp_address_count;

typedef struct iocp_address_counts {
    pthread_mutex_t lock;
    iocp_address_count *entries; /* open addressing; NULL where no limit is configured */
    uint32_t mask;
    uint32_t limit;
} iocp_address_counts;

/* Room for `connection_count` different addresses; limit 0 opens nothing. Returns 0 or -ENOMEM. */
int iocp_address_counts_open(iocp_address_counts *counts, uint64_t connection_count, uint32_t limit);
void iocp_address_counts_close(iocp_address_counts *counts);

iocp_address_key iocp_address_key_of(const iocp_address *address);

/* Counts a connection. Returns false at the limit. Thread: any. O(1) expected, as is release. */
bool iocp_address_counts_take(iocp_address_counts *counts, iocp_address_key key);
void iocp_address_counts_release(iocp_address_counts *counts, iocp_address_key key);

#endif
