/* Arbitrary configurations: each is refused by the name of a field, or makes a port whose worker opens or says why
 * not. Nothing of either is left behind, whatever fails on the way. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "../../../CSources/CIOCP/base/limits.h"
#include "../../../CSources/CIOCP/include/CIOCP.h"
#include "include/FuzzTargets.h"
#include "input.h"
#include "shortages.h"

/* A small number, a power of two, one beside it, or any bits; mostly the field as it is, so that many pass. */
static uint64_t any_value(fuzz_input *input, uint64_t former, uint32_t count_bytes)
{
    switch (fuzz_below(input, 12)) {
    case 1:
        return fuzz_byte(input);
    case 2:
        return UINT64_C(1) << fuzz_below(input, count_bytes * 8);
    case 3:
        return (UINT64_C(1) << fuzz_below(input, count_bytes * 8)) + fuzz_below(input, 3) - 1;
    case 4:
        return fuzz_word(input, count_bytes);
    default:
        return former;
    }
}

static iocp_port_config any_config(fuzz_input *input)
{
    iocp_port_config config = iocp_port_config_default();
    config.driver = (iocp_driver_kind)fuzz_below(input, 8);
    config.overflow_policy = (iocp_overflow_policy)fuzz_below(input, 4);
    const uint8_t switches = fuzz_byte(input);
    config.lockdown = switches & 1;
    config.half_close = switches & 2;
    config.deliver_after_first_bytes = switches & 4;
    config.worker_placement = (switches >> 3) & 7;
    config.holds_back_receive = switches & 32;
#define ANY_VALUE(field) config.field = (__typeof__(config.field))any_value(input, config.field, sizeof config.field)
    ANY_VALUE(worker_count);
    ANY_VALUE(connections_per_worker);
    ANY_VALUE(connections);
    ANY_VALUE(receive_buffer_bytes);
    ANY_VALUE(receive_buffers_per_worker);
    ANY_VALUE(send_chunks_per_worker);
    ANY_VALUE(completion_queue_entries);
    ANY_VALUE(mailbox_entries);
    ANY_VALUE(listen_backlog);
    ANY_VALUE(linger_timeout_ns);
    ANY_VALUE(send_low_bytes);
    ANY_VALUE(send_high_bytes);
    ANY_VALUE(send_cap_bytes);
    ANY_VALUE(worker_unsent_bytes);
    ANY_VALUE(idle_timeout_ns);
    ANY_VALUE(receive_timeout_ns);
    ANY_VALUE(send_timeout_ns);
    ANY_VALUE(receive_progress_bytes);
    ANY_VALUE(timers_per_worker);
    ANY_VALUE(connections_per_address);
    ANY_VALUE(accepts_per_second);
    ANY_VALUE(spin_ns);
    ANY_VALUE(busy_poll_us);
#undef ANY_VALUE
    config.placement = (iocp_placement)fuzz_below(input, 5); /* last: inputs that are kept have none */
    return config;
}

/* What any of thousands of ports a second may take. The bounds themselves are inside, so it stays a configuration that
 * passes. */
static void keep_small(iocp_port_config *config)
{
#define AT_MOST(field, most) config->field = config->field < (most) ? config->field : (most)
    AT_MOST(worker_count, 3);
    AT_MOST(connections_per_worker, 1024);
    AT_MOST(connections, 512);
    AT_MOST(receive_buffer_bytes, 65536);
    AT_MOST(receive_buffers_per_worker, 64);
    AT_MOST(send_chunks_per_worker, 256);
    AT_MOST(completion_queue_entries, 1024);
    AT_MOST(mailbox_entries, 1024);
    AT_MOST(timers_per_worker, 1024);
#undef AT_MOST
    if (config->connections_per_worker == 0)
        config->connections_per_worker = 16;
}

static void check_failure(int result, const iocp_failure *failure)
{
    FUZZ_REQUIRE(result < 0 && failure->code == result, "a failure says its code");
    FUZZ_REQUIRE(failure->stage != IOCP_STAGE_NONE && iocp_error_name(result) != NULL, "a failure has a name");
}

