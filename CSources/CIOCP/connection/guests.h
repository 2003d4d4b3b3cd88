/* Connections that live here and were named by another worker: which slot has a name. */
#ifndef IOCP_CONNECTION_GUESTS_H
#define IOCP_CONNECTION_GUESTS_H

#include <stdint.h>

#include "../include/iocp_completion.h"

#define IOCP_GUEST_NONE UINT32_MAX

typedef struct iocp_guest {
    iocp_token name; /* 0: none */
    uint32_t slot;
} iocp_guest;

/* Open addressing with linear probing; at most half full. It grows, and never shrinks. */
typedef struct iocp_guests {
    iocp_guest *entries;
    uint32_t mask;
    uint32_t count;
} iocp_guests;

/* Returns 0, or -ENOMEM with the table unchanged. Amortised O(1), as are the others expected to be. */
int iocp_guests_put(iocp_guests *guests, iocp_token name, uint32_t slot);
void iocp_guests_remove(iocp_guests *guests, iocp_token name);
uint32_t iocp_guests_find(const iocp_guests *guests, iocp_token name);
void iocp_guests_close(iocp_guests *guests);

#endif
