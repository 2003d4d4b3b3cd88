/* The io_uring driver from the outside: opening it, closing it, and the table of its functions. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../system/topology.h"
#include "../listening.h"
#include "uring.h"

static int fail(iocp_failure *failure, int code, iocp_stage stage, const char *detail)
{
    *failure = (iocp_failure){.code = code, .stage = stage, .detail = detail};
    return code;
}

/* --- the driver --------------------------------------------------------------------------------------------- */

static void release(iocp_uring *uring)
{
    /* The ring first: it is what still writes into buffers. */
    if (uring->ring_open)
        iocp_uring_ring_close(&uring->ring);
    iocp_uring_commands_close(uring);
    iocp_uring_sockets_close(uring);
    for (int class = 0; class < IOCP_BUFFER_CLASS_COUNT; class++)
        iocp_arena_close(&uring->buffer_rings[class].arena);
    free(uring->consumed_bytes);
    free(uring);
}

static int open_handles(iocp_uring *uring, iocp_failure *failure)
{
    int result;
    if (!uring->direct) {
        result = iocp_uring_sockets_open(uring);
        return result < 0 ? fail(failure, result, IOCP_STAGE_MEMORY, "sockets of the ring") : 0;
    }
    result = io_uring_register_files_sparse(&uring->ring, uring->config.handle_count);
    return result < 0 ? fail(failure, result, IOCP_STAGE_RING_FILES, "io_uring_register_files_sparse") : 0;
}

static int open_buffer_rings(iocp_uring *uring, iocp_failure *failure)
{
    const iocp_receive_buffers *buffers = uring->config.buffers;
    uint32_t buffer_count = 0;
    for (uint16_t class = 0; class < IOCP_BUFFER_CLASS_COUNT; class++) {
        const uint32_t count = buffers->classes[class].buffer_count;
        if (count == 0)
            continue;
        buffer_count += count;
        const int result = iocp_uring_buffer_ring_open(&uring->ring, &uring->buffer_rings[class], class, count,
                                                       uring->incremental ? IOCP_URING_PBUF_RING_INC : 0, 0);
        if (result < 0)
            return fail(failure, result, IOCP_STAGE_RING_BUFFERS, "io_uring_register_buf_ring");
    }
    uring->consumed_bytes = calloc(buffer_count, sizeof *uring->consumed_bytes);
    if (uring->consumed_bytes == NULL)
        return fail(failure, -ENOMEM, IOCP_STAGE_RING_BUFFERS, "offsets of receive buffers");
    return 0;
}

static int busy_poll(iocp_uring *uring, iocp_failure *failure)
{
    const int result = iocp_uring_busy_poll(&uring->ring, uring->config.busy_poll_us);
    return result < 0 ? fail(failure, result, IOCP_STAGE_BUSY_POLL, "io_uring_register_napi") : 0;
}

/* A FIN leaves by a kernel thread of this thread's own (IORING_OP_SHUTDOWN never runs inline). Such threads would run on any
 * CPU, in the way of other workers: 18,000 closes at once held up a thread on another core for 80 ms. Here they run
 * where this thread may run. Without it they are merely less well placed. */
static void keep_kernel_threads_near(iocp_uring *uring)
{
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0)
        (void)io_uring_register_iowq_aff(&uring->ring, sizeof cpus, &cpus);
}

static int open_once(iocp_driver **driver, const iocp_driver_config *config, iocp_failure *failure)
{
    iocp_uring *uring = calloc(1, sizeof *uring);
    if (uring == NULL)
        return fail(failure, -ENOMEM, IOCP_STAGE_MEMORY, "the io_uring driver");
    const iocp_capabilities *capabilities = iocp_capabilities_get();
    uring->config = *config;
    uring->direct = capabilities->prompt_close;
    uring->incremental = capabilities->incremental_buffers;
    uring->min_wait = capabilities->min_wait;
    uring->silents.work = capabilities->silent_sends;

    int result = iocp_uring_ring_open(&uring->ring, IOCP_URING_SQ_ENTRIES, config->completion_queue_entries,
                                      config->lockdown ? IORING_SETUP_R_DISABLED : 0);
    if (result < 0) {
        fail(failure, result, IOCP_STAGE_RING, "io_uring_setup");
        release(uring);
        return result;
    }
    uring->ring_open = true;
    /* Without NO_IOWAIT a worker that sleeps shows as one that waits for a disk. */
    uring->enter_flags = IORING_ENTER_EXT_ARG | (capabilities->no_iowait ? IOCP_URING_ENTER_NO_IOWAIT : 0);
    /* Saves the lookup of the ring's own fd on every enter; merely slower without. */
    if (io_uring_register_ring_fd(&uring->ring) == 1)
        uring->enter_flags |= IORING_ENTER_REGISTERED_RING;
    keep_kernel_threads_near(uring); /* once registering the ring's fd has made the thread known to io_uring */
    result = open_handles(uring, failure);
    if (result == 0)
        result = open_buffer_rings(uring, failure);
    if (result == 0 && config->tells_wake_fd) {
        result = io_uring_register_eventfd(&uring->ring, config->wake_fd);
        if (result < 0)
            fail(failure, result, IOCP_STAGE_RING, "io_uring_register_eventfd");
    }
    if (result == 0 && config->busy_poll_us > 0)
        result = busy_poll(uring, failure);
    if (result == 0 && config->lockdown)
        result = iocp_uring_lock_down(uring, failure);
    if (result < 0) {
        release(uring);
        return result;
    }
    if (!config->tells_wake_fd)
        iocp_uring_arm_wake(uring);
    *driver = (iocp_driver *)uring;
    return 0;
}

