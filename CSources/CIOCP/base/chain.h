/* Hands links from any thread to one owner: never full, and never waiting. A stack that anybody puts on, and that the owner takes
 * as a whole and turns around, so that what one thread put comes out in its order. Only an empty stack is put on with word that
 * the owner has to be woken. */
#ifndef IOCP_BASE_CHAIN_H
#define IOCP_BASE_CHAIN_H

#include <stdatomic.h>
#include <stdbool.h>

#include "limits.h"
#include "links.h"

typedef struct iocp_chain {
    _Alignas(IOCP_CACHE_LINE_BYTES) _Atomic(iocp_link *) newest; /* of those that were put; or itself: closed */
    _Alignas(IOCP_CACHE_LINE_BYTES) iocp_links taken;            /* the owner's, the oldest first */
} iocp_chain;

_Static_assert(offsetof(iocp_chain, taken) == IOCP_CACHE_LINE_BYTES, "what others put on is not the owner's line");

typedef enum iocp_chain_put_result { IOCP_CHAIN_CLOSED, IOCP_CHAIN_WAKE, IOCP_CHAIN_BEHIND } iocp_chain_put_result;

/* No link lies at its address. */
static inline iocp_link *iocp_chain_closed_mark(iocp_chain *chain)
{
    return (iocp_link *)chain;
}

/* CLOSED: the link stays the caller's. Otherwise the owner may have it, and be done with it, by now. Thread: any. */
static inline iocp_chain_put_result iocp_chain_put(iocp_chain *chain, iocp_link *link)
{
    iocp_link *newest = atomic_load_explicit(&chain->newest, memory_order_relaxed);
    do {
        if (newest == iocp_chain_closed_mark(chain))
            return IOCP_CHAIN_CLOSED;
        link->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&chain->newest, &newest, link, memory_order_release,
                                                    memory_order_relaxed));
    return newest == NULL ? IOCP_CHAIN_WAKE : IOCP_CHAIN_BEHIND;
}

/* --- the owner's ---------------------------------------------------------------------------------------------- */

static inline void iocp_chain_keep_all(iocp_chain *chain, iocp_link *newest)
{
    iocp_link *turned = NULL;
    while (newest != NULL) {
        iocp_link *before = newest->next;
        newest->next = turned;
        turned = newest;
        newest = before;
    }
    while (turned != NULL) {
        iocp_link *next = turned->next;
        iocp_links_put(&chain->taken, turned);
        turned = next;
    }
}

/* The oldest that is there, which stays there; NULL: none. */
static inline iocp_link *iocp_chain_first(iocp_chain *chain)
{
    if (chain->taken.first == NULL) {
        iocp_link *newest = atomic_load_explicit(&chain->newest, memory_order_relaxed);
        if (newest == NULL || newest == iocp_chain_closed_mark(chain))
            return NULL;
        iocp_chain_keep_all(chain, atomic_exchange_explicit(&chain->newest, NULL, memory_order_acquire));
    }
    return chain->taken.first;
}

/* Removes the first. */
static inline iocp_link *iocp_chain_take(iocp_chain *chain)
{
    return iocp_chain_first(chain) != NULL ? iocp_links_take(&chain->taken) : NULL;
}

/* Whether something was put that the owner has not seen. */
static inline bool iocp_chain_has_new(const iocp_chain *chain)
{
    const iocp_link *newest = atomic_load_explicit(&chain->newest, memory_order_relaxed);
    return newest != NULL && newest != (const iocp_link *)chain;
}

static inline bool iocp_chain_has(const iocp_chain *chain)
{
    return chain->taken.first != NULL || iocp_chain_has_new(chain);
}

/* Takes nothing more, if it has nothing. Returns whether it is closed. */
static inline bool iocp_chain_close_empty(iocp_chain *chain)
{
    iocp_link *none = NULL;
    if (chain->taken.first != NULL)
        return false;
    return atomic_compare_exchange_strong_explicit(&chain->newest, &none, iocp_chain_closed_mark(chain),
                                                   memory_order_acq_rel, memory_order_acquire) ||
           none == iocp_chain_closed_mark(chain);
}

/* Takes nothing more. What was put, and not taken, is still to be taken. Again, it does nothing. */
static inline void iocp_chain_close(iocp_chain *chain)
{
    iocp_link *newest = atomic_exchange_explicit(&chain->newest, iocp_chain_closed_mark(chain), memory_order_acq_rel);
    if (newest != iocp_chain_closed_mark(chain))
        iocp_chain_keep_all(chain, newest);
}

#endif
