/* What a server or a client has for all its connections. */
#ifndef IOCP_TLS_CONTEXT_H
#define IOCP_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "include/iocp_tls.h"

/* What one load of the settings gave: an SSL_CTX for each identity. It lives as long as a connection that began with it. */
typedef struct iocp_tls_generation {
    _Atomic uint32_t references;
    uint32_t count;
    SSL_CTX *contexts[]; /* a client has one */
} iocp_tls_generation;

/* A ticket key, and since when it seals. */
typedef struct iocp_tls_ticket_key {
    uint8_t bytes[IOCP_TLS_TICKET_KEY_BYTES];
    uint64_t since_s;
} iocp_tls_ticket_key;

/* The first seals, all open. */
typedef struct iocp_tls_ticket_keys {
    iocp_tls_ticket_key keys[IOCP_TLS_TICKET_KEYS_MAX];
    uint32_t count;
    uint32_t lifetime_s; /* 0: they are given from outside, and stay */
} iocp_tls_ticket_keys;

enum { IOCP_TLS_SESSIONS_MAX = 256 };

/* A session that a client may go on with. */
typedef struct iocp_tls_session {
    char *name;
    SSL_SESSION *session;
} iocp_tls_session;

struct iocp_tls_context {
    _Atomic uint32_t references;
    pthread_mutex_t lock; /* of what follows; taken once or twice a handshake */
    iocp_tls_generation *generation;
    iocp_tls_ticket_keys tickets;
    iocp_tls_session *sessions; /* a client's: IOCP_TLS_SESSIONS_MAX places, by a hash of the name */
    FILE *key_log;
    /* constant */
    bool is_server;
    uint32_t beginning_max;
    _Atomic uint32_t beginning;
    uint8_t *protocols; /* a server's choice among them: the best first */
    uint32_t protocols_bytes;
    /* of a target: */
    iocp_tls_context *client; /* whose it is; NULL for a context of its own */
    char *name;
    char *session_name; /* with the port */
    bool is_address;
};

/* The generation in force, with a reference for the caller. */
iocp_tls_generation *iocp_tls_generation_now(iocp_tls_context *context);
void iocp_tls_generation_release(iocp_tls_generation *generation);

/* Of what a connection belongs to: the context with the keys, sessions and counts. */
static inline iocp_tls_context *iocp_tls_owner(iocp_tls_context *context)
{
    return context->client != NULL ? context->client : context;
}

/* --- settings.c: one SSL_CTX as the settings have it ----------------------------------------------------------- */

/* NULL with words where OpenSSL refused something. identity may be NULL, a client's. */
SSL_CTX *iocp_tls_make(const iocp_tls_settings *settings, const iocp_tls_identity *identity, iocp_tls_context *context,
                       iocp_tls_failure *failure);

/* One more certificate of another kind of key. Returns 0 or -EINVAL. */
int iocp_tls_add_identity(SSL_CTX *made, const iocp_tls_identity *identity, iocp_tls_failure *failure);

void iocp_tls_say(iocp_tls_failure *failure, const char *what);

/* --- names.c: which identity serves a name ------------------------------------------------------------------- */

/* The callback of SNI; the argument is not used. */
int iocp_tls_choose(SSL *ssl, int *alert, void *argument);

/* Whether two leaf certificates are for the same names, by keys of different kinds. */
bool iocp_tls_complements(X509 *one, X509 *other);

/* --- tickets.c ------------------------------------------------------------------------------------------------ */

/* Sets the callback that seals and opens tickets with the context's keys. */
void iocp_tls_use_tickets(SSL_CTX *made);

/* --- sessions.c: what a client goes on with ------------------------------------------------------------------ */

/* Keeps sessions that servers hand out, by target. */
void iocp_tls_keep_sessions(SSL_CTX *made);
void iocp_tls_resume(SSL *ssl, iocp_tls_context *target);
void iocp_tls_drop_sessions(iocp_tls_context *context);

#endif
