/* Where the records of a stream end. */
#include "records.h"

#include <string.h>

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void iocp_tls_records_advance(iocp_tls_records *records, const uint8_t *bytes, uint32_t count_bytes)
{
    while (count_bytes > 0) {
        uint32_t step;
        if (records->header_bytes < IOCP_TLS_HEADER_BYTES) {
            step = least(count_bytes, IOCP_TLS_HEADER_BYTES - records->header_bytes);
            memcpy(records->header + records->header_bytes, bytes, step);
            records->header_bytes += (uint8_t)step;
            if (records->header_bytes == IOCP_TLS_HEADER_BYTES)
                records->left_bytes = (uint32_t)records->header[3] << 8 | records->header[4];
        } else {
            step = least(count_bytes, records->left_bytes);
            records->left_bytes -= step;
        }
        bytes += step;
        count_bytes -= step;
        if (records->header_bytes == IOCP_TLS_HEADER_BYTES && records->left_bytes == 0)
            records->header_bytes = 0;
    }
}
