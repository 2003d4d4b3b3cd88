/* Why OpenSSL refused something. */
#include <openssl/err.h>
#include <stdio.h>

#include "connection.h"

void iocp_tls_note(const SSL *ssl, int where, int value)
{
    iocp_tls_connection *connection = iocp_tls_connection_of(ssl);
    if (connection == NULL || !(where & SSL_CB_ALERT) || value >> 8 != SSL3_AL_FATAL)
        return;
    if (where & SSL_CB_WRITE)
        connection->alert_sent = value & 0xff;
    else
        connection->alert_received = value & 0xff;
}

int iocp_tls_why(iocp_tls_connection *connection)
{
    connection->has_failed = true;
    ERR_clear_error();
    /* A handshake begins with a record of type 22. */
    if (!connection->is_open && connection->has_first && connection->first_byte != 22)
        return -IOCP_LAYER_UNKNOWN;
    if (connection->alert_received != IOCP_TLS_ALERT_NONE)
        return -(IOCP_LAYER_PEER_REFUSED + connection->alert_received);
    if (connection->alert_sent != IOCP_TLS_ALERT_NONE)
        return -(IOCP_LAYER_REFUSED + connection->alert_sent);
    return -IOCP_LAYER_BROKEN;
}

void iocp_tls_say(iocp_tls_failure *failure, const char *what)
{
    const unsigned long error = ERR_peek_last_error();
    const char *reason = error != 0 ? ERR_reason_error_string(error) : NULL;
    snprintf(failure->words, sizeof failure->words, "%s%s%s", what, reason != NULL ? ": " : "", reason != NULL ? reason : "");
    ERR_clear_error();
}
