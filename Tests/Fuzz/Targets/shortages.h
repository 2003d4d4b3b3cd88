/* A machine that runs short: the n-th request for memory or a descriptor is refused. Needs the linker's --wrap, which
 * fuzz.sh asks for; built without it, nothing is ever short, and nothing is counted. */
#ifndef FUZZ_SHORTAGES_H
#define FUZZ_SHORTAGES_H

#include <stdint.h>

/* Refuses one request, the `nth` from here on; 0: none. */
void shortages_begin(uint32_t nth);
void shortages_end(void);

/* What the core has mapped and not unmapped. */
uint64_t shortages_mapped_bytes(void);

#endif
