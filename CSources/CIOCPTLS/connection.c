/* TLS on one connection: what arrives is opened, what is sent is sealed. */
#include "connection.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "iocp_connection.h"

enum { RECORD_BYTES_MAX = SSL3_RT_MAX_PLAIN_LENGTH };

/* --- begin and end --------------------------------------------------------------------------------------------- */

/* Counts one more that begins; false when there are as many as may be. */
static bool enter(iocp_tls_connection *connection)
{
    iocp_tls_context *owner = iocp_tls_owner(connection->context);
    const uint32_t before = atomic_fetch_add_explicit(&owner->beginning, 1, memory_order_relaxed);
    connection->is_counted = true;
    return owner->beginning_max == 0 || before < owner->beginning_max;
}

static void leave(iocp_tls_connection *connection)
{
    if (connection->is_counted)
        atomic_fetch_sub_explicit(&iocp_tls_owner(connection->context)->beginning, 1, memory_order_relaxed);
    connection->is_counted = false;
}

static void end(void *state)
{
    iocp_tls_connection *connection = state;
    leave(connection);
    SSL_free(connection->ssl);
    iocp_tls_generation_release(connection->generation);
    free(connection);
}

static bool equip(iocp_tls_connection *connection)
{
    connection->generation = iocp_tls_generation_now(iocp_tls_owner(connection->context));
    connection->ssl = SSL_new(connection->generation->contexts[0]);
    BIO *bio = connection->ssl != NULL ? iocp_tls_bio(connection) : NULL;
    if (bio == NULL)
        return false;
    SSL_set_bio(connection->ssl, bio, bio);
    SSL_set_app_data(connection->ssl, connection);
    return true;
}

static iocp_tls_connection *begin(void *context, iocp_worker *worker, iocp_token token)
{
    iocp_tls_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->context = context;
    connection->worker = worker;
    connection->token = token;
    connection->write = iocp_layer_write;
    connection->record_bytes = RECORD_BYTES_MAX;
    connection->alert_received = connection->alert_sent = IOCP_TLS_ALERT_NONE;
    if (enter(connection) && equip(connection))
        return connection;
    ERR_clear_error();
    end(connection);
    return NULL;
}

static void *begin_server(void *context, iocp_worker *worker, iocp_token token)
{
    iocp_tls_connection *connection = begin(context, worker, token);
    if (connection != NULL)
        SSL_set_accept_state(connection->ssl);
    return connection;
}

/* Whom the certificate must be for. SNI carries names alone (RFC 6066, 3). */
static bool expect_name(SSL *ssl, const iocp_tls_context *target)
{
    if (target->name == NULL)
        return true;
    if (target->is_address)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), target->name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, target->name) == 1 && SSL_set1_host(ssl, target->name) == 1;
}

static void *begin_client(void *context, iocp_worker *worker, iocp_token token)
{
    iocp_tls_connection *connection = begin(context, worker, token);
    if (connection == NULL)
        return NULL;
    SSL_set_connect_state(connection->ssl);
    if (!expect_name(connection->ssl, context)) {
        ERR_clear_error();
        end(connection);
        return NULL;
    }
    iocp_tls_resume(connection->ssl, context);
    ERR_clear_error();
    /* Says its first word, and finds nothing to read. What it could not write ends it at the peer's first byte. */
    SSL_do_handshake(connection->ssl);
    ERR_clear_error();
    return connection;
}

/* --- what arrives ---------------------------------------------------------------------------------------------- */

static void opened(iocp_tls_connection *connection, iocp_layer_opened *found)
{
    SSL *ssl = connection->ssl;
    connection->is_open = true;
    leave(connection);
    /* RFC 6066, 4: a client may ask for records of 512 to 4,096 bytes. */
    const SSL_SESSION *session = SSL_get_session(ssl);
    const uint8_t length = session != NULL ? SSL_SESSION_get_max_fragment_length(session) : 0;
    if (length >= TLSEXT_max_fragment_length_512 && length <= TLSEXT_max_fragment_length_4096)
        connection->record_bytes = UINT32_C(256) << length;
    found->is_open = true;
    found->is_resumed = SSL_session_reused(ssl);
    found->is_old = SSL_version(ssl) < TLS1_3_VERSION;
}

