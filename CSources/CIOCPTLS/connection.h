/* TLS on one connection. */
#ifndef IOCP_TLS_CONNECTION_H
#define IOCP_TLS_CONNECTION_H

#include "context.h"
#include "records.h"

/* The alert of none. */
enum { IOCP_TLS_ALERT_NONE = -1 };

/* How many messages of the handshake's kind a peer may say, once it is open, for so many bytes of data: changes of keys and
 * tickets. A change of keys is short, costs both sides new keys, and wants an answer. Honest peers change keys after
 * gigabytes. */
enum { IOCP_TLS_CHATTER_MAX = 32, IOCP_TLS_CHATTER_WINDOW_BYTES = 64 * 1024 };

typedef struct iocp_tls_connection {
    SSL *ssl;
    iocp_tls_context *context; /* retained by the core */
    iocp_tls_generation *generation;
    iocp_worker *worker;
    iocp_token token;
    int (*write)(iocp_worker *worker, iocp_token token, const void *bytes, uint32_t count_bytes); /* iocp_layer_write */
    const uint8_t *source; /* what arrived and OpenSSL has not read; during a call alone */
    uint32_t source_bytes;
    uint32_t record_bytes; /* most that one record holds */
    uint32_t data_bytes;   /* that were opened since `chatter` was 0 */
    iocp_tls_records records;
    int16_t alert_received;
    int16_t alert_sent;
    uint8_t first_byte;
    uint8_t chatter; /* messages of the handshake's kind since it is open: at most one more than may be */
    bool has_first;
    bool is_open;
    bool is_counted; /* among those that begin */
    bool has_failed;
    bool has_finished;
} iocp_tls_connection;

static inline iocp_tls_connection *iocp_tls_connection_of(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

/* OpenSSL's view of the connection: it reads from `source`, and writes to the core. NULL without memory. */
BIO *iocp_tls_bio(iocp_tls_connection *connection);

/* Counts what the peer says besides data. */
void iocp_tls_watch(int is_sent, int version, int type, const void *bytes, size_t count_bytes, SSL *ssl, void *argument);

static inline bool iocp_tls_chatters(const iocp_tls_connection *connection)
{
    return connection->chatter > IOCP_TLS_CHATTER_MAX;
}

/* Notes alerts. */
void iocp_tls_note(const SSL *ssl, int where, int value);

/* Why OpenSSL failed, as a negated iocp_layer_failure. Clears the thread's error queue. */
int iocp_tls_why(iocp_tls_connection *connection);

#endif