static void use_port(iocp_port *port, fuzz_input *input)
{
    iocp_failure failure = {0};
    iocp_worker *worker = NULL;
    const uint32_t worker_count = iocp_port_worker_count(port);
    FUZZ_REQUIRE(worker_count > 0 && iocp_port_configuration(port)->driver != IOCP_DRIVER_AUTO, "zeros were settled");
    FUZZ_REQUIRE(iocp_port_post(port, worker_count, 0, 1) == -EINVAL, "there is a worker behind the last one");
    FUZZ_REQUIRE(iocp_port_post(port, 0, 0, 1) == -ENXIO, "a post is accepted that no worker is there for");
    shortages_begin(fuzz_byte(input));
    const int result = iocp_port_attach(port, &worker, &failure);
    shortages_end();
    if (result < 0) {
        check_failure(result, &failure);
        FUZZ_REQUIRE(iocp_port_post(port, 0, 0, 1) == -ENXIO, "a worker that did not open takes posts");
        return;
    }
    FUZZ_REQUIRE(iocp_port_post(port, 0, 0, 1) == 0, "the first post is refused");
    iocp_completion completions[IOCP_WAIT_CAPACITY_MIN];
    const int count = iocp_worker_wait(worker, completions, IOCP_WAIT_CAPACITY_MIN, 0);
    FUZZ_REQUIRE(count == 1 && completions[0].kind == IOCP_COMPLETION_POSTED && completions[0].key == 1,
                 "a post does not arrive");
    if (fuzz_one_in(input, 2)) {
        iocp_port_stop(port, fuzz_word(input, 8));
        FUZZ_REQUIRE(iocp_port_post(port, 0, 0, 2) == 0, "a stop refuses posts before it is complete");
        for (int waits = 0, left = 1; left >= 0 && waits < 100; waits++) {
            left = iocp_worker_wait(worker, completions, IOCP_WAIT_CAPACITY_MIN, 0);
            left = left == -ECANCELED ? -1 : 0;
        }
        FUZZ_REQUIRE(iocp_port_post(port, 0, 0, 3) == -ESHUTDOWN, "a stop does not end");
    }
    iocp_worker_close(worker);
}

/* Descriptors are given lowest first, so few are looked at. */
static uint32_t open_descriptors(void)
{
    enum { LOOKED_AT = 64 };
    uint32_t count = 0;
    for (int fd = 0; fd < LOOKED_AT; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void try_port(const iocp_port_config *config, fuzz_input *input)
{
    iocp_sim *sim = NULL;
    if (config->driver == IOCP_DRIVER_SIM && fuzz_one_in(input, 2)) {
        const iocp_sim_observer nobody = {0};
        sim = iocp_sim_create(1, fuzz_byte(input) & 1, &nobody);
        iocp_sim_use(sim);
    }
    iocp_port *port = NULL;
    iocp_failure failure = {0};
    shortages_begin(fuzz_byte(input));
    const int result = iocp_port_create(config, &port, &failure);
    shortages_end();
    if (result < 0) {
        check_failure(result, &failure);
        FUZZ_REQUIRE(failure.code != -EINVAL, "a configuration that passed was refused");
    } else {
        use_port(port, input);
        iocp_port_destroy(port);
    }
    if (sim != NULL)
        iocp_sim_destroy(sim);
}

void fuzz_config(const uint8_t *bytes, size_t count)
{
    fuzz_input input = {bytes, count};
    iocp_port_config config = any_config(&input);
    iocp_port *port = NULL;
    iocp_failure failure = {0};
    (void)iocp_capabilities_get(); /* asked once a process */
    const char *broken = iocp_port_config_broken_field(&config);
    if (broken != NULL) {
        FUZZ_REQUIRE(iocp_port_create(&config, &port, &failure) == -EINVAL && port == NULL,
                     "a broken field was accepted");
        FUZZ_REQUIRE(failure.stage == IOCP_STAGE_CONFIGURATION && strcmp(failure.detail, broken) == 0,
                     "the field that is broken was not named");
        return;
    }
    keep_small(&config);
    FUZZ_REQUIRE(iocp_port_config_broken_field(&config) == NULL, "smaller than what passes, and yet refused");

    cpu_set_t cpus; /* attaching binds this thread, and names it */
    char name[16];
    pthread_getname_np(pthread_self(), name, sizeof name);
    sched_getaffinity(0, sizeof cpus, &cpus);
    const uint32_t descriptor_count = open_descriptors();
    const uint64_t mapped_bytes = shortages_mapped_bytes();
    try_port(&config, &input);
    FUZZ_REQUIRE(open_descriptors() == descriptor_count, "a descriptor was left behind");
    FUZZ_REQUIRE(shortages_mapped_bytes() == mapped_bytes, "mapped memory was left behind");
    sched_setaffinity(0, sizeof cpus, &cpus);
    pthread_setname_np(pthread_self(), name);
}
