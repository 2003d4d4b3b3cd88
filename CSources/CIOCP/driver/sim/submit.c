/* Intents. Nothing happens yet: each is written down, after a check that the worker may have it now. */
#include <errno.h>

#include "sim.h"

/* --- the rules ---------------------------------------------------------------------------------------------- */

static iocp_token name_of(const iocp_sim *sim, uint64_t token)
{
    return iocp_token_connection(token, sim->config.worker);
}

/* The first operation tells whose socket it is; all later ones have to agree. */
static void check_name(iocp_sim *sim, iocp_sim_socket *socket, uint64_t token)
{
    if (socket->connection == 0) {
        socket->connection = name_of(sim, token);
        IOCP_SIM_SAY(sim, "  the peer of %u.%llu sends stream %u", iocp_token_slot(token), (unsigned long long)iocp_token_generation(token),
                     socket->stream);
        if (sim->observer.named != NULL)
            sim->observer.named(sim->observer.context, socket->connection, socket->stream);
        if (socket->broken && sim->observer.broke != NULL)
            sim->observer.broke(sim->observer.context, socket->connection);
    }
    IOCP_SIM_REQUIRE(sim, socket->connection == name_of(sim, token), "G4", "an operation on another connection's socket",
                     name_of(sim, token));
}

static void begin(iocp_sim *sim, iocp_sim_operation *operation, uint64_t token)
{
    IOCP_SIM_REQUIRE(sim, operation->stage == IOCP_SIM_IDLE, "G1", "two of one operation outstanding on one socket",
                     name_of(sim, token));
    *operation = (iocp_sim_operation){.token = token, .stage = IOCP_SIM_SUBMITTED};
}

static iocp_sim_socket *begin_on_socket(iocp_driver *driver, uint64_t token, uint32_t handle, iocp_sim_kind kind)
{
    iocp_sim *sim = iocp_sim_of(driver);
    IOCP_SIM_REQUIRE(sim, handle < sim->config.handle_count && sim->sockets[handle].open, "G1",
                     "an operation on a closed socket", name_of(sim, token));
    iocp_sim_socket *socket = &sim->sockets[handle];
    check_name(sim, socket, token);
    IOCP_SIM_REQUIRE(sim, socket->operations[IOCP_SIM_CLOSE].stage == IOCP_SIM_IDLE, "G1",
                     "an operation beside a close", name_of(sim, token));
    IOCP_SIM_REQUIRE(sim, socket->established, "G1", "an operation on a socket that is not connected", name_of(sim, token));
    begin(sim, &socket->operations[kind], token);
    return socket;
}

/* --- opening ------------------------------------------------------------------------------------------------ */

void iocp_sim_accept(iocp_driver *driver, uint64_t token, int listener, bool many)
{
    iocp_sim *sim = iocp_sim_of(driver);
    const uint32_t index = iocp_token_slot(token);
    IOCP_SIM_SAY(sim, "  accept %s", many ? "many" : "one");
    begin(sim, &sim->listeners[index].accept, token);
    sim->listeners[index].many = many;
    sim->listeners[index].socket = listener;
    if (sim->listener_count <= index)
        sim->listener_count = index + 1;
}

/* The completion queue has overflowed: while that lasts, commands are not answered. */
static bool is_crowded(iocp_sim *sim)
{
    enum { CROWDED_NS_MAX = 2000000000 };
    if (iocp_sim_chance(sim, sim->weather.crowd))
        sim->crowded_until_ns = sim->now_ns + 1 + iocp_sim_magnitude(sim, CROWDED_NS_MAX);
    return sim->now_ns < sim->crowded_until_ns;
}

