/* Blocks of what is owed; those given back are used again, so that a slow reader costs no malloc per message. */
#include "backlog.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 * 1024 };

struct backlog_block {
    backlog_block *next;
    size_t start;
    size_t end;
    char bytes[BLOCK_BYTES];
};

static backlog_block *pool;

static backlog_block *block_take(void)
{
    backlog_block *block = pool;
    if (block == NULL)
        block = malloc(sizeof *block);
    else
        pool = block->next;
    if (block != NULL) {
        block->next = NULL;
        block->start = block->end = 0;
    }
    return block;
}

static void drop_first(backlog *self)
{
    backlog_block *block = self->first;
    self->first = block->next;
    if (self->first == NULL)
        self->last = NULL;
    block->next = pool;
    pool = block;
}

bool backlog_append(backlog *self, const char *bytes, size_t count)
{
    while (count > 0) {
        if (self->last == NULL || self->last->end == BLOCK_BYTES) {
            backlog_block *block = block_take();
            if (block == NULL)
                return false;
            backlog_join(self, (backlog){block, block});
        }
        backlog_block *last = self->last;
        size_t step = count < BLOCK_BYTES - last->end ? count : BLOCK_BYTES - last->end;
        memcpy(last->bytes + last->end, bytes, step);
        last->end += step;
        bytes += step;
        count -= step;
    }
    return true;
}

void backlog_join(backlog *self, backlog later)
{
    if (later.first == NULL)
        return;
    if (self->last == NULL)
        self->first = later.first;
    else
        self->last->next = later.first;
    self->last = later.last;
}

const char *backlog_first(const backlog *self, size_t *count)
{
    *count = self->first->end - self->first->start;
    return self->first->bytes + self->first->start;
}

void backlog_sent(backlog *self, size_t count)
{
    self->first->start += count;
    if (self->first->start == self->first->end)
        drop_first(self);
}

void backlog_clear(backlog *self)
{
    while (self->first != NULL)
        drop_first(self);
}
