/* Why a layer ended its connection, in words. */
#include <stddef.h>

#include "../include/iocp_layer.h"

typedef struct words {
    int number;
    const char *refused;      /* what the peer did wrong */
    const char *peer_refused; /* what the peer says that was wrong here */
} words;

/* The alerts of RFC 8446, 6, and RFC 5246, 7.2. */
static const words ALERTS[] = {
    {10, "the peer's message came out of turn (unexpected_message)", "the peer got a message out of turn (unexpected_message)"},
    {20, "a record was changed on its way, or sealed with another key (bad_record_mac)",
     "the peer found a record that was changed on its way (bad_record_mac)"},
    {22, "the peer's record is too long (record_overflow)", "the peer got a record that is too long (record_overflow)"},
    {40, "no protocol parameters in common (handshake_failure): compare versions, ciphers and key types",
     "the peer shares no protocol parameters (handshake_failure): compare versions, ciphers and key types"},
    {42, "the peer's certificate is not well formed (bad_certificate)",
     "the peer takes no certificate like this one (bad_certificate)"},
    {43, "the peer's certificate is of a kind that is not supported (unsupported_certificate)",
     "the peer does not support this kind of certificate (unsupported_certificate)"},
    {44, "the peer's certificate was revoked (certificate_revoked)", "the peer says that the certificate was revoked (certificate_revoked)"},
    {45, "the peer's certificate has expired, or is not valid yet (certificate_expired)",
     "the peer says that the certificate has expired (certificate_expired)"},
    {46, "the peer's certificate was not accepted (certificate_unknown)",
     "the peer did not accept the certificate (certificate_unknown)"},
    {47, "the peer's message makes no sense (illegal_parameter)", "a message made no sense to the peer (illegal_parameter)"},
    {48, "nobody who is trusted has signed the peer's certificate (unknown_ca): name its CA",
     "the peer does not know the CA of this certificate (unknown_ca)"},
    {49, "the peer may not come in (access_denied)", "the peer let nobody in (access_denied)"},
    {50, "the peer's message cannot be read (decode_error)", "the peer could not read a message (decode_error)"},
    {51, "a signature or a key of the peer's is wrong (decrypt_error)", "the peer found a signature or a key wrong (decrypt_error)"},
    {70, "the peer speaks no version that is allowed here (protocol_version)",
     "the peer allows no version that is spoken here (protocol_version)"},
    {71, "the peer offers nothing that is safe enough (insufficient_security)",
     "nothing that was offered is safe enough for the peer (insufficient_security)"},
    {80, "the layer failed at this end (internal_error)", "the layer failed at the peer's end (internal_error)"},
    {86, "the peer fell back to an older version than it could speak (inappropriate_fallback)",
     "the peer refuses a fallback to an older version (inappropriate_fallback)"},
    {90, "it was given up (user_canceled)", "the peer gave it up (user_canceled)"},
    {100, "the peer wanted to negotiate anew (no_renegotiation)", "the peer does not negotiate anew (no_renegotiation)"},
    {109, "the peer's message lacks an extension (missing_extension)", "the peer missed an extension (missing_extension)"},
    {110, "the peer sent an extension that was not asked for (unsupported_extension)",
     "the peer got an extension that it had not asked for (unsupported_extension)"},
    {112, "the peer asked for a name that is not served here (unrecognized_name)",
     "the peer does not serve the name that was asked for (unrecognized_name)"},
    {115, "the peer's key is not known (unknown_psk_identity)", "the peer does not know the key (unknown_psk_identity)"},
    {116, "the peer sent no certificate, and has to (certificate_required)",
     "the peer wants a certificate (certificate_required)"},
    {120, "no application protocol in common (no_application_protocol)",
     "the peer speaks none of the application protocols (no_application_protocol)"},
};

static const words *alert_of(int number)
{
    for (size_t i = 0; i < sizeof ALERTS / sizeof *ALERTS; i++)
        if (ALERTS[i].number == number)
            return &ALERTS[i];
    return NULL;
}

const char *iocp_layer_failure_words(int failure)
{
    switch (failure) {
    case IOCP_LAYER_TIMED_OUT:
        return "the handshake did not end in time";
    case IOCP_LAYER_CUT:
        return "FIN came without close_notify: what the peer sent may have been cut";
    case IOCP_LAYER_UNBEGUN:
        return "the peer went away in the handshake";
    case IOCP_LAYER_UNKNOWN:
        return "the peer does not speak TLS";
    case IOCP_LAYER_NO_ROOM:
        return "too many handshakes at a time, or no memory for one more";
    case IOCP_LAYER_BROKEN:
        return "the layer failed";
    default:
        break;
    }
    if (failure >= IOCP_LAYER_PEER_REFUSED && failure < IOCP_LAYER_REFUSED) {
        const words *found = alert_of(failure - IOCP_LAYER_PEER_REFUSED);
        return found != NULL ? found->peer_refused : "the peer refused, with an alert that is not known";
    }
    if (failure >= IOCP_LAYER_REFUSED && failure < IOCP_LAYER_TIMED_OUT) {
        const words *found = alert_of(failure - IOCP_LAYER_REFUSED);
        return found != NULL ? found->refused : "the peer was refused";
    }
    return NULL;
}