int iocp_sim_connect(iocp_driver *driver, uint64_t token, const iocp_endpoint *endpoint, const iocp_endpoint *source,
                     uint32_t *handle)
{
    static const int refusals[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRINUSE, EADDRNOTAVAIL, EACCES, EAFNOSUPPORT};
    (void)endpoint;
    (void)source;
    iocp_sim *sim = iocp_sim_of(driver);
    if (is_crowded(sim))
        return iocp_sim_fail(sim, "call", -EBUSY);
    if (iocp_sim_chance(sim, sim->weather.refuse))
        return iocp_sim_fail(sim, "call", -refusals[iocp_sim_below(sim, sizeof refusals / sizeof *refusals)]);
    const uint32_t opened = iocp_sim_socket_open(sim, false);
    if (opened == UINT32_MAX)
        return iocp_sim_fail(sim, "call", -ENFILE);
    IOCP_SIM_SAY(sim, "  connect %u.%llu, handle %u", iocp_token_slot(token), (unsigned long long)iocp_token_generation(token), opened);
    iocp_sim_peer_meet(sim, &sim->sockets[opened]);
    check_name(sim, &sim->sockets[opened], token);
    begin(sim, &sim->sockets[opened].operations[IOCP_SIM_CONNECT], token);
    sim->sockets[opened].unanswered = iocp_sim_chance(sim, sim->weather.unanswered);
    *handle = opened;
    return 0;
}

/* --- bytes -------------------------------------------------------------------------------------------------- */

void iocp_sim_receive(iocp_driver *driver, uint64_t token, uint32_t handle, iocp_buffer_class class)
{
    iocp_sim *sim = iocp_sim_of(driver);
    IOCP_SIM_SAY(sim, "  receive %u.%llu", iocp_token_slot(token), (unsigned long long)iocp_token_generation(token));
    begin_on_socket(driver, token, handle, IOCP_SIM_RECEIVE)->class = class;
}

void iocp_sim_watch(iocp_driver *driver, uint64_t token, uint32_t handle)
{
    iocp_sim *sim = iocp_sim_of(driver);
    IOCP_SIM_SAY(sim, "  watch %u.%llu", iocp_token_slot(token), (unsigned long long)iocp_token_generation(token));
    (void)begin_on_socket(driver, token, handle, IOCP_SIM_WATCH);
}

void iocp_sim_send(iocp_driver *driver, uint64_t token, uint32_t handle, const iocp_range *ranges, uint32_t count,
                   iocp_send_mode mode)
{
    iocp_sim *sim = iocp_sim_of(driver);
    iocp_sim_socket *socket = begin_on_socket(driver, token, handle, IOCP_SIM_SEND);
    IOCP_SIM_REQUIRE(sim, socket->operations[IOCP_SIM_SHUTDOWN].stage == IOCP_SIM_IDLE && !socket->finish_sent, "G2",
                     "a send after FIN", socket->connection);
    IOCP_SIM_REQUIRE(sim, count > 0 && count <= IOCP_SEND_RANGES_MAX, "G2", "a send of no or too many ranges",
                     socket->connection);
    static const char *const mode_names[] = {"", ", silent", ", waiting"};
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        IOCP_SIM_REQUIRE(sim, ranges[i].count_bytes > 0, "G2", "a send with an empty range", socket->connection);
        socket->ranges[i] = ranges[i];
        total += ranges[i].count_bytes;
    }
    IOCP_SIM_REQUIRE(sim, total <= IOCP_SEND_BYTES_MAX, "G2", "a send larger than its result can say",
                     socket->connection);
    socket->range_count = count;
    socket->send_bytes = (uint32_t)total;
    socket->send_mode = mode;
    socket->sent_in_wait = sim->wait_count + 1;
    if (mode == IOCP_SEND_SILENT && sim->observer.silent != NULL)
        sim->observer.silent(sim->observer.context, socket->connection, socket->send_bytes);
    IOCP_SIM_SAY(sim, "  send %u.%llu, %u bytes in %u ranges%s", iocp_token_slot(token), (unsigned long long)iocp_token_generation(token),
                 socket->send_bytes, count, mode_names[mode]);
}

void iocp_sim_provide(iocp_driver *driver, uint16_t buffer)
{
    enum { POISON = 0xa5 };
    iocp_sim *sim = iocp_sim_of(driver);
    iocp_receive_buffers *all = sim->config.buffers;
    const iocp_buffer_class class = iocp_receive_buffers_class(all, buffer);
    iocp_sim_buffers *held = &sim->buffers[class];
    const uint32_t size_bytes = all->classes[class].buffer_bytes;
    uint8_t *start = iocp_receive_buffers_start(all, buffer);
    IOCP_SIM_REQUIRE(sim, !sim->all_buffers[buffer].held, "G9", "a buffer was provided that the kernel holds", 0);
    sim->all_buffers[buffer] = (iocp_sim_buffer){.held = true};
    held->ids[(held->head + held->count++) % held->capacity] = buffer;
    /* Whoever still reads it reads nonsense, and not what it was lent. */
    for (uint32_t i = 0; i < size_bytes; i++)
        start[i] = POISON;
    if (sim->observer.provided != NULL)
        sim->observer.provided(sim->observer.context, start, size_bytes);
}

