/* Servers, clients and their targets: made, shared, loaded anew and freed. */
#include "context.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* --- generations ------------------------------------------------------------------------------------------------- */

iocp_tls_generation *iocp_tls_generation_now(iocp_tls_context *context)
{
    pthread_mutex_lock(&context->lock);
    iocp_tls_generation *generation = context->generation;
    atomic_fetch_add_explicit(&generation->references, 1, memory_order_relaxed);
    pthread_mutex_unlock(&context->lock);
    return generation;
}

void iocp_tls_generation_release(iocp_tls_generation *generation)
{
    if (generation == NULL || atomic_fetch_sub_explicit(&generation->references, 1, memory_order_acq_rel) > 1)
        return;
    for (uint32_t i = 0; i < generation->count; i++)
        SSL_CTX_free(generation->contexts[i]);
    free(generation);
}

/* One that is for the same names and has a key of another kind: clients that take no ECDSA are given RSA. */
static SSL_CTX *complemented(const iocp_tls_generation *generation, SSL_CTX *made)
{
    X509 *certificate = SSL_CTX_get0_certificate(made);
    for (uint32_t i = 0; i < generation->count; i++)
        if (iocp_tls_complements(SSL_CTX_get0_certificate(generation->contexts[i]), certificate))
            return generation->contexts[i];
    return NULL;
}

static int add(iocp_tls_generation *generation, const iocp_tls_settings *settings, const iocp_tls_identity *identity,
               iocp_tls_context *context, iocp_tls_failure *failure)
{
    SSL_CTX *made = iocp_tls_make(settings, identity, context, failure);
    if (made == NULL)
        return -EINVAL;
    SSL_CTX *other = identity != NULL ? complemented(generation, made) : NULL;
    if (other == NULL) {
        generation->contexts[generation->count++] = made;
        return 0;
    }
    SSL_CTX_free(made);
    return iocp_tls_add_identity(other, identity, failure);
}

static int load(const iocp_tls_settings *settings, iocp_tls_context *context, iocp_tls_generation **loaded,
                iocp_tls_failure *failure)
{
    if (context->is_server && settings->identity_count == 0) {
        iocp_tls_say(failure, "a server needs a certificate");
        return -EINVAL;
    }
    const uint32_t places = settings->identity_count > 0 ? settings->identity_count : 1;
    iocp_tls_generation *generation = calloc(1, sizeof *generation + places * sizeof(SSL_CTX *));
    if (generation == NULL)
        return -ENOMEM;
    atomic_init(&generation->references, 1);
    int result = 0;
    const uint32_t count = context->is_server ? places : 1;
    for (uint32_t i = 0; i < count && result == 0; i++)
        result = add(generation, settings, settings->identity_count > 0 ? &settings->identities[i] : NULL, context, failure);
    if (result == 0)
        *loaded = generation;
    else
        iocp_tls_generation_release(generation);
    return result;
}

/* --- contexts ---------------------------------------------------------------------------------------------------- */

void iocp_tls_retain(void *context)
{
    atomic_fetch_add_explicit(&((iocp_tls_context *)context)->references, 1, memory_order_relaxed);
}

void iocp_tls_release(void *shared)
{
    iocp_tls_context *context = shared;
    if (context == NULL || atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) > 1)
        return;
    iocp_tls_generation_release(context->generation);
    iocp_tls_drop_sessions(context);
    if (context->key_log != NULL)
        fclose(context->key_log);
    OPENSSL_cleanse(&context->tickets, sizeof context->tickets);
    pthread_mutex_destroy(&context->lock);
    free(context->protocols);
    free(context->name);
    free(context->session_name);
    iocp_tls_release(context->client);
    free(context);
}

static iocp_tls_context *allocate(void)
{
    iocp_tls_context *context = calloc(1, sizeof *context);
    if (context == NULL)
        return NULL;
    atomic_init(&context->references, 1);
    pthread_mutex_init(&context->lock, NULL);
    return context;
}

static int copy_protocols(iocp_tls_context *context, const iocp_tls_settings *settings)
{
    if (settings->protocols_bytes == 0)
        return 0;
    context->protocols = malloc(settings->protocols_bytes);
    if (context->protocols == NULL)
        return -ENOMEM;
    memcpy(context->protocols, settings->protocols, settings->protocols_bytes);
    context->protocols_bytes = settings->protocols_bytes;
    return 0;
}

static int open_key_log(iocp_tls_context *context, const iocp_tls_settings *settings, iocp_tls_failure *failure)
{
    if (settings->key_log_path == NULL)
        return 0;
    context->key_log = fopen(settings->key_log_path, "ae");
    if (context->key_log != NULL)
        return 0;
    const int error = errno;
    snprintf(failure->words, sizeof failure->words, "the key log cannot be written: %s", strerror(error));
    return -error;
}

static int equip(iocp_tls_context *context, const iocp_tls_settings *settings, iocp_tls_failure *failure)
{
    context->beginning_max = settings->beginning_max;
    context->tickets.lifetime_s = settings->ticket_lifetime_s;
    if (!context->is_server) {
        context->sessions = calloc(IOCP_TLS_SESSIONS_MAX, sizeof *context->sessions);
        if (context->sessions == NULL)
            return -ENOMEM;
    }
    int result = copy_protocols(context, settings);
    if (result == 0)
        result = open_key_log(context, settings, failure);
    return result == 0 ? load(settings, context, &context->generation, failure) : result;
}

static int create(const iocp_tls_settings *settings, bool is_server, iocp_tls_context **made, iocp_tls_failure *failure)
{
    failure->words[0] = 0;
    iocp_tls_context *context = allocate();
    if (context == NULL)
        return -ENOMEM;
    context->is_server = is_server;
    const int result = equip(context, settings, failure);
    if (result < 0) {
        iocp_tls_release(context);
        return result;
    }
    *made = context;
    return 0;
}

int iocp_tls_server_create(const iocp_tls_settings *settings, iocp_tls_context **context, iocp_tls_failure *failure)
{
    return create(settings, true, context, failure);
}

int iocp_tls_client_create(const iocp_tls_settings *settings, iocp_tls_context **context, iocp_tls_failure *failure)
{
    return create(settings, false, context, failure);
}

int iocp_tls_server_reload(iocp_tls_context *context, const iocp_tls_settings *settings, iocp_tls_failure *failure)
{
    iocp_tls_generation *generation;
    failure->words[0] = 0;
    const int result = load(settings, context, &generation, failure);
    if (result < 0)
        return result;
    pthread_mutex_lock(&context->lock);
    iocp_tls_generation *before = context->generation;
    context->generation = generation;
    pthread_mutex_unlock(&context->lock);
    iocp_tls_generation_release(before);
    return 0;
}

/* --- targets ----------------------------------------------------------------------------------------------------- */

static bool is_address(const char *name)
{
    uint8_t address[16];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

iocp_tls_context *iocp_tls_target_create(iocp_tls_context *client, const char *name, uint16_t port)
{
    iocp_tls_context *target = allocate();
    if (target == NULL)
        return NULL;
    iocp_tls_retain(client);
    target->client = client;
    if (name == NULL)
        return target;
    const size_t capacity = strlen(name) + sizeof ":65535";
    target->is_address = is_address(name);
    target->name = strdup(name);
    target->session_name = malloc(capacity);
    if (target->name == NULL || target->session_name == NULL) {
        iocp_tls_release(target);
        return NULL;
    }
    snprintf(target->session_name, capacity, "%s:%u", name, port);
    return target;
}
