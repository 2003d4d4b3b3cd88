#include "lives.h"

/* --- what the kernel sees ----------------------------------------------------------------------------------- */

life *lives_of(lives *lives, iocp_token token)
{
    life *life = &lives->by_slot[iocp_token_slot(token)];
    if (life->token != token) {
        FUZZ_REQUIRE(life->over || (!life->opened && !life->connecting),
                     "a slot has a new life before the former ended");
        *life = (struct life){.token = token};
    }
    return life;
}

static void named(void *context, iocp_token connection, uint32_t stream)
{
    lives_of(context, connection)->stream = stream;
}

uint32_t lives_sent_stream(const life *life)
{
    return iocp_token_slot(life->token) * 31 + (uint32_t)iocp_token_generation(life->token) + 100;
}

static void taken(void *context, iocp_token connection, const uint8_t *bytes, uint32_t count_bytes)
{
    life *life = lives_of(context, connection);
    FUZZ_REQUIRE(!life->over && life->taken_bytes + count_bytes <= life->queued_bytes, "more leaves than was queued");
    for (uint32_t i = 0; i < count_bytes; i++)
        FUZZ_REQUIRE(bytes[i] == ring_stream_byte(lives_sent_stream(life), life->taken_bytes + i),
                     "other bytes leave than were queued");
    life->taken_bytes += count_bytes;
}

static void broke(void *context, iocp_token connection)
{
    lives_of(context, connection)->may_lose = true;
}

static void ended(void *context, iocp_token connection, bool reset)
{
    lives *lives = context;
    life *life = lives_of(lives, connection);
    FUZZ_REQUIRE(!life->closed_below, "a socket is closed twice");
    FUZZ_REQUIRE(reset || life->may_lose || life->taken_bytes == life->queued_bytes, "a close loses what was queued");
    life->closed_below = true;
}

/* --- what the application sees ------------------------------------------------------------------------------ */

static life *open_life(lives *lives, iocp_token token)
{
    life *life = &lives->by_slot[iocp_token_slot(token)];
    FUZZ_REQUIRE(life->token == token && life->opened && !life->over, "a completion outside of its life");
    return life;
}

static void received(lives *lives, const iocp_completion *completion)
{
    life *life = open_life(lives, completion->connection);
    FUZZ_REQUIRE(completion->result > 0 && lives->lease_count < LEASES_MAX, "a receive of nothing");
    for (int32_t i = 0; i < completion->result; i++)
        FUZZ_REQUIRE(completion->bytes[i] == ring_stream_byte(life->stream, life->received_bytes + (uint32_t)i),
                     "other bytes are received than were sent");
    lives->leases[lives->lease_count++] = (lease){.bytes = completion->bytes,
                                                  .position = life->received_bytes,
                                                  .stream = life->stream,
                                                  .count_bytes = (uint32_t)completion->result,
                                                  .id = completion->detail};
    life->received_bytes += (uint32_t)completion->result;
}

static void sent(lives *lives, const iocp_completion *completion)
{
    life *life = open_life(lives, completion->connection);
    FUZZ_REQUIRE(life->mark_head != life->mark_tail, "SENT was not asked for");
    const uint64_t before = life->marks[life->mark_head++ % MARKS_MAX];
    FUZZ_REQUIRE(completion->result < 0 || life->taken_bytes >= before, "SENT before its bytes left");
}

static void closed(lives *lives, const iocp_completion *completion)
{
    life *life = open_life(lives, completion->connection);
    FUZZ_REQUIRE(life->closed_below && life->mark_head == life->mark_tail, "CLOSED is not the last");
    life->over = true;
}

void lives_see(lives *lives, const iocp_completion *completion)
{
    switch (completion->kind) {
    case IOCP_COMPLETION_OPENED: {
        life *life = lives_of(lives, completion->connection);
        FUZZ_REQUIRE(!life->opened && !life->over, "OPENED twice");
        life->opened = true;
        life->connecting = false;
        return;
    }
    case IOCP_COMPLETION_CONNECT_FAILED: {
        life *life = lives_of(lives, completion->connection);
        FUZZ_REQUIRE(life->connecting && completion->result < 0, "CONNECT_FAILED without a connect");
        life->connecting = false;
        life->over = true;
        return;
    }
    case IOCP_COMPLETION_RECEIVED:
        received(lives, completion);
        return;
    case IOCP_COMPLETION_SENT:
        sent(lives, completion);
        return;
    case IOCP_COMPLETION_CLOSED:
        closed(lives, completion);
        return;
    case IOCP_COMPLETION_PEER_FINISHED:
    case IOCP_COMPLETION_WRITABLE:
        open_life(lives, completion->connection);
        return;
    case IOCP_COMPLETION_STOPPING:
        FUZZ_REQUIRE(lives->stops && !lives->said_stopping, "STOPPING twice, or without a stop");
        lives->said_stopping = true;
        return;
    case IOCP_COMPLETION_POSTED:
    case IOCP_COMPLETION_TIMER:
    case IOCP_COMPLETION_UNSENT_FELL:
        break;
    }
    FUZZ_REQUIRE(false, "a completion that nobody asked for");
}

uint16_t lives_take_lease(lives *lives, uint32_t index)
{
    const lease lease = lives->leases[index];
    for (uint32_t i = 0; i < lease.count_bytes; i++)
        FUZZ_REQUIRE(lease.bytes[i] == ring_stream_byte(lease.stream, lease.position + i), "lent bytes changed");
    lives->leases[index] = lives->leases[--lives->lease_count];
    return lease.id;
}

/* --- the two sides ------------------------------------------------------------------------------------------ */

ring_observer lives_observer(lives *lives)
{
    return (ring_observer){.context = lives, .named = named, .taken = taken, .broke = broke, .ended = ended};
}

void lives_check_end(const lives *lives)
{
    FUZZ_REQUIRE(lives->lease_count == 0, "a lease is kept");
    for (uint32_t i = 0; i < RING_HANDLES_MAX; i++) {
        const life *life = &lives->by_slot[i];
        FUZZ_REQUIRE((!life->opened && !life->connecting) || life->over, "CLOSED never came");
    }
}
