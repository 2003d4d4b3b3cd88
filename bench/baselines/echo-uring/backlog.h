/* Bytes that a slow reader is owed, in blocks that stay where they are while a send refers to them. */
#ifndef BACKLOG_H
#define BACKLOG_H

#include <stdbool.h>
#include <stddef.h>

typedef struct backlog_block backlog_block;

/* All zero is empty. */
typedef struct backlog {
    backlog_block *first;
    backlog_block *last;
} backlog;

/* Returns false when there is no memory. */
bool backlog_append(backlog *self, const char *bytes, size_t count);

/* Puts all of `later` behind. */
void backlog_join(backlog *self, backlog later);

/* The bytes that are due first; there must be some. */
const char *backlog_first(const backlog *self, size_t *count);

/* The first `count` bytes, all from the first block, have left. */
void backlog_sent(backlog *self, size_t count);
void backlog_clear(backlog *self);

#endif
