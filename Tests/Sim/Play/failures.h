/* Which errors the played kernel gave, by operation, and which it can give. */
#ifndef SIM_FAILURES_H
#define SIM_FAILURES_H

#include <stdbool.h>
#include <stdint.h>

enum { FAILURES_OPERATIONS = 16, FAILURES_ERRORS = 134 };

/* How often each was given. */
typedef struct failures {
    uint32_t counts[FAILURES_OPERATIONS][FAILURES_ERRORS];
} failures;

/* `operation` as in iocp_sim_observer.failed. An operation or error beyond the table ends the process. */
void failures_count(failures *failures, const char *operation, int error);
void failures_add(failures *sum, const failures *part);

/* Names on stderr each pair that was never given although it can be, and each that was given although it is in no
 * table. Returns whether there was none. */
bool failures_complete(const failures *failures);

#endif
