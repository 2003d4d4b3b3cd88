/* A source and a sink for OpenSSL: it reads straight from what arrived, and writes into the connection's send queue. */
#include <errno.h>
#include <openssl/bio.h>
#include <pthread.h>
#include <string.h>

#include "connection.h"

static int read_bytes(BIO *bio, char *target, int capacity)
{
    iocp_tls_connection *connection = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (connection->source_bytes == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    if (iocp_tls_chatters(connection))
        return -1;
    const uint32_t count = capacity < (int)connection->source_bytes ? (uint32_t)capacity : connection->source_bytes;
    memcpy(target, connection->source, count);
    iocp_tls_records_advance(&connection->records, connection->source, count);
    connection->source += count;
    connection->source_bytes -= count;
    return (int)count;
}

/* Never to be tried again: the core found room before, or there is none. Once our side has finished, what OpenSSL has to say
 * (an answer to a change of keys) cannot be said any more, and need not. */
static int write_bytes(BIO *bio, const char *bytes, int count_bytes)
{
    const iocp_tls_connection *connection = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    const int result = connection->write(connection->worker, connection->token, bytes, (uint32_t)count_bytes);
    return result == 0 || result == -ENOTCONN ? count_bytes : -1;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *method;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "iocp connection");
    if (method == NULL)
        return;
    BIO_meth_set_read(method, read_bytes);
    BIO_meth_set_write(method, write_bytes);
    BIO_meth_set_ctrl(method, control);
}

BIO *iocp_tls_bio(iocp_tls_connection *connection)
{
    pthread_once(&once, make_method);
    BIO *bio = method != NULL ? BIO_new(method) : NULL;
    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, connection);
    BIO_set_init(bio, 1);
    return bio;
}
