/* TLS of a server: what arrives is anything at first, and then the records of a real client, cut and changed on their way. */
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "connection.h"
#include "iocp_connection.h"
#include "include/FuzzTargets.h"
#include "input.h"

enum { WIRE_BYTES = 1 << 18, SENT_MAX = 1 << 16 };

/* --- a server and a client ----------------------------------------------------------------------------------------- */

static char *pem_of(BIO *bio)
{
    char *start;
    const long count = BIO_get_mem_data(bio, &start);
    char *text = malloc((size_t)count + 1);
    memcpy(text, start, (size_t)count);
    text[count] = 0;
    BIO_free(bio);
    return text;
}

/* One identity for all inputs. */
static iocp_tls_context *server(void)
{
    static iocp_tls_context *made;
    if (made != NULL)
        return made;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 24 * 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const uint8_t *)"fuzz", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    X509_sign(certificate, key, EVP_sha256());
    BIO *certificate_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(certificate_bio, certificate);
    PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL);
    char *certificate_pem = pem_of(certificate_bio), *key_pem = pem_of(key_bio);
    const iocp_tls_identity identity = {.certificates = {certificate_pem, strlen(certificate_pem)},
                                        .key = {key_pem, strlen(key_pem)}};
    const iocp_tls_settings settings = {.identities = &identity, .identity_count = 1, .gives_tickets = true,
                                        .ticket_lifetime_s = 3600};
    iocp_tls_failure failure;
    FUZZ_REQUIRE(iocp_tls_server_create(&settings, &made, &failure) == 0, "the server cannot be made");
    free(certificate_pem);
    free(key_pem);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return made;
}

/* What the server wrote and the client has not read. */
static BIO *to_client;

static int write_to_client(iocp_worker *worker, iocp_token token, const void *bytes, uint32_t count_bytes)
{
    (void)worker, (void)token;
    BIO_write(to_client, bytes, (int)count_bytes);
    return 0;
}

static iocp_tls_connection *begin(void)
{
    iocp_tls_connection *state = iocp_tls_server_layer()->begin(server(), NULL, 0);
    FUZZ_REQUIRE(state != NULL, "no connection");
    state->write = write_to_client;
    return state;
}

/* What the server has opened. */
typedef struct opened_stream {
    uint8_t bytes[SENT_MAX];
    uint32_t count;
    bool has_ended;
    int failure;
} opened_stream;

/* Hands over a piece in memory of just its size: one byte read or written beyond it is seen. */
static void deliver(iocp_tls_connection *state, const uint8_t *bytes, uint32_t count, opened_stream *stream)
{
    if (count == 0 || stream->failure != 0)
        return;
    uint8_t *piece = malloc(count);
    memcpy(piece, bytes, count);
    iocp_layer_opened opened = {0};
    stream->failure = iocp_tls_server_layer()->open(state, piece, count, &opened);
    if (opened.count_bytes > 0) {
        FUZZ_REQUIRE(opened.owned || (opened.bytes >= piece && opened.bytes + opened.count_bytes <= piece + count),
                     "opened bytes lie elsewhere");
        FUZZ_REQUIRE(opened.count_bytes <= SENT_MAX - stream->count, "more was opened than was sent");
        memcpy(stream->bytes + stream->count, opened.bytes, opened.count_bytes);
        stream->count += opened.count_bytes;
    }
    FUZZ_REQUIRE(opened.count_bytes > 0 || !opened.owned, "a block of nothing is handed out");
    if (opened.owned)
        free(opened.bytes);
    stream->has_ended |= opened.has_ended;
    free(piece);
}

/* --- anything ------------------------------------------------------------------------------------------------------ */

static void greet(fuzz_input *input)
{
    iocp_tls_connection *state = begin();
    opened_stream stream = {0};
    while (input->left > 0) {
        uint32_t count = 1 + fuzz_below(input, 600);
        count = count < input->left ? count : (uint32_t)input->left;
        deliver(state, input->next, count, &stream);
        input->next += count;
        input->left -= count;
    }
    FUZZ_REQUIRE(stream.count == 0, "a stranger was heard");
    iocp_tls_server_layer()->end(state);
}

/* --- a client ------------------------------------------------------------------------------------------------------ */

static SSL *new_client(bool old, BIO *to_server)
{
    static SSL_CTX *context;
    if (context == NULL)
        context = SSL_CTX_new(TLS_client_method());
    SSL *client = SSL_new(context);
    if (old)
        SSL_set_max_proto_version(client, TLS1_2_VERSION);
    BIO_up_ref(to_client);
    SSL_set_bio(client, to_client, to_server);
    SSL_set_connect_state(client);
    return client;
}

