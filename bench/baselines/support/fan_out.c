/* Fan-out: frames, the turn they are collected in, and the queues of those who read slowly. */
#include "fan_out.h"

#include <stdlib.h>
#include <string.h>

static fan_out_block *block_create(size_t bytes)
{
    fan_out_block *block = malloc(sizeof *block + bytes);
    if (block != NULL)
        block->references = 1;
    return block;
}

static void block_release(fan_out_block *block)
{
    if (block != NULL && --block->references == 0)
        free(block);
}

/* --- the turn ----------------------------------------------------------------------------------------------- */

static void add(fan_out_turn *turn, uint32_t sender, const char *start, size_t bytes, fan_out_block *block)
{
    turn->runs[turn->count] = (struct iovec){.iov_base = (void *)start, .iov_len = bytes};
    turn->senders[turn->count] = sender;
    turn->blocks[turn->count] = block;
    turn->count++;
}

/* Adds to the frame that has come in part. Returns how many bytes it took. */
static size_t complete_partial(fan_out_turn *turn, fan_out_reader *reader, uint32_t sender, const char *bytes,
                               size_t count)
{
    size_t missing = turn->frame_bytes - reader->partial_bytes;
    size_t taken = count < missing ? count : missing;
    memcpy(reader->partial->bytes + reader->partial_bytes, bytes, taken);
    reader->partial_bytes += taken;
    if (taken == missing) {
        add(turn, sender, reader->partial->bytes, turn->frame_bytes, reader->partial);
        reader->turn = turn->number;
        reader->partial = NULL;
    }
    return taken;
}

bool fan_out_receive(fan_out_turn *turn, fan_out_reader *reader, uint32_t sender, const char *bytes, size_t count)
{
    if (reader->partial != NULL) {
        size_t taken = complete_partial(turn, reader, sender, bytes, count);
        bytes += taken;
        count -= taken;
    }
    size_t rest = count % turn->frame_bytes;
    size_t whole = count - rest;
    if (whole > 0) {
        add(turn, sender, bytes, whole, NULL);
        reader->turn = turn->number;
    }
    if (rest == 0)
        return true;
    reader->partial = block_create(turn->frame_bytes);
    if (reader->partial == NULL)
        return false;
    memcpy(reader->partial->bytes, bytes + whole, rest);
    reader->partial_bytes = rest;
    return true;
}

uint32_t fan_out_ranges(const fan_out_turn *turn, uint32_t connection, struct iovec *ranges)
{
    uint32_t count = 0;
    for (uint32_t index = 0; index < turn->count; index++)
        if (turn->senders[index] != connection)
            ranges[count++] = turn->runs[index];
    return count;
}

void fan_out_turn_begin(fan_out_turn *turn)
{
    static uint64_t turns;
    for (uint32_t index = 0; index < turn->count; index++)
        block_release(turn->blocks[index]);
    turn->count = 0;
    turn->number = ++turns;
}

/* --- queues ------------------------------------------------------------------------------------------------- */

/* Makes the run outlive its turn: copied once, whoever needs it next shares the copy. */
static bool keep(fan_out_turn *turn, uint32_t index)
{
    if (turn->blocks[index] != NULL)
        return true;
    struct iovec *run = &turn->runs[index];
    fan_out_block *block = block_create(run->iov_len);
    if (block == NULL)
        return false;
    memcpy(block->bytes, run->iov_base, run->iov_len);
    /* The run itself stays where it is: sends that refer to it may be under way. */
    turn->blocks[index] = block;
    return true;
}

static bool has_ring(fan_out_queue *queue)
{
    if (queue->owed == NULL)
        queue->owed = malloc(FAN_OUT_QUEUE_FRAMES * sizeof *queue->owed);
    return queue->owed != NULL;
}

/* Queues of one run what is beyond `sent` bytes, as far as there is room. Returns false only when the rest of a
 * frame begun is lost. */
static bool owe_run(fan_out_turn *turn, fan_out_queue *queue, uint32_t index, size_t sent)
{
    const size_t frame = turn->frame_bytes;
    const size_t begun = sent % frame;
    uint32_t frames = (uint32_t)((turn->runs[index].iov_len - (sent - begun)) / frame);
    const uint32_t room = FAN_OUT_QUEUE_FRAMES - queue->frames;
    if (frames > room)
        frames = room;
    if (frames == 0)
        return true;
    if (!has_ring(queue) || !keep(turn, index))
        return begun == 0;
    fan_out_block *block = turn->blocks[index];
    block->references++;
    queue->owed[(queue->first + queue->count) % FAN_OUT_QUEUE_FRAMES] =
        (fan_out_owed){.block = block, .start = block->bytes + sent, .bytes = frames * frame - begun};
    queue->count++;
    queue->frames += frames;
    return true;
}

bool fan_out_owe(fan_out_turn *turn, fan_out_queue *queue, uint32_t connection, size_t sent)
{
    for (uint32_t index = 0; index < turn->count; index++) {
        if (turn->senders[index] == connection)
            continue;
        const size_t bytes = turn->runs[index].iov_len;
        if (sent >= bytes) {
            sent -= bytes;
            continue;
        }
        if (!owe_run(turn, queue, index, sent))
            return false;
        sent = 0;
    }
    return true;
}

uint32_t fan_out_owed_ranges(const fan_out_queue *queue, struct iovec *ranges)
{
    for (uint32_t index = 0; index < queue->count; index++) {
        const fan_out_owed *owed = &queue->owed[(queue->first + index) % FAN_OUT_QUEUE_FRAMES];
        ranges[index] = (struct iovec){.iov_base = (void *)owed->start, .iov_len = owed->bytes};
    }
    return queue->count;
}

static uint32_t frames_in(size_t bytes, size_t frame_bytes)
{
    return (uint32_t)((bytes + frame_bytes - 1) / frame_bytes);
}

void fan_out_sent(fan_out_queue *queue, size_t frame_bytes, size_t sent)
{
    while (sent > 0) {
        fan_out_owed *owed = &queue->owed[queue->first];
        const size_t taken = sent < owed->bytes ? sent : owed->bytes;
        queue->frames -= frames_in(owed->bytes, frame_bytes) - frames_in(owed->bytes - taken, frame_bytes);
        owed->start += taken;
        owed->bytes -= taken;
        sent -= taken;
        if (owed->bytes > 0)
            return;
        block_release(owed->block);
        queue->first = (queue->first + 1) % FAN_OUT_QUEUE_FRAMES;
        queue->count--;
    }
}

void fan_out_forget(fan_out_reader *reader, fan_out_queue *queue)
{
    block_release(reader->partial);
    while (queue->count > 0) {
        block_release(queue->owed[queue->first].block);
        queue->first = (queue->first + 1) % FAN_OUT_QUEUE_FRAMES;
        queue->count--;
    }
    free(queue->owed);
    *reader = (fan_out_reader){0};
    *queue = (fan_out_queue){0};
}