/* --- ending ------------------------------------------------------------------------------------------------- */

void iocp_sim_shutdown(iocp_driver *driver, uint64_t token, uint32_t handle)
{
    iocp_sim *sim = iocp_sim_of(driver);
    const iocp_sim_socket *socket = begin_on_socket(driver, token, handle, IOCP_SIM_SHUTDOWN);
    IOCP_SIM_REQUIRE(sim, socket->operations[IOCP_SIM_SEND].stage == IOCP_SIM_IDLE, "G2", "FIN beside a send",
                     socket->connection);
    IOCP_SIM_REQUIRE(sim, !socket->finish_sent, "G2", "FIN twice", socket->connection);
    IOCP_SIM_SAY(sim, "  shutdown %u.%llu", iocp_token_slot(token), (unsigned long long)iocp_token_generation(token));
}

static iocp_sim_operation *named_operation(iocp_sim *sim, uint64_t token, uint32_t handle)
{
    iocp_sim_operation *operations = sim->sockets[handle].operations;
    switch (iocp_token_operation(token)) {
    case IOCP_OPERATION_ACCEPT:
        return &sim->listeners[iocp_token_slot(token)].accept;
    case IOCP_OPERATION_RECEIVE:
        return &operations[IOCP_SIM_RECEIVE];
    case IOCP_OPERATION_SEND:
        return &operations[IOCP_SIM_SEND];
    case IOCP_OPERATION_CONNECT:
        return &operations[IOCP_SIM_CONNECT];
    case IOCP_OPERATION_WATCH:
        return &operations[IOCP_SIM_WATCH];
    case IOCP_OPERATION_NONE:
    case IOCP_OPERATION_SHUTDOWN:
    case IOCP_OPERATION_CANCEL:
    case IOCP_OPERATION_CLOSE:
    case IOCP_OPERATION_DRIVER:
        break;
    }
    IOCP_SIM_REQUIRE(sim, false, "G1", "a cancel of what cannot be cancelled", name_of(sim, token));
    return NULL;
}

void iocp_sim_cancel(iocp_driver *driver, uint64_t token, uint32_t handle)
{
    iocp_sim *sim = iocp_sim_of(driver);
    iocp_sim_operation *operation = named_operation(sim, token, handle);
    IOCP_SIM_SAY(sim, "  cancel %d of %u.%llu", iocp_token_operation(token), iocp_token_slot(token),
                 (unsigned long long)iocp_token_generation(token));
    if (operation->stage == IOCP_SIM_IDLE)
        return; /* it just ended: its terminal event is in the batch that the worker is at */
    IOCP_SIM_REQUIRE(sim, operation->token == token, "G4", "a cancel of another connection's operation", name_of(sim, token));
    IOCP_SIM_REQUIRE(sim, !operation->cancelled, "G1", "an operation was cancelled twice", name_of(sim, token));
    operation->cancelled = true;
    if (iocp_token_operation(token) == IOCP_OPERATION_RECEIVE && sim->observer.withdrew != NULL)
        sim->observer.withdrew(sim->observer.context, name_of(sim, token));
}

void iocp_sim_close_handle(iocp_driver *driver, uint64_t token, uint32_t handle, bool abort)
{
    iocp_sim *sim = iocp_sim_of(driver);
    IOCP_SIM_REQUIRE(sim, handle < sim->config.handle_count && sim->sockets[handle].open, "G1",
                     "a close of a closed socket", name_of(sim, token));
    iocp_sim_socket *socket = &sim->sockets[handle];
    /* A socket that never got a slot is closed under no name. */
    if (token != 0)
        check_name(sim, socket, token);
    for (int kind = 0; kind < IOCP_SIM_KIND_COUNT; kind++)
        IOCP_SIM_REQUIRE(sim, socket->operations[kind].stage == IOCP_SIM_IDLE, "G7",
                         "a close beside an outstanding operation sends nothing", socket->connection);
    begin(sim, &socket->operations[IOCP_SIM_CLOSE], token);
    socket->abort = abort;
    IOCP_SIM_SAY(sim, "  close %u.%llu%s", iocp_token_slot(token), (unsigned long long)iocp_token_generation(token), abort ? ", abort" : "");
}

