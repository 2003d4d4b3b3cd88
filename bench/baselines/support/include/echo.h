/* The echo of one non-blocking connection, the same for every readiness model. */
#ifndef ECHO_H
#define ECHO_H

#include <stdint.h>

/* What one read takes at most, and so what one connection can owe its peer. */
enum { ECHO_BUFFER_BYTES = 64 * 1024 };

struct echo_pending;

/* State of a connection; all zero is a fresh one. Unsent bytes exist only while the peer reads
 * slower than it writes, so an idle or busy connection costs these eight bytes and no allocation. */
typedef struct echo_connection {
    struct echo_pending *pending;
} echo_connection;

typedef enum echo_state {
    ECHO_DRAINED, /* nothing left to read for now */
    ECHO_MORE,    /* the read filled the buffer: there may be more */
    ECHO_BLOCKED, /* bytes wait for the peer to read; reading stops until they are gone */
    ECHO_ENDED,   /* the peer closed or failed: close the descriptor */
} echo_state;

/* Sends what is owed, then reads once and sends it back. Never loses a byte: what the socket does
 * not take is kept, at most ECHO_BUFFER_BYTES of it.
 * Thread: one thread per process, since the read buffer is shared. */
echo_state echo_step(echo_connection *connection, int fd);

/* Gives back what the connection owes; call before the descriptor is closed. */
void echo_forget(echo_connection *connection);

#endif
