/* The protocol of the played layer: what TLS has, without its cryptography.
 *
 *   connecting side:  HELLO         READY, then records
 *   accepting side:          HELLO         records, from here on
 *
 * A message is a header of four bytes and a body. Each side numbers its messages, so that one that is lost, repeated or
 * overtaken is a wrong one. The bytes of DATA are masked by its sender's key: nothing of the application's may leave as it
 * is. PADDING says nothing. END says that no more is sent. */
#ifndef SIM_PROTOCOL_H
#define SIM_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PROTOCOL_HEADER_BYTES = 4, /* kind, two bytes of its own, number */
    PROTOCOL_PADDING_BYTES_MAX = 248,
    PROTOCOL_HELLO_BYTES_MAX = 64,
    PROTOCOL_RECORD_BYTES_MAX = 16 * 1024,
    PROTOCOL_PONG_BYTES_MAX = 8 * 1024,
};

typedef enum protocol_kind : uint8_t {
    PROTOCOL_HELLO = 0xe1, /* count of body bytes, of which the first is the sender's key; protocol_flags */
    PROTOCOL_READY = 0xe2,
    PROTOCOL_DATA = 0xe3,  /* count of body bytes, low and high */
    PROTOCOL_KEY = 0xe4,   /* the sender's next key */
    PROTOCOL_PING = 0xe5,  /* how many bytes of PONG it wants, low and high */
    PROTOCOL_PONG = 0xe6,  /* count of body bytes, low and high */
    PROTOCOL_ALERT = 0xe7, /* what the other side did wrong */
    PROTOCOL_END = 0xe8,
    PROTOCOL_PADDING = 0xe9, /* count of body bytes, low and high */
} protocol_kind;

/* Of the accepting side's HELLO, or of the connecting side's to it. */
typedef enum protocol_flags : uint8_t {
    PROTOCOL_RESUMED = 1,
    PROTOCOL_OLD = 2,
} protocol_flags;

static inline bool protocol_is_kind(uint8_t byte)
{
    return byte >= PROTOCOL_HELLO && byte <= PROTOCOL_PADDING;
}

static inline uint32_t protocol_count(const uint8_t *header)
{
    return header[1] | (uint32_t)header[2] << 8;
}

static inline uint32_t protocol_body_bytes(const uint8_t *header)
{
    switch ((protocol_kind)header[0]) {
    case PROTOCOL_HELLO:
        return header[1];
    case PROTOCOL_DATA:
    case PROTOCOL_PONG:
    case PROTOCOL_PADDING:
        return protocol_count(header);
    case PROTOCOL_READY:
    case PROTOCOL_KEY:
    case PROTOCOL_PING:
    case PROTOCOL_ALERT:
    case PROTOCOL_END:
        return 0;
    }
    return 0;
}

static inline void protocol_header(uint8_t *header, protocol_kind kind, uint32_t value, uint8_t number)
{
    header[0] = kind;
    header[1] = (uint8_t)value;
    header[2] = (uint8_t)(value >> 8);
    header[3] = number;
}

/* Masks the body of DATA, or takes the mask off. */
static inline void protocol_mask(uint8_t key, uint8_t number, uint8_t *bytes, uint32_t count_bytes)
{
    uint8_t mask = (uint8_t)(key + 31 * number);
    for (uint32_t i = 0; i < count_bytes; i++, mask = (uint8_t)(mask + 7))
        bytes[i] ^= mask | 0x80;
}

#endif