/* Returns 1 when both sides know each other, 0 when more has to arrive, or a failure. */
static int shake_hands(iocp_tls_connection *connection, iocp_layer_opened *found)
{
    const int result = SSL_do_handshake(connection->ssl);
    if (result == 1) {
        opened(connection, found);
        return 1;
    }
    return SSL_get_error(connection->ssl, result) == SSL_ERROR_WANT_READ ? 0 : iocp_tls_why(connection);
}

/* Where opened bytes go. Of a record that lies in one receive they go to where its sealed ones lay: those before them were
 * read, and a record is shorter when it is opened. Of one that began in an earlier receive that is not so, and all go to a
 * block of their own. */
static bool place(uint8_t *bytes, uint32_t count_bytes, bool completes_carried, iocp_layer_opened *found,
                  uint32_t *capacity)
{
    found->bytes = bytes;
    *capacity = count_bytes;
    if (!completes_carried)
        return true;
    *capacity = count_bytes + RECORD_BYTES_MAX;
    found->bytes = malloc(*capacity);
    found->owned = true;
    return found->bytes != NULL;
}

void iocp_tls_watch(int is_sent, int version, int type, const void *bytes, size_t count_bytes, SSL *ssl, void *argument)
{
    (void)version, (void)bytes, (void)count_bytes, (void)argument;
    if (is_sent || type != SSL3_RT_HANDSHAKE)
        return;
    iocp_tls_connection *connection = iocp_tls_connection_of(ssl);
    if (connection != NULL && connection->is_open && !iocp_tls_chatters(connection))
        connection->chatter++;
}

static void note_data(iocp_tls_connection *connection, uint32_t count_bytes)
{
    connection->data_bytes += count_bytes;
    if (connection->data_bytes >= IOCP_TLS_CHATTER_WINDOW_BYTES)
        connection->data_bytes = connection->chatter = 0;
}

static int read_all(iocp_tls_connection *connection, uint32_t capacity, iocp_layer_opened *found)
{
    while (true) {
        uint8_t *target = found->bytes + found->count_bytes;
        const int count = SSL_read(connection->ssl, target, (int)(capacity - found->count_bytes));
        if (iocp_tls_chatters(connection)) { /* the BIO has stopped it, behind what was read ahead */
            connection->alert_sent = SSL_AD_UNEXPECTED_MESSAGE; /* as which it counts */
            return iocp_tls_why(connection);
        }
        if (count > 0) {
            found->count_bytes += (uint32_t)count;
            note_data(connection, (uint32_t)count);
            /* As long as it is sealed, so nothing can follow. */
            if (found->count_bytes == capacity)
                return connection->source_bytes == 0 ? 0 : -IOCP_LAYER_BROKEN;
            continue;
        }
        switch (SSL_get_error(connection->ssl, count)) {
        case SSL_ERROR_WANT_READ:
            return 0;
        case SSL_ERROR_ZERO_RETURN:
            found->has_ended = true;
            return 0;
        default:
            return iocp_tls_why(connection);
        }
    }
}

static void note_first(iocp_tls_connection *connection, const uint8_t *bytes)
{
    if (connection->has_first)
        return;
    connection->has_first = true;
    connection->first_byte = bytes[0];
}

static int open_bytes(void *state, uint8_t *bytes, uint32_t count_bytes, iocp_layer_opened *found)
{
    iocp_tls_connection *connection = state;
    if (connection->has_failed || count_bytes == 0)
        return -IOCP_LAYER_BROKEN;
    note_first(connection, bytes);
    const bool completes_carried = iocp_tls_records_within(&connection->records) &&
                                   !iocp_tls_records_stays_within(&connection->records, count_bytes);
    connection->source = bytes;
    connection->source_bytes = count_bytes;
    ERR_clear_error();
    int result = connection->is_open ? 1 : shake_hands(connection, found);
    uint32_t capacity;
    if (result > 0) {
        result = place(bytes, count_bytes, completes_carried, found, &capacity)
                     ? read_all(connection, capacity, found)
                     : -IOCP_LAYER_NO_ROOM;
        if (found->owned && found->count_bytes == 0) {
            free(found->bytes);
            found->owned = false;
        }
    }
    connection->source = NULL;
    connection->source_bytes = 0;
    return result;
}

