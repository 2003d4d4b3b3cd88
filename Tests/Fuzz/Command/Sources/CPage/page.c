#include "page.h"

#include <sys/mman.h>

int fuzz_page_create(void)
{
    return memfd_create("iocp-stats", MFD_CLOEXEC);
}
