/* Which of a server's identities serves the name that a client asks for (RFC 6066, 3). */
#include <openssl/x509v3.h>
#include <string.h>

#include "connection.h"

static bool is_for(SSL_CTX *made, const char *name)
{
    X509 *certificate = SSL_CTX_get0_certificate(made);
    return certificate != NULL &&
           X509_check_host(certificate, name, strlen(name), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

/* A name that nobody has is served by the first identity, as one that was not asked for: the client decides what it makes of
 * that certificate. */
int iocp_tls_choose(SSL *ssl, int *alert, void *argument)
{
    (void)alert, (void)argument;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const iocp_tls_generation *generation = iocp_tls_connection_of(ssl)->generation;
    if (name == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    for (uint32_t i = 0; i < generation->count; i++) {
        if (!is_for(generation->contexts[i], name))
            continue;
        if (i > 0)
            SSL_set_SSL_CTX(ssl, generation->contexts[i]);
        break;
    }
    return SSL_TLSEXT_ERR_OK;
}

static bool have_same_names(X509 *one, X509 *other)
{
    const int first = X509_get_ext_by_NID(one, NID_subject_alt_name, -1);
    const int second = X509_get_ext_by_NID(other, NID_subject_alt_name, -1);
    if (first < 0 || second < 0)
        return first < 0 && second < 0 && X509_NAME_cmp(X509_get_subject_name(one), X509_get_subject_name(other)) == 0;
    return ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(X509_get_ext(one, first)),
                                 X509_EXTENSION_get_data(X509_get_ext(other, second))) == 0;
}

bool iocp_tls_complements(X509 *one, X509 *other)
{
    return EVP_PKEY_get_base_id(X509_get0_pubkey(one)) != EVP_PKEY_get_base_id(X509_get0_pubkey(other)) &&
           have_same_names(one, other);
}