/* --- what is sent ---------------------------------------------------------------------------------------------- */

static uint32_t record_bytes(const void *state)
{
    return ((const iocp_tls_connection *)state)->record_bytes;
}

static bool write_records(iocp_tls_connection *connection, const void *bytes, size_t count_bytes)
{
    size_t written;
    return count_bytes == 0 || SSL_write_ex(connection->ssl, bytes, count_bytes, &written) == 1;
}

/* A record that is being filled. */
typedef struct unsealed {
    uint8_t bytes[RECORD_BYTES_MAX];
    size_t count_bytes;
} unsealed;

/* Small parts go together, and every record but the last is full: so there are as many as the core has found room for. */
static bool write_part(iocp_tls_connection *connection, unsealed *record, const uint8_t *bytes, size_t left_bytes)
{
    while (left_bytes > 0) {
        size_t step;
        if (record->count_bytes == 0 && left_bytes >= RECORD_BYTES_MAX) {
            step = left_bytes - left_bytes % RECORD_BYTES_MAX;
            if (!write_records(connection, bytes, step))
                return false;
        } else {
            const size_t room = RECORD_BYTES_MAX - record->count_bytes;
            step = left_bytes < room ? left_bytes : room;
            memcpy(record->bytes + record->count_bytes, bytes, step);
            record->count_bytes += step;
            if (record->count_bytes == RECORD_BYTES_MAX) {
                record->count_bytes = 0;
                if (!write_records(connection, record->bytes, RECORD_BYTES_MAX))
                    return false;
            }
        }
        bytes += step;
        left_bytes -= step;
    }
    return true;
}

static bool write_parts(iocp_tls_connection *connection, const iocp_send_part *parts, uint32_t part_count)
{
    unsealed record;
    record.count_bytes = 0;
    for (uint32_t i = 0; i < part_count; i++)
        if (!write_part(connection, &record, parts[i].bytes, parts[i].count_bytes))
            return false;
    return write_records(connection, record.bytes, record.count_bytes);
}

static int seal(void *state, const iocp_send_part *parts, uint32_t part_count)
{
    iocp_tls_connection *connection = state;
    if (!connection->is_open || connection->has_failed || connection->has_finished)
        return -IOCP_LAYER_BROKEN;
    ERR_clear_error();
    const bool written = part_count == 1 ? write_records(connection, parts[0].bytes, parts[0].count_bytes)
                                         : write_parts(connection, parts, part_count);
    return written ? 0 : iocp_tls_why(connection);
}

static void finish(void *state)
{
    iocp_tls_connection *connection = state;
    if (!connection->is_open || connection->has_failed || connection->has_finished)
        return;
    connection->has_finished = true;
    ERR_clear_error();
    SSL_shutdown(connection->ssl);
    ERR_clear_error();
}

/* --- the kinds ------------------------------------------------------------------------------------------------- */

/* What a record may be longer by: header 5; TLS 1.3 adds 1 and a tag of 16; TLS 1.2 by CBC an IV of 16, a MAC of up to 48, and
 * padding of up to 16. */
enum { RECORD_OVERHEAD_BYTES = 96 };

#define KIND(text, beginning)                                                                                          \
    {                                                                                                                  \
        .name = text, .record_overhead_bytes = RECORD_OVERHEAD_BYTES, .begin = beginning, .open = open_bytes,          \
        .record_bytes = record_bytes, .seal = seal, .finish = finish, .end = end, .retain = iocp_tls_retain,           \
        .release = iocp_tls_release,                                                                                   \
    }

static const iocp_layer_kind SERVER = KIND("tls server", begin_server);
static const iocp_layer_kind CLIENT = KIND("tls client", begin_client);

const iocp_layer_kind *iocp_tls_server_layer(void)
{
    return &SERVER;
}

const iocp_layer_kind *iocp_tls_client_layer(void)
{
    return &CLIENT;
}
