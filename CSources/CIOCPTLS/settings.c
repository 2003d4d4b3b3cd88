/* One SSL_CTX, as the settings have it. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "connection.h"

/* Mozilla's intermediate lists (https://wiki.mozilla.org/Security/Server_Side_TLS, version 5.7): forward secrecy
 * and authenticated encryption alone. */
static const char INTERMEDIATE_CIPHERS[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

static const char INTERMEDIATE_SUITES[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

static const char GROUPS[] = "X25519:P-256:P-384";

/* --- PEM --------------------------------------------------------------------------------------------------------- */

static BIO *reader(iocp_tls_bytes bytes)
{
    if (bytes.start == NULL || bytes.count_bytes > INT32_MAX)
        return NULL;
    return BIO_new_mem_buf(bytes.start, (int)bytes.count_bytes);
}

/* Never asks a terminal. */
static int give_passphrase(char *target, int capacity, int writes, void *passphrase)
{
    (void)writes;
    const size_t count = passphrase != NULL ? strlen(passphrase) : 0;
    if (count == 0 || count > (size_t)capacity)
        return -1;
    memcpy(target, passphrase, count);
    return (int)count;
}

static bool is_at_end_of_pem(void)
{
    const unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

/* Calls `take` with each certificate, which it owns then, until it returns 0. Returns how many there were; 0 for none, or
 * where one cannot be read. */
static int each_certificate(iocp_tls_bytes bytes, int (*take)(void *target, X509 *certificate, int index), void *target)
{
    BIO *bio = reader(bytes);
    int count = 0;
    bool good = bio != NULL;
    while (good) {
        X509 *certificate = PEM_read_bio_X509(bio, NULL, give_passphrase, NULL);
        if (certificate == NULL)
            break;
        good = take(target, certificate, count++);
    }
    good = good && count > 0 && is_at_end_of_pem();
    if (good)
        ERR_clear_error();
    BIO_free(bio);
    return good ? count : 0;
}

/* --- identity ---------------------------------------------------------------------------------------------------- */

static int take_chain(void *target, X509 *certificate, int index)
{
    SSL_CTX *made = target;
    const int taken = index == 0 ? SSL_CTX_use_certificate(made, certificate) : SSL_CTX_add0_chain_cert(made, certificate);
    if (index == 0 || taken != 1)
        X509_free(certificate);
    return taken;
}

static int add_identity(SSL_CTX *made, const iocp_tls_identity *identity, iocp_tls_failure *failure)
{
    if (each_certificate(identity->certificates, take_chain, made) == 0) {
        iocp_tls_say(failure, "the certificate cannot be read: it is no PEM, or not one that OpenSSL takes");
        return -EINVAL;
    }
    BIO *bio = reader(identity->key);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, (void *)identity->passphrase) : NULL;
    BIO_free(bio);
    if (key == NULL) {
        iocp_tls_say(failure, identity->passphrase != NULL
                                  ? "the key cannot be read: it is no PEM, or the passphrase is wrong"
                                  : "the key cannot be read: it is no PEM, or it is encrypted and needs a passphrase");
        return -EINVAL;
    }
    const bool fits = SSL_CTX_use_PrivateKey(made, key) == 1 && SSL_CTX_check_private_key(made) == 1;
    EVP_PKEY_free(key);
    if (!fits)
        iocp_tls_say(failure, "the key is not that of the certificate");
    return fits ? 0 : -EINVAL;
}

int iocp_tls_add_identity(SSL_CTX *made, const iocp_tls_identity *identity, iocp_tls_failure *failure)
{
    iocp_tls_failure why;
    if (add_identity(made, identity, &why) == 0)
        return 0;
    snprintf(failure->words, sizeof failure->words, "%.100s%s%.150s", identity->name != NULL ? identity->name : "",
             identity->name != NULL ? ": " : "", why.words);
    return -EINVAL;
}

/* --- trust ------------------------------------------------------------------------------------------------------- */

static int take_trusted(void *target, X509 *certificate, int index)
{
    (void)index;
    SSL_CTX *made = target;
    const int taken = X509_STORE_add_cert(SSL_CTX_get_cert_store(made), certificate);
    /* A client is told whose certificates its server takes. */
    const int named = taken == 1 ? SSL_CTX_add_client_CA(made, certificate) : 0;
    X509_free(certificate);
    return taken == 1 && named == 1;
}

static bool trust(SSL_CTX *made, const iocp_tls_settings *settings, iocp_tls_failure *failure)
{
    if (settings->trusted.start != NULL && each_certificate(settings->trusted, take_trusted, made) == 0) {
        iocp_tls_say(failure, "the trusted certificates cannot be read");
        return false;
    }
    if (settings->trusts_system && SSL_CTX_set_default_verify_paths(made) != 1) {
        iocp_tls_say(failure, "the certificates that the system trusts cannot be read");
        return false;
    }
    return true;
}

static int verify_mode(const iocp_tls_settings *settings, const iocp_tls_context *context)
{
    if (!context->is_server)
        return settings->trusts_anybody ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    switch (settings->demand) {
    case IOCP_TLS_ASKS:
        return SSL_VERIFY_PEER;
    case IOCP_TLS_REQUIRES:
        return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    case IOCP_TLS_ASKS_NONE:
        break;
    }
    return SSL_VERIFY_NONE;
}

/* --- protocol ---------------------------------------------------------------------------------------------------- */

/* The server's choice is the first of its own that the client speaks. Without one in common the handshake fails: RFC 7301,
 * 3.2. */
static int choose_protocol(SSL *ssl, const uint8_t **chosen, uint8_t *chosen_bytes, const uint8_t *offered,
                           unsigned offered_bytes, void *argument)
{
    (void)argument;
    const iocp_tls_context *context = iocp_tls_connection_of(ssl)->context;
    uint8_t *found;
    if (SSL_select_next_proto(&found, chosen_bytes, context->protocols, context->protocols_bytes, offered, offered_bytes) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

static bool negotiate(SSL_CTX *made, const iocp_tls_settings *settings, iocp_tls_failure *failure)
{
    const int least = settings->least == IOCP_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    const char *ciphers = settings->ciphers != NULL ? settings->ciphers : INTERMEDIATE_CIPHERS;
    if (SSL_CTX_set_min_proto_version(made, least) != 1 || SSL_CTX_set_cipher_list(made, ciphers) != 1) {
        iocp_tls_say(failure, "the ciphers are none that OpenSSL knows");
        return false;
    }
    if (SSL_CTX_set_ciphersuites(made, settings->suites != NULL ? settings->suites : INTERMEDIATE_SUITES) != 1) {
        iocp_tls_say(failure, "the suites of TLS 1.3 are none that OpenSSL knows");
        return false;
    }
    if (SSL_CTX_set1_groups_list(made, settings->groups != NULL ? settings->groups : GROUPS) != 1) {
        iocp_tls_say(failure, "the groups are none that OpenSSL knows");
        return false;
    }
    return true;
}

static void log_keys(const SSL *ssl, const char *line)
{
    iocp_tls_context *owner = iocp_tls_owner(iocp_tls_connection_of(ssl)->context);
    pthread_mutex_lock(&owner->lock);
    if (owner->key_log != NULL) {
        fprintf(owner->key_log, "%s\n", line);
        fflush(owner->key_log);
    }
    pthread_mutex_unlock(&owner->lock);
}

/* A session resumes only under the same demands on the client, because a client that resumes is not verified again. Otherwise
 * a ticket of a server that asks for nothing would open one that requires certificates, if both have the same ticket keys. */
static bool bind_sessions(SSL_CTX *made, const iocp_tls_settings *settings)
{
    uint8_t name[SSL_MAX_SID_CTX_LENGTH];
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    const bool good = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                      EVP_DigestUpdate(digest, &settings->demand, sizeof settings->demand) == 1 &&
                      EVP_DigestUpdate(digest, &settings->trusts_system, sizeof settings->trusts_system) == 1 &&
                      EVP_DigestUpdate(digest, settings->trusted.start, settings->trusted.count_bytes) == 1 &&
                      EVP_DigestFinal_ex(digest, name, NULL) == 1 &&
                      SSL_CTX_set_session_id_context(made, name, sizeof name) == 1;
    EVP_MD_CTX_free(digest);
    return good;
}

static bool set_server(SSL_CTX *made, const iocp_tls_settings *settings, const iocp_tls_context *context)
{
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_tlsext_servername_callback(made, iocp_tls_choose);
    if (context->protocols_bytes > 0)
        SSL_CTX_set_alpn_select_cb(made, choose_protocol, NULL);
    if (settings->gives_tickets) {
        SSL_CTX_set_timeout(made, settings->ticket_lifetime_s);
        SSL_CTX_set_num_tickets(made, 1);
        iocp_tls_use_tickets(made);
    } else {
        SSL_CTX_set_options(made, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(made, 0);
    }
    return bind_sessions(made, settings);
}

static bool set_client(SSL_CTX *made, const iocp_tls_context *context)
{
    iocp_tls_keep_sessions(made);
    /* 0 is success here alone. */
    return context->protocols_bytes == 0 ||
           SSL_CTX_set_alpn_protos(made, context->protocols, context->protocols_bytes) == 0;
}

SSL_CTX *iocp_tls_make(const iocp_tls_settings *settings, const iocp_tls_identity *identity, iocp_tls_context *context,
                       iocp_tls_failure *failure)
{
    ERR_clear_error();
    SSL_CTX *made = SSL_CTX_new(context->is_server ? TLS_server_method() : TLS_client_method());
    if (made == NULL) {
        iocp_tls_say(failure, "OpenSSL makes no context");
        return NULL;
    }
    /* Renegotiation lets a peer ask for work again and again (CVE-2011-1473); compression leaks (CRIME). */
    SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                  SSL_OP_PRIORITIZE_CHACHA);
    /* An idle connection keeps no buffer. A busy one reads all that arrived at once: otherwise each record would cost two
     * reads, and a buffer that is allocated and freed. */
    SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(made, 1);
    SSL_CTX_set_msg_callback(made, iocp_tls_watch);
    SSL_CTX_set_info_callback(made, iocp_tls_note);
    SSL_CTX_set_verify(made, verify_mode(settings, context), NULL);
    if (settings->key_log_path != NULL)
        SSL_CTX_set_keylog_callback(made, log_keys);
    bool good = negotiate(made, settings, failure) && trust(made, settings, failure) &&
                (identity == NULL || iocp_tls_add_identity(made, identity, failure) == 0);
    if (good && context->is_server && !set_server(made, settings, context)) {
        iocp_tls_say(failure, "OpenSSL makes no context for sessions");
        good = false;
    } else if (good && !context->is_server && !set_client(made, context)) {
        iocp_tls_say(failure, "the application protocols are not well formed");
        good = false;
    }
    if (good)
        return made;
    SSL_CTX_free(made);
    return NULL;
}
