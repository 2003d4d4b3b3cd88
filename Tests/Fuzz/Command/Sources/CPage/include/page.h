/* memfd_create(2), which Swift's Glibc does not show. */
#ifndef FUZZ_PAGE_H
#define FUZZ_PAGE_H

/* An empty file under the name of a stats page, or -1. */
int fuzz_page_create(void);

#endif