/* All that the client wrote arrives whole. */
static void pass_on(iocp_tls_connection *state, BIO *to_server, opened_stream *stream)
{
    static uint8_t wire[WIRE_BYTES];
    const int count = BIO_read(to_server, wire, sizeof wire);
    deliver(state, wire, count > 0 ? (uint32_t)count : 0, stream);
}

/* Cuts what the client wrote into pieces, and changes some of it. */
static void pass_changed(fuzz_input *input, iocp_tls_connection *state, BIO *to_server, opened_stream *stream, bool *changed)
{
    static uint8_t wire[WIRE_BYTES];
    const int read = BIO_read(to_server, wire, sizeof wire);
    uint32_t left = read > 0 ? (uint32_t)read : 0, position = 0;
    while (left > 0) {
        uint32_t count = fuzz_one_in(input, 3) ? left : 1 + fuzz_below(input, 20000);
        count = count < left ? count : left;
        if (fuzz_one_in(input, 8)) {
            wire[position + fuzz_below(input, count)] ^= (uint8_t)(1 + fuzz_below(input, 255));
            *changed = true;
        }
        deliver(state, wire + position, count, stream);
        position += count;
        left -= count;
    }
}

static void converse(fuzz_input *input, bool old)
{
    BIO *to_server = BIO_new(BIO_s_mem());
    iocp_tls_connection *state = begin();
    SSL *client = new_client(old, to_server);
    static opened_stream stream;
    stream.count = 0, stream.has_ended = false, stream.failure = 0;
    for (int round = 0; round < 6 && !(state->is_open && SSL_is_init_finished(client)); round++) {
        SSL_do_handshake(client);
        pass_on(state, to_server, &stream);
    }
    FUZZ_REQUIRE(state->is_open && SSL_is_init_finished(client), "the handshake does not end");

    static uint8_t sent[SENT_MAX];
    uint32_t sent_bytes = 0;
    bool changed = false;
    while (input->left > 0 && sent_bytes < SENT_MAX - 20000) {
        const uint32_t count = 1 + fuzz_below(input, fuzz_one_in(input, 4) ? 20000 : 300);
        for (uint32_t i = 0; i < count; i++)
            sent[sent_bytes + i] = (uint8_t)((sent_bytes + i) * 167 >> 3);
        if (!old && fuzz_one_in(input, 6))
            SSL_key_update(client, fuzz_one_in(input, 2) ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
        FUZZ_REQUIRE(SSL_write(client, sent + sent_bytes, (int)count) == (int)count, "the client cannot write");
        sent_bytes += count;
        if (fuzz_one_in(input, 2))
            pass_changed(input, state, to_server, &stream, &changed);
    }
    if (fuzz_one_in(input, 2))
        SSL_shutdown(client);
    pass_changed(input, state, to_server, &stream, &changed);

    FUZZ_REQUIRE(stream.count <= sent_bytes && memcmp(stream.bytes, sent, stream.count) == 0, "other bytes were opened");
    FUZZ_REQUIRE(changed || (stream.count == sent_bytes && stream.failure == 0), "unchanged bytes were refused");
    FUZZ_REQUIRE(!stream.has_ended || SSL_get_shutdown(client), "an end that nobody said");
    /* And back. */
    if (stream.failure == 0) {
        const iocp_send_part parts[] = {{sent, sent_bytes / 3}, {sent + sent_bytes / 3, sent_bytes - sent_bytes / 3}};
        FUZZ_REQUIRE(iocp_tls_server_layer()->seal(state, parts, 2) == 0, "the server cannot seal");
        iocp_tls_server_layer()->finish(state);
        static uint8_t answer[SENT_MAX];
        uint32_t answered = 0;
        int count;
        while ((count = SSL_read(client, answer + answered, (int)(sizeof answer - answered))) > 0)
            answered += (uint32_t)count;
        FUZZ_REQUIRE(answered == sent_bytes && memcmp(answer, sent, answered) == 0, "the client reads other bytes");
        FUZZ_REQUIRE(SSL_get_shutdown(client) & SSL_RECEIVED_SHUTDOWN, "the client is not told the end");
    }
    SSL_free(client);
    iocp_tls_server_layer()->end(state);
}

void fuzz_tls(const uint8_t *bytes, size_t count)
{
    fuzz_input input = {.next = bytes, .left = count};
    to_client = BIO_new(BIO_s_mem());
    switch (fuzz_below(&input, 4)) {
    case 0:
        greet(&input);
        break;
    case 1:
        converse(&input, true);
        break;
    default:
        converse(&input, false);
        break;
    }
    BIO_free(to_client);
}
