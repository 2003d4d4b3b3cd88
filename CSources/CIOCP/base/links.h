/* A list in which each entry has its own link: first in, first out, without memory of its own. */
#ifndef IOCP_BASE_LINKS_H
#define IOCP_BASE_LINKS_H

#include <stddef.h>

#include "../include/iocp_port.h"

typedef struct iocp_links {
    iocp_link *first; /* NULL: it is empty */
    iocp_link *last;  /* of one that is not */
} iocp_links;

static inline void iocp_links_put(iocp_links *links, iocp_link *link)
{
    link->next = NULL;
    if (links->first == NULL)
        links->first = link;
    else
        links->last->next = link;
    links->last = link;
}

/* Puts a link back that was taken last. */
static inline void iocp_links_put_first(iocp_links *links, iocp_link *link)
{
    if (links->first == NULL)
        links->last = link;
    link->next = links->first;
    links->first = link;
}

/* NULL: none is left. */
static inline iocp_link *iocp_links_take(iocp_links *links)
{
    iocp_link *link = links->first;
    if (link != NULL)
        links->first = link->next;
    return link;
}

#endif
