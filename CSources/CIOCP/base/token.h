/* The 64-bit name of an operation: operation | slot | generation.
 *
 * A driver belongs to one worker, so where the public iocp_token of a connection has its worker, an operation's name has
 * its kind. The generation is compared before a slot is touched: a cancelled receive can complete after its slot was
 * taken over, and would hand one peer's bytes to another (guarantee G4). */
#ifndef IOCP_BASE_TOKEN_H
#define IOCP_BASE_TOKEN_H

#include <stdint.h>

#include "limits.h"

/* Append only; 0 marks completions nobody waits for. */
typedef enum iocp_operation : uint8_t {
    IOCP_OPERATION_NONE = 0,
    IOCP_OPERATION_ACCEPT = 2,
    IOCP_OPERATION_CONNECT = 3,
    IOCP_OPERATION_RECEIVE = 4,
    IOCP_OPERATION_SEND = 5,
    IOCP_OPERATION_SHUTDOWN = 6,
    IOCP_OPERATION_CANCEL = 7,
    IOCP_OPERATION_CLOSE = 8,
    IOCP_OPERATION_DRIVER = 9, /* a driver's own: wake-ups, ring commands */
    IOCP_OPERATION_WATCH = 10,
} iocp_operation;

#define IOCP_GENERATION_MASK ((UINT64_C(1) << IOCP_TOKEN_GENERATION_BITS) - 1)

static inline uint64_t iocp_token_join(uint32_t first, uint32_t slot, uint64_t generation)
{
    return ((uint64_t)first << IOCP_TOKEN_WORKER_SHIFT) | ((uint64_t)slot << IOCP_TOKEN_SLOT_SHIFT) |
           (generation & IOCP_GENERATION_MASK);
}

/* The name of an operation. */
static inline uint64_t iocp_token_make(iocp_operation operation, uint32_t slot, uint64_t generation)
{
    return iocp_token_join(operation, slot, generation);
}

static inline iocp_operation iocp_token_operation(uint64_t token)
{
    return (iocp_operation)(token >> IOCP_TOKEN_WORKER_SHIFT);
}

/* The same slot and generation under another operation. */
static inline uint64_t iocp_token_with(uint64_t token, iocp_operation operation)
{
    const uint64_t rest = (UINT64_C(1) << IOCP_TOKEN_WORKER_SHIFT) - 1;
    return (token & rest) | ((uint64_t)operation << IOCP_TOKEN_WORKER_SHIFT);
}

/* The connection that an operation is one of. */
static inline iocp_token iocp_token_connection(uint64_t operation, uint32_t worker)
{
    return iocp_token_join(worker, iocp_token_slot(operation), iocp_token_generation(operation));
}

/* Generation 0 is skipped, so that no token of a connection is ever all zero. */
static inline uint64_t iocp_generation_next(uint64_t generation)
{
    const uint64_t next = (generation + 1) & IOCP_GENERATION_MASK;
    return next == 0 ? 1 : next;
}

#endif
