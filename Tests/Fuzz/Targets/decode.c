/* The uring driver under a real worker, with the input for a kernel: whatever completions come, and in whatever order,
 * each connection lives its life once, gets its own bytes, and leaves nothing behind (G1-G4, G7, G9). */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../../CSources/CIOCP/worker/worker.h"
#include "include/FuzzTargets.h"
#include "input.h"
#include "lives.h"
#include "played_ring.h"

enum { BATCH_MAX = 48, SEND_BYTES_MAX = 20000, ENDING_TURNS_MAX = 500 };

typedef struct world {
    fuzz_input input;
    iocp_port_config config;
    iocp_worker worker;
    iocp_stats_cell stats;
    iocp_listener_set listeners;
    iocp_address_counts addresses;
    _Atomic uint64_t stop_at_ns;
    _Atomic int listening_socket;
    played_ring ring;
    lives lives;
} world;

/* --- what the application does ------------------------------------------------------------------------------ */

static void return_lease(world *world, uint32_t index)
{
    iocp_lease_return(&world->worker, lives_take_lease(&world->lives, index));
}

static void send_bytes(world *world, life *life, uint32_t count)
{
    uint8_t bytes[SEND_BYTES_MAX];
    for (uint32_t i = 0; i < count; i++)
        bytes[i] = ring_stream_byte(lives_sent_stream(life), life->queued_bytes + i);
    const int result = iocp_send(&world->worker, life->token, bytes, count);
    FUZZ_REQUIRE(result == 0 || result == -ENOTCONN || result == -EPIPE || result == -EAGAIN || result == -EMSGSIZE ||
                     result == -ENOBUFS,
                 "a send answers with no known error");
    FUZZ_REQUIRE(result == -ENOTCONN || !life->over, "a life that is over answers");
    if (result == 0)
        life->queued_bytes += count;
    if ((result == -EAGAIN || result == -EMSGSIZE) && world->config.overflow_policy == IOCP_OVERFLOW_CLOSE)
        life->may_lose = true;
}

static void ask_for_sent(world *world, life *life)
{
    if (life->mark_tail - life->mark_head < MARKS_MAX && iocp_send_notify(&world->worker, life->token, 1) == 0)
        life->marks[life->mark_tail++ % MARKS_MAX] = life->queued_bytes;
}

static void connect_somewhere(world *world)
{
    const iocp_address address = {.bytes = {127, 0, 0, 1}};
    iocp_token token = 0;
    const uint64_t timeout_ns = fuzz_one_in(&world->input, 2) ? UINT64_C(1000000) << fuzz_below(&world->input, 12) : 0;
    if (iocp_connect_within(&world->worker, &address, NULL, timeout_ns, 0, &token) == 0)
        lives_of(&world->lives, token)->connecting = true;
}

static void abort_life(world *world, life *life)
{
    if (iocp_abort(&world->worker, life->token) == 0)
        life->may_lose = true;
}

/* On a life that may be over: then nobody answers. One that did not begin has no name that anybody could know. */
static void act_on(world *world, life *life)
{
    fuzz_input *input = &world->input;
    iocp_worker *worker = &world->worker;
    if (!life->opened && !life->connecting)
        return;
    switch (fuzz_below(input, 12)) {
    case 0:
        (void)iocp_receive_pause(worker, life->token);
        return;
    case 1:
        (void)iocp_receive_resume(worker, life->token);
        return;
    case 2:
        (void)iocp_finish_sending(worker, life->token);
        return;
    case 3:
        (void)iocp_close(worker, life->token);
        return;
    case 4:
        abort_life(world, life);
        return;
    case 5:
        ask_for_sent(world, life);
        return;
    case 6:
    case 7:
        send_bytes(world, life, fuzz_below(input, SEND_BYTES_MAX));
        return;
    default:
        send_bytes(world, life, 1 + fuzz_below(input, 200));
        return;
    }
}

static void act(world *world)
{
    fuzz_input *input = &world->input;
    for (uint32_t left = fuzz_below(input, 8); left > 0 && input->left > 0; left--) {
        const uint8_t choice = fuzz_byte(input);
        if (choice >= 240)
            connect_somewhere(world);
        else if (choice >= 160 && world->lives.lease_count > 0)
            return_lease(world, choice % world->lives.lease_count);
        else
            act_on(world, &world->lives.by_slot[choice % RING_HANDLES_MAX]);
    }
}

static int turn(world *world)
{
    iocp_completion completions[BATCH_MAX];
    const uint32_t capacity =
        IOCP_WAIT_CAPACITY_MIN + fuzz_below(&world->input, BATCH_MAX - IOCP_WAIT_CAPACITY_MIN + 1);
    const int count = iocp_worker_wait(&world->worker, completions, capacity, 0);
    FUZZ_REQUIRE(count > 0 || count == -ETIME || count == -ECANCELED, "a wait fails");
    for (int i = 0; i < count; i++)
        lives_see(&world->lives, &completions[i]);
    while (world->lives.lease_count > LEASES_MAX - BATCH_MAX)
        return_lease(world, 0);
    return count;
}

