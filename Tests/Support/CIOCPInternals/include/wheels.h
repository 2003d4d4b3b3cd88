/* The deadline wheel behind an opaque type: Swift would import its 4,096 bucket heads as one tuple. */
#ifndef CIOCP_INTERNALS_WHEELS_H
#define CIOCP_INTERNALS_WHEELS_H

#include "../../../../CSources/CIOCP/connection/deadlines.h"

typedef struct internals_wheel internals_wheel;

/* NULL without memory. */
internals_wheel *internals_wheel_create(uint32_t entry_count, uint32_t tick_bits, uint64_t now_ns);
void internals_wheel_destroy(internals_wheel *wheel);
void internals_wheel_arm(internals_wheel *wheel, uint32_t entry, uint64_t due_ns);
void internals_wheel_disarm(internals_wheel *wheel, uint32_t entry);
uint32_t internals_wheel_pop(internals_wheel *wheel, uint64_t now_ns);
uint64_t internals_wheel_wait_ns(const internals_wheel *wheel, uint64_t now_ns);
uint32_t internals_wheel_armed_count(const internals_wheel *wheel);

#endif