/* A port that rehearsed knows that there is enough, once its rehearsal is given back. */
int iocp_uring_open(iocp_driver **driver, const iocp_driver_config *config, iocp_failure *failure)
{
    const uint64_t until_ns = iocp_clock_ns() + IOCP_URING_REHEARSED_NS;
    int result = open_once(driver, config, failure);
    while (result == -ENOMEM && config->rehearsed && iocp_uring_wait_for_memory(until_ns))
        result = open_once(driver, config, failure);
    return result;
}

void iocp_uring_close(iocp_driver *driver)
{
    release(iocp_uring_of(driver));
}

uint64_t iocp_uring_features(const iocp_driver *driver)
{
    const iocp_uring *uring = (const iocp_uring *)driver;
    const iocp_capabilities *capabilities = iocp_capabilities_get();
    return iocp_feature_bit(IOCP_FEATURE_multishot_accept, true) |
           iocp_feature_bit(IOCP_FEATURE_multishot_receive, true) |
           iocp_feature_bit(IOCP_FEATURE_direct_descriptors, uring->direct) |
           iocp_feature_bit(IOCP_FEATURE_buffer_rings, true) |
           iocp_feature_bit(IOCP_FEATURE_deferred_task_work, true) |
           iocp_feature_bit(IOCP_FEATURE_incremental_buffers, uring->incremental) |
           iocp_feature_bit(IOCP_FEATURE_no_index_array, capabilities->no_sqarray) |
           iocp_feature_bit(IOCP_FEATURE_registered_ring, uring->enter_flags & IORING_ENTER_REGISTERED_RING) |
           iocp_feature_bit(IOCP_FEATURE_silent_sends, uring->silents.work) |
           iocp_feature_bit(IOCP_FEATURE_minimum_waits, uring->min_wait) |
           iocp_feature_bit(IOCP_FEATURE_waits_are_idle, uring->enter_flags & IOCP_URING_ENTER_NO_IOWAIT) |
           iocp_feature_bit(IOCP_FEATURE_busy_poll, uring->config.busy_poll_us > 0) |
           iocp_feature_bit(IOCP_FEATURE_lockdown, uring->config.lockdown);
}

static uint32_t uring_handles_held(const iocp_driver *driver)
{
    return ((const iocp_uring *)driver)->handles_held;
}

#define OPERATIONS(whole)                                                                                          \
    {                                                                                                              \
        .name = "uring", .kind = IOCP_DRIVER_URING, .listening = &iocp_listening_kernel,                        \
        .hand_over = &iocp_uring_hand_over, .whole_buffers = whole,                                                \
        .rehearse = iocp_uring_rehearse, .open = iocp_uring_open,                                                       \
        .close = iocp_uring_close, .accept = iocp_uring_accept, .connect = iocp_uring_connect,                          \
        .adopt = iocp_uring_adopt,                                                                              \
        .receive = iocp_uring_receive, .watch = iocp_uring_watch, .send = iocp_uring_send,                         \
        .shutdown = iocp_uring_shutdown, .cancel = iocp_uring_cancel, .close_handle = iocp_uring_close_handle,     \
        .peer = iocp_uring_peer, .get_option = iocp_uring_get_option, .set_option = iocp_uring_set_option, .local = iocp_uring_local,                           \
        .unacknowledged = iocp_uring_unacknowledged,                                                               \
        .provide = iocp_uring_provide, .wait = iocp_uring_wait, .features = iocp_uring_features,                        \
        .handles_held = uring_handles_held,                                                                        \
    }

const iocp_driver_operations *iocp_driver_uring(void)
{
    static const iocp_driver_operations piecewise = OPERATIONS(false);
    static const iocp_driver_operations whole = OPERATIONS(true);
    return iocp_capabilities_get()->incremental_buffers ? &piecewise : &whole;
}
