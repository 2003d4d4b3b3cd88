/* The bytes of a stream: one table of random bytes, entered at a place of each stream's own. Comparing received bytes
 * with what was sent is then one memcmp(3). */
#include <pthread.h>
#include <string.h>

#include "sim.h"

enum { TABLE_BYTES = 1 << 16 };

static uint8_t table[2 * TABLE_BYTES]; /* twice, so that no stretch wraps */
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
    uint64_t state = 1;
    for (uint32_t i = 0; i < TABLE_BYTES; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        table[i] = (uint8_t)(state >> 56);
    }
    memcpy(table + TABLE_BYTES, table, TABLE_BYTES);
}

static const uint8_t *stretch(uint32_t stream, uint64_t position)
{
    pthread_once(&table_once, fill_table);
    return table + ((stream * UINT32_C(40503) + position) & (TABLE_BYTES - 1));
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void iocp_sim_stream_copy(uint32_t stream, uint64_t position, uint8_t *bytes, uint32_t count_bytes)
{
    for (uint32_t done = 0; done < count_bytes; done += TABLE_BYTES)
        memcpy(bytes + done, stretch(stream, position + done), least(count_bytes - done, TABLE_BYTES));
}

bool iocp_sim_stream_matches(uint32_t stream, uint64_t position, const uint8_t *bytes, uint32_t count_bytes)
{
    for (uint32_t done = 0; done < count_bytes; done += TABLE_BYTES) {
        if (memcmp(bytes + done, stretch(stream, position + done), least(count_bytes - done, TABLE_BYTES)) != 0)
            return false;
    }
    return true;
}
