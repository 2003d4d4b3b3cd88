/* The table of a set's functions: each operation goes to the ring of its handle. */
#include "../listening.h"
#include "set.h"

/* --- opening connections ---------------------------------------------------------------------------------------- */

/* Into a descriptor of the process, since which ring a client is for is known only when it has come. */
static void set_accept(iocp_driver *driver, uint64_t token, int listener, bool many)
{
    iocp_uring *first = iocp_uring_set_of(driver)->members[0].uring;
    struct io_uring_sqe *entry = iocp_uring_entry(first);
    if (many)
        io_uring_prep_multishot_accept(entry, listener, NULL, NULL, SOCK_CLOEXEC);
    else
        io_uring_prep_accept(entry, listener, NULL, NULL, SOCK_CLOEXEC);
    entry->user_data = token;
}

static int set_connect(iocp_driver *driver, uint64_t token, const iocp_endpoint *endpoint, const iocp_endpoint *source,
                       uint32_t *handle)
{
    iocp_uring_set *set = iocp_uring_set_of(driver);
    const int chosen = iocp_uring_set_choose(set);
    if (chosen < 0)
        return chosen;
    const int result = iocp_uring_connect((iocp_driver *)set->members[chosen].uring, token, endpoint, source, handle);
    *handle = iocp_uring_set_outer((uint32_t)chosen, *handle);
    return result;
}

static int set_adopt(iocp_driver *driver, uint64_t token, int fd, uint32_t *handle)
{
    iocp_uring_set *set = iocp_uring_set_of(driver);
    const int chosen = iocp_uring_set_choose(set);
    if (chosen < 0)
        return chosen;
    const int result = iocp_uring_adopt((iocp_driver *)set->members[chosen].uring, token, fd, handle);
    *handle = iocp_uring_set_outer((uint32_t)chosen, *handle);
    return result;
}

/* --- operations of a handle ------------------------------------------------------------------------------------- */

static void set_receive(iocp_driver *driver, uint64_t token, uint32_t handle, iocp_buffer_class class)
{
    iocp_uring_receive(iocp_uring_driver_of(driver, handle), token, iocp_uring_set_inner(handle), class);
}

static void set_watch(iocp_driver *driver, uint64_t token, uint32_t handle)
{
    iocp_uring_watch(iocp_uring_driver_of(driver, handle), token, iocp_uring_set_inner(handle));
}

static void set_send(iocp_driver *driver, uint64_t token, uint32_t handle, const iocp_range *ranges, uint32_t count,
                     iocp_send_mode mode)
{
    iocp_uring_send(iocp_uring_driver_of(driver, handle), token, iocp_uring_set_inner(handle), ranges, count, mode);
}

static void set_shutdown(iocp_driver *driver, uint64_t token, uint32_t handle)
{
    iocp_uring_shutdown(iocp_uring_driver_of(driver, handle), token, iocp_uring_set_inner(handle));
}

static void set_cancel(iocp_driver *driver, uint64_t token, uint32_t handle)
{
    const uint32_t of = iocp_token_operation(token) == IOCP_OPERATION_ACCEPT ? 0 : handle; /* the first ring accepts */
    iocp_uring_cancel(iocp_uring_driver_of(driver, of), token, iocp_uring_set_inner(of));
}

static void set_close_handle(iocp_driver *driver, uint64_t token, uint32_t handle, bool abort)
{
    iocp_uring_close_handle(iocp_uring_driver_of(driver, handle), token, iocp_uring_set_inner(handle), abort);
}

/* --- questions -------------------------------------------------------------------------------------------------- */

static int set_peer(iocp_driver *driver, uint32_t handle, iocp_address *address)
{
    return iocp_uring_peer(iocp_uring_driver_of(driver, handle), iocp_uring_set_inner(handle), address);
}

