/* Sessions that a client goes on with: the latest of each target, in as many places as there are. */
#include <stdlib.h>
#include <string.h>

#include "connection.h"

/* FNV-1a. */
static iocp_tls_session *place_of(iocp_tls_context *context, const char *name)
{
    uint32_t hash = 2166136261u;
    for (const char *at = name; *at != 0; at++)
        hash = (hash ^ (uint8_t)*at) * 16777619u;
    return &context->sessions[hash % IOCP_TLS_SESSIONS_MAX];
}

static void empty(iocp_tls_session *place)
{
    free(place->name);
    SSL_SESSION_free(place->session);
    *place = (iocp_tls_session){0};
}

/* Returns 1 where it keeps the session. */
static int keep(SSL *ssl, SSL_SESSION *session)
{
    iocp_tls_context *target = iocp_tls_connection_of(ssl)->context;
    if (target->session_name == NULL)
        return 0;
    iocp_tls_context *owner = iocp_tls_owner(target);
    char *name = strdup(target->session_name);
    if (name == NULL)
        return 0;
    pthread_mutex_lock(&owner->lock);
    iocp_tls_session *place = place_of(owner, name);
    empty(place);
    *place = (iocp_tls_session){.name = name, .session = session};
    pthread_mutex_unlock(&owner->lock);
    return 1;
}

void iocp_tls_keep_sessions(SSL_CTX *made)
{
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(made, keep);
}

void iocp_tls_resume(SSL *ssl, iocp_tls_context *target)
{
    if (target->session_name == NULL)
        return;
    iocp_tls_context *owner = iocp_tls_owner(target);
    pthread_mutex_lock(&owner->lock);
    const iocp_tls_session *place = place_of(owner, target->session_name);
    const bool known = place->name != NULL && strcmp(place->name, target->session_name) == 0;
    if (known && SSL_SESSION_is_resumable(place->session))
        SSL_set_session(ssl, place->session);
    pthread_mutex_unlock(&owner->lock);
}

void iocp_tls_drop_sessions(iocp_tls_context *context)
{
    for (uint32_t i = 0; context->sessions != NULL && i < IOCP_TLS_SESSIONS_MAX; i++)
        empty(&context->sessions[i]);
    free(context->sessions);
}
