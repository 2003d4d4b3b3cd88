/* The C name of an errno. */
#include <string.h>

#include "../include/iocp_system.h"

const char *iocp_error_name(int code)
{
    return strerrorname_np(code < 0 ? -code : code); /* glibc 2.32 */
}
