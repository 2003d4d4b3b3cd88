/* What is known of a connection and its peer. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"

static iocp_tls_connection *find(iocp_worker *worker, iocp_token token)
{
    iocp_tls_connection *found = iocp_layer_state(worker, token, iocp_tls_server_layer());
    return found != NULL ? found : iocp_layer_state(worker, token, iocp_tls_client_layer());
}

int iocp_tls_describe(iocp_worker *worker, iocp_token token, iocp_tls_description *description)
{
    const iocp_tls_connection *connection = find(worker, token);
    if (connection == NULL)
        return -ENOTCONN;
    const char *name = SSL_get_servername(connection->ssl, TLSEXT_NAMETYPE_host_name);
    const uint8_t *protocol = NULL;
    *description = (iocp_tls_description){
        .version = SSL_get_version(connection->ssl),
        .cipher = SSL_get_cipher_name(connection->ssl),
        .server_name = name != NULL ? name : "",
        .is_resumed = SSL_session_reused(connection->ssl),
    };
    SSL_get0_alpn_selected(connection->ssl, &protocol, &description->protocol_bytes);
    description->protocol = protocol != NULL ? (const char *)protocol : "";
    return 0;
}

int iocp_tls_peer_certificate(iocp_worker *worker, iocp_token token, uint8_t **der, size_t *count_bytes)
{
    *der = NULL;
    *count_bytes = 0;
    const iocp_tls_connection *connection = find(worker, token);
    if (connection == NULL)
        return -ENOTCONN;
    X509 *certificate = SSL_get0_peer_certificate(connection->ssl);
    if (certificate == NULL)
        return 0;
    const int count = i2d_X509(certificate, NULL);
    uint8_t *bytes = count > 0 ? malloc((size_t)count) : NULL;
    if (bytes == NULL)
        return -ENOMEM;
    uint8_t *end = bytes;
    i2d_X509(certificate, &end);
    *der = bytes;
    *count_bytes = (size_t)count;
    return 0;
}

/* --- names ------------------------------------------------------------------------------------------------------- */

static void write_address(BIO *target, const ASN1_OCTET_STRING *address)
{
    const uint8_t *bytes = ASN1_STRING_get0_data(address);
    if (ASN1_STRING_length(address) == 4) {
        BIO_printf(target, "IP:%u.%u.%u.%u\n", bytes[0], bytes[1], bytes[2], bytes[3]);
    } else if (ASN1_STRING_length(address) == 16) {
        BIO_printf(target, "IP:");
        for (int i = 0; i < 16; i += 2)
            BIO_printf(target, "%s%x", i > 0 ? ":" : "", bytes[i] << 8 | bytes[i + 1]);
        BIO_printf(target, "\n");
    }
}

/* A name with a control character in it is none: it would read as two. */
static bool is_plain(const ASN1_STRING *text)
{
    const uint8_t *bytes = ASN1_STRING_get0_data(text);
    for (int i = 0; i < ASN1_STRING_length(text); i++)
        if (bytes[i] < 0x20 || bytes[i] == 0x7f)
            return false;
    return true;
}

static void write_text(BIO *target, const char *kind, const ASN1_STRING *text)
{
    if (is_plain(text))
        BIO_printf(target, "%s:%.*s\n", kind, ASN1_STRING_length(text), ASN1_STRING_get0_data(text));
}

static void write_name(BIO *target, const GENERAL_NAME *name)
{
    switch (name->type) {
    case GEN_DNS:
        write_text(target, "DNS", name->d.dNSName);
        break;
    case GEN_EMAIL:
        write_text(target, "email", name->d.rfc822Name);
        break;
    case GEN_URI:
        write_text(target, "URI", name->d.uniformResourceIdentifier);
        break;
    case GEN_IPADD:
        write_address(target, name->d.iPAddress);
        break;
    default:
        break;
    }
}

static char *text_of(BIO *written)
{
    char *start;
    const long count = BIO_get_mem_data(written, &start);
    char *text = malloc((size_t)count + 1);
    if (text == NULL)
        return NULL;
    memcpy(text, start, (size_t)count);
    text[count] = 0;
    return text;
}

char *iocp_tls_certificate_names(const uint8_t *der, size_t count_bytes)
{
    X509 *certificate = d2i_X509(NULL, &der, (long)count_bytes);
    BIO *written = certificate != NULL ? BIO_new(BIO_s_mem()) : NULL;
    char *text = NULL;
    if (written != NULL) {
        X509_NAME_print_ex(written, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
        BIO_printf(written, "\n");
        GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
        for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
            write_name(written, sk_GENERAL_NAME_value(names, i));
        GENERAL_NAMES_free(names);
        text = text_of(written);
    }
    BIO_free(written);
    X509_free(certificate);
    ERR_clear_error();
    return text;
}

void iocp_tls_free(void *memory)
{
    free(memory);
}

const char *iocp_tls_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
