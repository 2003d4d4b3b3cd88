/* Session tickets (RFC 5077; RFC 8446, 4.6.1), sealed by keys that all workers of a server share. */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <time.h>

#include "connection.h"

enum { NAME_BYTES = 16, SEALING_KEY_BYTES = 32, MAC_KEY_BYTES = 32, IV_BYTES = 16 };
_Static_assert(NAME_BYTES + SEALING_KEY_BYTES + MAC_KEY_BYTES == IOCP_TLS_TICKET_KEY_BYTES, "a ticket key is these");

static uint64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

/* --- keys, under the lock ------------------------------------------------------------------------------------------ */

static bool add_key(iocp_tls_ticket_keys *tickets)
{
    iocp_tls_ticket_key made = {.since_s = now_s()};
    if (RAND_bytes(made.bytes, sizeof made.bytes) != 1)
        return false;
    const uint32_t kept = tickets->count < 2 ? tickets->count : 1;
    memmove(&tickets->keys[1], &tickets->keys[0], kept * sizeof tickets->keys[0]);
    tickets->keys[0] = made;
    tickets->count = kept + 1;
    return true;
}

/* The key that seals now. One seals for a lifetime, and opens for one more: so each ticket is good for as long as it says. */
static const iocp_tls_ticket_key *sealing_key(iocp_tls_ticket_keys *tickets)
{
    const bool due = tickets->count == 0 ||
                     (tickets->lifetime_s > 0 && now_s() - tickets->keys[0].since_s >= tickets->lifetime_s);
    if (due && !add_key(tickets))
        return NULL;
    return &tickets->keys[0];
}

static bool opens_still(const iocp_tls_ticket_keys *tickets, const iocp_tls_ticket_key *key)
{
    return tickets->lifetime_s == 0 || now_s() - key->since_s < 2 * (uint64_t)tickets->lifetime_s;
}

static const iocp_tls_ticket_key *opening_key(const iocp_tls_ticket_keys *tickets, const uint8_t *name)
{
    for (uint32_t i = 0; i < tickets->count; i++)
        if (memcmp(tickets->keys[i].bytes, name, NAME_BYTES) == 0 && opens_still(tickets, &tickets->keys[i]))
            return &tickets->keys[i];
    return NULL;
}

int iocp_tls_server_set_ticket_keys(iocp_tls_context *context, const uint8_t *keys, uint32_t key_count)
{
    if (key_count == 0 || key_count > IOCP_TLS_TICKET_KEYS_MAX)
        return -EINVAL;
    pthread_mutex_lock(&context->lock);
    context->tickets = (iocp_tls_ticket_keys){.count = key_count};
    for (uint32_t i = 0; i < key_count; i++)
        memcpy(context->tickets.keys[i].bytes, keys + (size_t)i * IOCP_TLS_TICKET_KEY_BYTES, IOCP_TLS_TICKET_KEY_BYTES);
    pthread_mutex_unlock(&context->lock);
    return 0;
}

/* --- the callback -------------------------------------------------------------------------------------------------- */

static bool set_mac(EVP_MAC_CTX *mac, const iocp_tls_ticket_key *key)
{
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(key->bytes + NAME_BYTES + SEALING_KEY_BYTES),
                                          MAC_KEY_BYTES),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): -1 is an error, 0 no ticket, 1 done, 2 done and to be renewed. */
static int seal_or_open(SSL *ssl, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seals)
{
    iocp_tls_context *context = iocp_tls_connection_of(ssl)->context;
    iocp_tls_ticket_key key;
    bool newest = true;
    pthread_mutex_lock(&context->lock);
    const iocp_tls_ticket_key *sealing = sealing_key(&context->tickets);
    const iocp_tls_ticket_key *found = seals ? sealing : opening_key(&context->tickets, name);
    if (found != NULL) {
        key = *found;
        newest = found == sealing;
    }
    pthread_mutex_unlock(&context->lock);
    if (found == NULL)
        return seals ? -1 : 0;
    if (seals) {
        memcpy(name, key.bytes, NAME_BYTES);
        if (RAND_bytes(iv, IV_BYTES) != 1)
            return -1;
    }
    const uint8_t *cipher_key = key.bytes + NAME_BYTES;
    const bool set = set_mac(mac, &key) && EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, cipher_key, iv, seals) == 1;
    OPENSSL_cleanse(&key, sizeof key);
    if (!set)
        return -1;
    /* In TLS 1.3 a ticket is used once, and a new one follows it. */
    const bool renews = !seals && (!newest || SSL_version(ssl) == TLS1_3_VERSION);
    return renews ? 2 : 1;
}

void iocp_tls_use_tickets(SSL_CTX *made)
{
    SSL_CTX_set_tlsext_ticket_key_evp_cb(made, seal_or_open);
}
