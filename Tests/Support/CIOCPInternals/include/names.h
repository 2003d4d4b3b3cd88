/* Names that resolve as a test says, in the whole process; every other name resolves as it does. */
#ifndef CIOCP_INTERNALS_NAMES_H
#define CIOCP_INTERNALS_NAMES_H

#include <stdint.h>

/* `host` has these numeric addresses, with spaces between, in this order; or, unless `error` is 0, getaddrinfo(3) answers
 * that EAI_ value (EAI_SYSTEM: with ECONNREFUSED). The answer takes delay_ms. Thread: any. */
void internals_name_set(const char *host, const char *addresses, int error, uint32_t delay_ms);

#endif
