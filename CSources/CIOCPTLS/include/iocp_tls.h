/* TLS as a layer of the core (iocp_layer.h), by OpenSSL 3: bytes in, bytes out.
 *
 * A context is what a server, or a client, has for all its connections. It is shared by the workers, counted, and safe on any
 * thread; nothing on the message path takes its lock. Every text is UTF-8 and need not outlive the call. */
#ifndef IOCP_TLS_H
#define IOCP_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iocp_layer.h"

/* One line that says what was refused. */
typedef struct iocp_tls_failure {
    char words[256];
} iocp_tls_failure;

/* A run of bytes, as text of PEM; NULL for none. */
typedef struct iocp_tls_bytes {
    const char *start;
    size_t count_bytes;
} iocp_tls_bytes;

/* A certificate, those that vouch for it behind it, and its key. */
typedef struct iocp_tls_identity {
    iocp_tls_bytes certificates;
    iocp_tls_bytes key;
    const char *passphrase; /* of an encrypted key; NULL for none */
    const char *name;       /* what failures call it; NULL for none */
} iocp_tls_identity;

/* Append only. */
typedef enum iocp_tls_version : uint8_t {
    IOCP_TLS_1_2 = 0,
    IOCP_TLS_1_3 = 1,
} iocp_tls_version;

/* Whether a server asks for certificates of its clients. Append only. */
typedef enum iocp_tls_demand : uint8_t {
    IOCP_TLS_ASKS_NONE = 0,
    IOCP_TLS_ASKS = 1,     /* one that is sent has to be trusted */
    IOCP_TLS_REQUIRES = 2,
} iocp_tls_demand;

typedef struct iocp_tls_settings {
    const iocp_tls_identity *identities; /* a server's: which one is chosen by the names in the certificates, the first where
                                          * none fits or none is asked for; a client's: the first, if it has one */
    uint32_t identity_count;
    iocp_tls_bytes trusted;              /* certificates that may vouch for a peer's */
    bool trusts_system;                  /* and those of the system */
    bool trusts_anybody;                 /* a client's: no certificate is verified */
    iocp_tls_demand demand;              /* a server's */
    iocp_tls_version least;
    const char *ciphers;                 /* of TLS 1.2, as OpenSSL's ciphers(1) has them; NULL: Mozilla's intermediate list */
    const char *suites;                  /* of TLS 1.3; likewise */
    const char *groups;                  /* for the key exchange; NULL: X25519, P-256, P-384 */
    const uint8_t *protocols;            /* ALPN, each behind its length, the best first */
    uint32_t protocols_bytes;
    bool gives_tickets;                  /* a server's: clients may come back without a full handshake */
    uint32_t ticket_lifetime_s;          /* and for how long; keys change as often */
    uint32_t beginning_max;              /* handshakes at a time; 0: no limit */
    const char *key_log_path;            /* secrets of every connection are appended here, for debugging alone; NULL: none */
} iocp_tls_settings;

typedef struct iocp_tls_context iocp_tls_context;

/* Each returns 0, or -errno with words: -EINVAL for what OpenSSL refused, -ENOMEM. The context has one reference, the
 * caller's. */
int iocp_tls_server_create(const iocp_tls_settings *settings, iocp_tls_context **context, iocp_tls_failure *failure);
int iocp_tls_client_create(const iocp_tls_settings *settings, iocp_tls_context **context, iocp_tls_failure *failure);

void iocp_tls_retain(void *context);
void iocp_tls_release(void *context);

/* Other identities, trust and ciphers for connections from now on; those that are open go on with theirs. Tickets stay
 * good where the same is asked of clients. */
int iocp_tls_server_reload(iocp_tls_context *context, const iocp_tls_settings *settings, iocp_tls_failure *failure);

/* Bytes of a ticket key: a name of 16, and keys for AES-256 and HMAC-SHA-256. */
enum { IOCP_TLS_TICKET_KEY_BYTES = 80, IOCP_TLS_TICKET_KEYS_MAX = 8 };

/* Keys that several machines share, instead of keys of its own: the first seals, all open. -EINVAL for none, or too many. */
int iocp_tls_server_set_ticket_keys(iocp_tls_context *context, const uint8_t *keys, uint32_t key_count);

/* Whom a client connects to: a name that its certificate must have, and that is sent as SNI; or an address. The target is a
 * context of its own, with one reference. NULL without memory. */
iocp_tls_context *iocp_tls_target_create(iocp_tls_context *client, const char *name, uint16_t port);

/* The kind of a server's layer, and of a client's target. Static storage. */
const iocp_layer_kind *iocp_tls_server_layer(void);
const iocp_layer_kind *iocp_tls_client_layer(void);

/* What is known of an open connection. The texts are valid until it closes, or the worker's next wait; "" for none. */
typedef struct iocp_tls_description {
    const char *version;     /* "TLSv1.3" */
    const char *cipher;
    const char *protocol;    /* ALPN, not ended by NUL: */
    uint32_t protocol_bytes;
    const char *server_name; /* that the client asked for */
    bool is_resumed;
} iocp_tls_description;

/* Returns 0, or -ENOTCONN for a connection without TLS, or that is not this thread's. Thread: the worker's. */
int iocp_tls_describe(iocp_worker *worker, iocp_token connection, iocp_tls_description *description);

/* The peer's certificate as DER, to be freed by iocp_tls_free; NULL with a count of 0 where it sent none. Returns as
 * above, or -ENOMEM. */
int iocp_tls_peer_certificate(iocp_worker *worker, iocp_token connection, uint8_t **der, size_t *count_bytes);

/* What a certificate says, as text lines: its subject (RFC 2253) first, then each name of subjectAltName with its kind:
 * "DNS:a.example", "IP:192.0.2.1", "URI:spiffe://...", "email:a@b". To be freed by iocp_tls_free; NULL for bytes that are
 * no certificate. */
char *iocp_tls_certificate_names(const uint8_t *der, size_t count_bytes);

void iocp_tls_free(void *memory);

/* The version of OpenSSL that runs. */
const char *iocp_tls_library(void);

#endif
