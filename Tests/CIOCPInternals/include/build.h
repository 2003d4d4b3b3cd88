/* How the code under test was built. */
#ifndef CIOCP_INTERNALS_BUILD_H
#define CIOCP_INTERNALS_BUILD_H

/* "address" or "thread", or NULL without a sanitizer. */
const char *internals_sanitizer(void);

#endif