/* --- a run -------------------------------------------------------------------------------------------------- */

static iocp_port_config any_config(fuzz_input *input)
{
    iocp_port_config config = iocp_port_config_default();
    const uint8_t switches = fuzz_byte(input);
    config.worker_count = 1;
    config.connections_per_worker = 1 + fuzz_below(input, RING_HANDLES_MAX);
    config.receive_buffer_bytes = 4096;
    config.receive_buffers_per_worker = 2u << fuzz_below(input, 4);
    config.send_chunks_per_worker = 4 + fuzz_below(input, 8);
    config.mailbox_entries = 16;
    config.timers_per_worker = 1;
    config.listen_backlog = 1 + fuzz_below(input, 4);
    config.half_close = switches & 1;
    config.deliver_after_first_bytes = switches & 2;
    config.overflow_policy = switches & 4 ? IOCP_OVERFLOW_REFUSE : IOCP_OVERFLOW_CLOSE;
    config.connections_per_address = switches & 8 ? 2 : 0;
    config.idle_timeout_ns = switches & 16 ? 400000000 : 0;
    if (switches & 32) {
        config.send_cap_bytes = 30000;
        config.send_high_bytes = 8000;
        config.send_low_bytes = 2000;
        config.worker_unsent_bytes = 80000;
    }
    config.linger_timeout_ns = UINT64_C(1000000) << fuzz_below(input, 12);
    return config;
}

static void open_worker(world *world, bool whole_buffers)
{
    const ring_observer observer = lives_observer(&world->lives);
    iocp_failure failure = {0};
    iocp_listener_set_open(&world->listeners, iocp_driver_epoll()->listening, 1, world->config.listen_backlog);
    played_ring_setup(&world->ring, &world->input, !whole_buffers, &observer);
    world->worker.setup = (iocp_worker_setup){.config = &world->config,
                                              .driver = played_ring_operations(whole_buffers),
                                              .stats = &world->stats,
                                              .listeners = &world->listeners,
                                              .addresses = &world->addresses,
                                              .stop_at_ns = &world->stop_at_ns,
                                              .cpu = UINT32_MAX,
                                              .wake_fd = -1};
    FUZZ_REQUIRE(iocp_mailbox_reserve(&world->worker.mailbox, world->config.mailbox_entries) == 0 &&
                     iocp_address_counts_open(&world->addresses, world->config.connections_per_worker,
                                              world->config.connections_per_address) == 0 &&
                     iocp_worker_open(&world->worker, &failure) == 0,
                 "the worker does not open");
    /* A listener of the played ring, which has no socket. */
    world->listening_socket = -1;
    world->listeners.listeners[0].sockets = &world->listening_socket;
    atomic_store(&world->listeners.count, 1);
}

static void check_end(world *world)
{
    const iocp_worker_holdings held = iocp_worker_hold(&world->worker);
    FUZZ_REQUIRE(held.connections == 0 && held.driver_handles == 0, "a connection never ends");
    FUZZ_REQUIRE(held.leases == 0 && held.send_nodes == 0 && held.send_chunks == 0, "memory is held for nobody");
    FUZZ_REQUIRE(world->worker.unsent_bytes == 0, "unsent bytes of nobody are counted");
    for (uint32_t i = 0; i < RING_HANDLES_MAX; i++)
        FUZZ_REQUIRE(!world->ring.sockets[i].open, "a socket is left open");
    lives_check_end(&world->lives);
    played_ring_check_end(&world->ring);
}

static void run(world *world)
{
    while (world->input.left > 0) {
        act(world);
        (void)turn(world);
    }
    world->ring.clear = true;
    world->lives.stops = true;
    atomic_store(&world->stop_at_ns, world->ring.now_ns + UINT64_C(20000000000));
    int count = 0;
    for (uint32_t turns = 0; turns < ENDING_TURNS_MAX && count != -ECANCELED; turns++) {
        while (world->lives.lease_count > 0)
            return_lease(world, world->lives.lease_count - 1);
        count = turn(world);
    }
    FUZZ_REQUIRE(count == -ECANCELED && world->lives.said_stopping, "a stop never ends");
    check_end(world);
}

void fuzz_decode(const uint8_t *bytes, size_t count)
{
    /* The worker's own alignment makes the size a multiple of it, as aligned_alloc(3) wants. */
    world *world = aligned_alloc(_Alignof(struct world), sizeof *world);
    FUZZ_REQUIRE(world != NULL, "no memory");
    memset(world, 0, sizeof *world);
    world->input = (fuzz_input){bytes, count};
    const bool whole_buffers = fuzz_byte(&world->input) & 1;
    world->config = any_config(&world->input);
    open_worker(world, whole_buffers);
    run(world);
    iocp_worker_close(&world->worker);
    iocp_mailbox_release(&world->worker.mailbox);
    iocp_address_counts_close(&world->addresses);
    free(world);
}