static int set_local(iocp_driver *driver, uint32_t handle, iocp_address *address)
{
    return iocp_uring_local(iocp_uring_driver_of(driver, handle), iocp_uring_set_inner(handle), address);
}

static int set_get_option(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, void *value,
                          uint32_t *count_bytes)
{
    return iocp_uring_get_option(iocp_uring_driver_of(driver, handle), iocp_uring_set_inner(handle), option, value,
                                 count_bytes);
}

static int set_set_option(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, const void *value,
                          uint32_t count_bytes)
{
    return iocp_uring_set_option(iocp_uring_driver_of(driver, handle), iocp_uring_set_inner(handle), option, value,
                                 count_bytes);
}

static int set_unacknowledged(iocp_driver *driver, uint32_t handle)
{
    return iocp_uring_unacknowledged(iocp_uring_driver_of(driver, handle), iocp_uring_set_inner(handle));
}

/* --- buffers ---------------------------------------------------------------------------------------------------- */

/* A buffer that a ring holds cannot be taken back, so it goes to one that holds fewest: whose receives spend most. */
static void set_provide(iocp_driver *driver, uint16_t buffer)
{
    iocp_uring_set *set = iocp_uring_set_of(driver);
    const iocp_buffer_class class = iocp_receive_buffers_class(set->config->buffers, buffer);
    iocp_uring_member *poorest = &set->members[0];
    for (uint32_t i = 1; i < set->count && poorest->held[class] > 0; i++)
        if (set->members[i].held[class] < poorest->held[class])
            poorest = &set->members[i];
    poorest->held[class]++;
    iocp_uring_provide((iocp_driver *)poorest->uring, buffer);
}

static bool set_feeds(const iocp_driver *driver, uint32_t handle, iocp_buffer_class class)
{
    const iocp_uring_set *set = (const iocp_uring_set *)driver;
    return set->members[handle >> IOCP_URING_SET_HANDLE_BITS].held[class] > 0;
}

/* --- what there is ------------------------------------------------------------------------------------------------ */

static uint64_t set_features(const iocp_driver *driver)
{
    const iocp_uring_set *set = (const iocp_uring_set *)driver;
    return iocp_uring_features((const iocp_driver *)set->members[0].uring) |
           iocp_feature_bit(IOCP_FEATURE_several_rings, true);
}

static uint32_t set_handles_held(const iocp_driver *driver)
{
    const iocp_uring_set *set = (const iocp_uring_set *)driver;
    uint32_t count = 0;
    for (uint32_t i = 0; i < set->count; i++)
        count += set->members[i].uring->handles_held;
    return count;
}

#define OPERATIONS(whole)                                                                                              \
    {                                                                                                                  \
        .name = "uring", .kind = IOCP_DRIVER_URING, .listening = &iocp_listening_kernel, .whole_buffers = whole,       \
        .hand_over = &iocp_uring_set_hand_over,                                                                        \
        .queues = iocp_uring_set_queues, .rehearse = iocp_uring_rehearse, .open = iocp_uring_set_open,                 \
        .close = iocp_uring_set_close, .accept = set_accept, .connect = set_connect, .adopt = set_adopt,               \
        .receive = set_receive, .watch = set_watch, .send = set_send, .shutdown = set_shutdown, .cancel = set_cancel,  \
        .close_handle = set_close_handle, .peer = set_peer, .get_option = set_get_option,                              \
        .set_option = set_set_option, .local = set_local, .unacknowledged = set_unacknowledged,                        \
        .provide = set_provide, .feeds = set_feeds, .wait = iocp_uring_set_wait, .features = set_features,             \
        .handles_held = set_handles_held,                                                                              \
    }

const iocp_driver_operations *iocp_driver_uring_set(void)
{
    static const iocp_driver_operations piecewise = OPERATIONS(false);
    static const iocp_driver_operations whole = OPERATIONS(true);
    return iocp_capabilities_get()->incremental_buffers ? &piecewise : &whole;
}
