#include "wheels.h"

#include <stdlib.h>

struct internals_wheel {
    iocp_deadlines deadlines;
};

internals_wheel *internals_wheel_create(uint32_t entry_count, uint32_t tick_bits, uint64_t now_ns)
{
    internals_wheel *wheel = malloc(sizeof *wheel);
    if (wheel != NULL && iocp_deadlines_open(&wheel->deadlines, 0, entry_count, tick_bits, now_ns) < 0) {
        free(wheel);
        return NULL;
    }
    return wheel;
}

void internals_wheel_destroy(internals_wheel *wheel)
{
    iocp_deadlines_close(&wheel->deadlines);
    free(wheel);
}

void internals_wheel_arm(internals_wheel *wheel, uint32_t entry, uint64_t due_ns)
{
    iocp_deadlines_arm(&wheel->deadlines, entry, due_ns);
}

void internals_wheel_disarm(internals_wheel *wheel, uint32_t entry)
{
    iocp_deadlines_disarm(&wheel->deadlines, entry);
}

uint32_t internals_wheel_pop(internals_wheel *wheel, uint64_t now_ns)
{
    return iocp_deadlines_pop(&wheel->deadlines, now_ns);
}

uint64_t internals_wheel_wait_ns(const internals_wheel *wheel, uint64_t now_ns)
{
    return iocp_deadlines_wait_ns(&wheel->deadlines, now_ns);
}

uint32_t internals_wheel_armed_count(const internals_wheel *wheel)
{
    return wheel->deadlines.armed_count;
}
