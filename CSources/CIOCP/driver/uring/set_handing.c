/* Sockets that go from a set of rings to another worker, and come from one: as those of a ring. */
#include "set.h"

static int pack(iocp_driver *driver, uint32_t handle, iocp_traveller *traveller)
{
    return iocp_uring_hand_over.pack(iocp_uring_driver_of(driver, handle), iocp_uring_set_inner(handle), traveller);
}

static void leave(iocp_driver *driver, uint32_t handle)
{
    iocp_uring_hand_over.leave(iocp_uring_driver_of(driver, handle), iocp_uring_set_inner(handle));
}

static void stay(iocp_driver *driver, uint32_t handle, iocp_traveller *traveller)
{
    iocp_uring_hand_over.stay(iocp_uring_driver_of(driver, handle), iocp_uring_set_inner(handle), traveller);
}

static int take(iocp_driver *driver, iocp_traveller *traveller, uint32_t *handle)
{
    iocp_uring_set *set = iocp_uring_set_of(driver);
    const int chosen = iocp_uring_set_choose(set);
    if (chosen < 0)
        return chosen;
    const int result = iocp_uring_hand_over.take((iocp_driver *)set->members[chosen].uring, traveller, handle);
    if (result == 0)
        *handle = iocp_uring_set_outer((uint32_t)chosen, *handle);
    return result;
}

const iocp_hand_over_operations iocp_uring_set_hand_over = {
    .pack = pack, .leave = leave, .stay = stay, .take = take, .abandon = iocp_traveller_abandon};
