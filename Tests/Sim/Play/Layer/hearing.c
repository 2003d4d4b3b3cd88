/* What a peer of a connection with a layer hears: messages, in order, whose plain bytes the application sent. */
#include <stdlib.h>
#include <string.h>

#include "../ledger.h"

static void keep(speech *speech, const uint8_t *bytes, uint32_t count_bytes)
{
    const uint32_t wanted = speech->pending_bytes + count_bytes;
    if (wanted > speech->pending_capacity) {
        speech->pending_capacity = 2 * wanted;
        speech->pending = realloc(speech->pending, speech->pending_capacity);
        if (speech->pending == NULL)
            abort();
    }
    memcpy(speech->pending + speech->pending_bytes, bytes, count_bytes);
    speech->pending_bytes = wanted;
}

/* The first message is HELLO; the connecting side's second is READY. */
static bool is_in_order(const speech *speech, protocol_kind kind)
{
    if (kind == PROTOCOL_ALERT)
        return true;
    if (speech->message_count == 0)
        return kind == PROTOCOL_HELLO;
    if (kind == PROTOCOL_HELLO)
        return false;
    return speech->accepts ? (kind == PROTOCOL_READY) == (speech->message_count == 1) : kind != PROTOCOL_READY;
}

static void hear(speech *speech, const ledger *ledger, ledger_life *life, uint8_t *message, uint32_t message_bytes)
{
    const protocol_kind kind = (protocol_kind)message[0];
    uint8_t *body = message + PROTOCOL_HEADER_BYTES;
    LEDGER_REQUIRE(ledger, message[3] == speech->heard_number, "G2", "a sealed message is missing, or came twice",
                   life->token);
    LEDGER_REQUIRE(ledger, is_in_order(speech, kind), "G2", "a layer's message at a wrong place", life->token);
    LEDGER_REQUIRE(ledger, !speech->heard_end, "G2", "something was said behind a layer's end", life->token);
    speech->heard_number++;
    if (speech->message_count < 2)
        speech->message_ends[speech->message_count] = speech->heard_bytes;
    speech->message_count++;
    if (kind == PROTOCOL_HELLO)
        speech->heard_key = body[0];
    if (kind == PROTOCOL_KEY)
        speech->heard_key = message[1];
    speech->heard_end |= kind == PROTOCOL_END;
    if (kind != PROTOCOL_DATA)
        return;
    protocol_mask(speech->heard_key, message[3], body, message_bytes - PROTOCOL_HEADER_BYTES);
    ledger_take_plain(ledger, life, body, message_bytes - PROTOCOL_HEADER_BYTES);
}

void speech_hear(speech *speech, const ledger *ledger, ledger_life *life, const uint8_t *bytes, uint32_t count_bytes)
{
    const uint64_t before = speech->heard_bytes - speech->pending_bytes;
    uint32_t done = 0;
    keep(speech, bytes, count_bytes);
    while (done < speech->pending_bytes) {
        uint8_t *message = speech->pending + done;
        const uint32_t left = speech->pending_bytes - done;
        LEDGER_REQUIRE(ledger, protocol_is_kind(message[0]), "G2", "bytes left that no layer sealed", life->token);
        if (left < PROTOCOL_HEADER_BYTES || left - PROTOCOL_HEADER_BYTES < protocol_body_bytes(message))
            break;
        const uint32_t message_bytes = PROTOCOL_HEADER_BYTES + protocol_body_bytes(message);
        done += message_bytes;
        speech->heard_bytes = before + done;
        hear(speech, ledger, life, message, message_bytes);
    }
    speech->heard_bytes = before + speech->pending_bytes;
    speech->pending_bytes -= done;
    memmove(speech->pending, speech->pending + done, speech->pending_bytes);
}