/* Returns 0, or why one end of a socket cannot be asked for. */
static int refuse_question(iocp_sim *sim, uint32_t handle, const char *end)
{
    const iocp_sim_socket *socket = &sim->sockets[handle];
    IOCP_SIM_REQUIRE(sim, handle < sim->config.handle_count && socket->open, "G4", "a question to a closed socket", 0);
    if (is_crowded(sim))
        return iocp_sim_fail(sim, end, -EBUSY);
    if (iocp_sim_chance(sim, sim->weather.refuse))
        return iocp_sim_fail(sim, end, iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 2) ? -EAGAIN : -ENOBUFS);
    return socket->established && !socket->broken ? 0 : iocp_sim_fail(sim, end, -ENOTCONN);
}

int iocp_sim_local_address(iocp_driver *driver, uint32_t handle, iocp_address *address)
{
    iocp_sim *sim = iocp_sim_of(driver);
    const int refusal = refuse_question(sim, handle, "local");
    if (refusal == 0)
        *address = (iocp_address){.family_is_v6 = sim->sockets[handle].stream % 5 == 0, .bytes = {10}};
    return refusal;
}

int iocp_sim_peer_address(iocp_driver *driver, uint32_t handle, iocp_address *address)
{
    iocp_sim *sim = iocp_sim_of(driver);
    const iocp_sim_socket *socket = &sim->sockets[handle];
    const int refusal = refuse_question(sim, handle, "peer");
    if (refusal < 0)
        return refusal;
    const uint8_t host = (uint8_t)iocp_sim_host_of(sim, socket);
    if (socket->stream % 5 == 0)
        *address = (iocp_address){.family_is_v6 = 1, .bytes = {0xfd, [7] = host, [15] = (uint8_t)socket->stream}};
    else
        *address = (iocp_address){.bytes = {10, 0, 0, host}};
    return 0;
}

static int unacknowledged(iocp_sim *sim, const iocp_sim_socket *socket)
{
    if (sim->cannot_be_asked)
        return iocp_sim_fail(sim, "unacknowledged", -EOPNOTSUPP);
    if (iocp_sim_chance(sim, sim->weather.refuse))
        return iocp_sim_fail(sim, "unacknowledged", iocp_sim_chance(sim, IOCP_SIM_ALWAYS / 2) ? -EBUSY : -EAGAIN);
    /* FIN is acknowledged with what is before it. */
    return (int)socket->peer.unread_bytes + (socket->finish_sent && socket->peer.unread_bytes > 0);
}

/* No socket of the sim has options. */
static int refuse_option(iocp_driver *driver, uint32_t handle)
{
    iocp_sim *sim = iocp_sim_of(driver);
    const int refusal = refuse_question(sim, handle, "option");
    return refusal < 0 ? refusal : iocp_sim_fail(sim, "option", -EOPNOTSUPP);
}

int iocp_sim_get_option(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, void *value,
                        uint32_t *count_bytes)
{
    (void)option;
    (void)value;
    (void)count_bytes;
    return refuse_option(driver, handle);
}

int iocp_sim_set_option(iocp_driver *driver, uint32_t handle, const iocp_socket_option *option, const void *value,
                        uint32_t count_bytes)
{
    (void)option;
    (void)value;
    (void)count_bytes;
    return refuse_option(driver, handle);
}

int iocp_sim_unacknowledged(iocp_driver *driver, uint32_t handle)
{
    iocp_sim *sim = iocp_sim_of(driver);
    const iocp_sim_socket *socket = &sim->sockets[handle];
    IOCP_SIM_REQUIRE(sim, handle < sim->config.handle_count && socket->open, "G4", "a question to a closed socket", 0);
    const int answer = unacknowledged(sim, socket);
    const bool sending = socket->operations[IOCP_SIM_SEND].stage != IOCP_SIM_IDLE;
    IOCP_SIM_SAY(sim, "  ask %u.%llu: %d%s", iocp_token_slot(socket->connection),
                 (unsigned long long)iocp_token_generation(socket->connection), answer, sending ? ", beside a send" : "");
    if (socket->connection != 0 && sim->observer.asked != NULL)
        sim->observer.asked(sim->observer.context, socket->connection, answer, sending);
    return answer;
}
