/* Where the records of a stream end (RFC 8446, 5.1), by their headers alone. */
#ifndef IOCP_TLS_RECORDS_H
#define IOCP_TLS_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

enum { IOCP_TLS_HEADER_BYTES = 5 };

typedef struct iocp_tls_records {
    uint8_t header[IOCP_TLS_HEADER_BYTES];
    uint8_t header_bytes; /* how much of it is there, of a record that is not complete */
    uint32_t left_bytes;  /* of its body are still to come */
} iocp_tls_records;

/* Whether the stream stands within a record. */
static inline bool iocp_tls_records_within(const iocp_tls_records *records)
{
    return records->header_bytes > 0;
}

/* Whether so many bytes more do not complete the record that the stream stands in. */
static inline bool iocp_tls_records_stays_within(const iocp_tls_records *records, uint32_t count_bytes)
{
    return records->header_bytes == IOCP_TLS_HEADER_BYTES && records->left_bytes > count_bytes;
}

/* The stream goes on by these bytes. O(records). */
void iocp_tls_records_advance(iocp_tls_records *records, const uint8_t *bytes, uint32_t count_bytes);

#endif
