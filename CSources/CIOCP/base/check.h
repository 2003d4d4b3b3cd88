/* Programmer errors trap, with a message that names the broken rule; operating errors are returned. */
#ifndef IOCP_BASE_CHECK_H
#define IOCP_BASE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define IOCP_CHECK(condition, message)                                                     \
    do {                                                                                   \
        if (__builtin_expect(!(condition), 0)) {                                           \
            fprintf(stderr, "iocp: %s (%s, %s:%d)\n", message, #condition, __FILE__, __LINE__); \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

#endif
