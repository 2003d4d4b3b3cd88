/* Opening and closing the rings of a set. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../system/topology.h"
#include "set.h"

uint32_t iocp_uring_set_queues(uint32_t handle_count)
{
    const uint32_t most = iocp_limit_files();
    return most == 0 ? 1 : (handle_count + most - 1) / most;
}

static void close_members(iocp_uring_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        iocp_uring_close((iocp_driver *)set->members[i].uring);
    for (; set->waiting_head != set->waiting_tail; set->waiting_head++) {
        const iocp_event *event = &set->waiting[set->waiting_head % IOCP_URING_SET_WAITING_MAX];
        if (event->result >= 0)
            close(event->result);
    }
    iocp_arena_close(&set->waiting_arena);
    free(set);
}

int iocp_uring_set_open(iocp_driver **driver, const iocp_driver_config *config, iocp_failure *failure)
{
    const uint32_t count = iocp_uring_set_queues(config->handle_count);
    /* The port has looked; the limit may have been lowered since. */
    if (count > IOCP_QUEUES_MAX) {
        *failure = (iocp_failure){
            .code = -EMFILE, .stage = IOCP_STAGE_RING_FILES, .detail = "more rings than a worker can have"};
        return failure->code;
    }
    iocp_uring_set *set = calloc(1, sizeof *set + count * sizeof *set->members);
    if (set == NULL) {
        *failure = (iocp_failure){.code = -ENOMEM, .stage = IOCP_STAGE_MEMORY, .detail = "the rings of a worker"};
        return failure->code;
    }
    const int result = iocp_arena_open(&set->waiting_arena, IOCP_URING_SET_WAITING_MAX * sizeof *set->waiting, 0);
    if (result < 0) {
        free(set);
        *failure = (iocp_failure){.code = result, .stage = IOCP_STAGE_MEMORY, .detail = "the rings of a worker"};
        return result;
    }
    set->waiting = (iocp_event *)set->waiting_arena.start;
    iocp_driver_config member = *config;
    uint32_t left = config->handle_count;
    for (; set->count < count; set->count++) {
        member.handle_count = left / (count - set->count); /* equal shares */
        left -= member.handle_count;
        member.tells_wake_fd = set->count > 0;
        iocp_driver *opened;
        const int opening = iocp_uring_open(&opened, &member, failure);
        if (opening < 0) {
            close_members(set);
            return opening;
        }
        set->members[set->count].uring = iocp_uring_of(opened);
        if (set->count > 0)
            (void)io_uring_cq_eventfd_toggle(&iocp_uring_of(opened)->ring, false);
    }
    set->config = &set->members[0].uring->config;
    *driver = (iocp_driver *)set;
    return 0;
}

void iocp_uring_set_close(iocp_driver *driver)
{
    close_members(iocp_uring_set_of(driver));
}
