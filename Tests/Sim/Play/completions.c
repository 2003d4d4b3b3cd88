#include <errno.h>
#include <stdio.h>

#include "ledger.h"

static void trace_completion(const ledger *ledger, const iocp_completion *completion)
{
    static const char *const names[] = {"?",      "OPENED", "CONNECT_FAILED", "RECEIVED", "PEER_FINISHED", "SENT",
                                        "WRITABLE", "CLOSED", "POSTED",         "TIMER",    "STOPPING",       "UNSENT_FELL", "LEAVING", "ARRIVED"};
    if (ledger->tracing)
        fprintf(stderr, "-> %s %u.%llu key %llu result %d detail %u\n", names[completion->kind % 14],
                iocp_token_slot(completion->connection),
                (unsigned long long)iocp_token_generation(completion->connection),
                (unsigned long long)completion->key, completion->result, completion->detail);
}

/* --- of a connection ---------------------------------------------------------------------------------------- */

static ledger_life *open_life(ledger *ledger, const iocp_completion *completion)
{
    ledger_life *life = ledger_find(ledger, completion->connection);
    LEDGER_REQUIRE(ledger, life != NULL && life->opened, "G4", "a completion of a connection that never opened",
                   completion->connection);
    LEDGER_REQUIRE(ledger, !life->over, "G4", "a completion after CLOSED", completion->connection);
    return life;
}

static void check_key(const ledger *ledger, const ledger_life *life, const iocp_completion *completion)
{
    LEDGER_REQUIRE(ledger, completion->key == life->key || completion->key == life->former_key, "G4", "another connection's key", completion->connection);
}

static void opened(ledger *ledger, const iocp_completion *completion)
{
    ledger_life *life = ledger_life_of(ledger, completion->connection);
    LEDGER_REQUIRE(ledger, !life->opened && !life->over, "G3", "OPENED twice", completion->connection);
    LEDGER_REQUIRE(ledger, !life->given_up, "G1", "a connect opened that was given up", completion->connection);
    check_key(ledger, life, completion);
    ledger_check_origin(ledger, completion, life->connecting);
    /* One that waits for its first bytes opens whenever those come. */
    LEDGER_REQUIRE(ledger, !ledger->has_neighbour || !ledger->said_stopping || ledger->config->deliver_after_first_bytes ||
                       life->connecting,
                   "G7", "a client opened behind STOPPING", completion->connection);
    ledger_layer_check_opened(ledger, life);
    life->opened = true;
    life->connecting = false;
    life->opened_ns = iocp_worker_now_ns(ledger->worker);
    life->holds_back = ledger->config->holds_back_receive;
    life->timeouts = (iocp_timeouts){.idle_ns = ledger->config->idle_timeout_ns,
                                     .receive_ns = ledger->config->receive_timeout_ns,
                                     .send_ns = ledger->config->send_timeout_ns};
    life->marks = (iocp_send_marks){.low_bytes = ledger->config->send_low_bytes,
                                    .high_bytes = ledger->config->send_high_bytes,
                                    .cap_bytes = ledger->config->send_cap_bytes};
    life->pressed = life->layer.context != NULL && iocp_connection_is_pressed(ledger->worker, life->token);
}

static void connect_failed(ledger *ledger, const iocp_completion *completion)
{
    ledger_life *life = ledger_find(ledger, completion->connection);
    LEDGER_REQUIRE(ledger, life != NULL && life->connecting, "G1", "CONNECT_FAILED without a connect",
                   completion->connection);
    check_key(ledger, life, completion);
    LEDGER_REQUIRE(ledger, completion->result < 0, "G1", "CONNECT_FAILED without an error", life->token);
    /* With a layer its transport may fail so, too, once it is there. */
    LEDGER_REQUIRE(ledger,
                   completion->result != -ETIMEDOUT || (life->layer.context != NULL && life->broken) ||
                       (life->connect_due_ns > 0 && iocp_worker_now_ns(ledger->worker) >= life->connect_due_ns),
                   "G1", "a connect timed out before its time", life->token);
    if (life->layer.context != NULL) {
        const bool by_layer = ledger_layer_check_reason(ledger, life, completion);
        LEDGER_REQUIRE(ledger, by_layer || completion->result > -IOCP_LAYER_PEER_REFUSED, "G1",
                       "CONNECT_FAILED with a failure that is not its layer's", life->token);
        LEDGER_REQUIRE(ledger,
                       completion->result != -ECANCELED || life->layer.state == NULL || ledger_may_lose(ledger, life), "G1",
                       "a connect was given up by nobody", life->token);
    }
    life->connecting = false;
    ledger_layer_check_over(ledger, life);
    ledger_life_ends(ledger, life);
}

static void received(ledger *ledger, const iocp_completion *completion)
{
    ledger_life *life = open_life(ledger, completion);
    check_key(ledger, life, completion);
    LEDGER_REQUIRE(ledger, completion->result > 0, "G2", "RECEIVED without bytes", life->token);
    LEDGER_REQUIRE(ledger, !life->peer_finished, "G2", "bytes after the peer's FIN", life->token);
    LEDGER_REQUIRE(ledger, !life->closing || life->closing_quiet_count == ledger->quiet_count, "G3",
                   "bytes came after a close", life->token);
    const uint32_t count = (uint32_t)completion->result;
    LEDGER_REQUIRE(ledger, iocp_sim_stream_matches(life->stream, life->received_bytes, completion->bytes, count), "G2",
                   "other bytes were received than sent", life->token);
    ledger_layer_check_received(ledger, life, completion);
    LEDGER_REQUIRE(ledger, ledger->lease_count < LEDGER_LEASES_MAX, "G6", "more leases than buffers", life->token);
    ledger->leases[ledger->lease_count++] = (ledger_lease){.bytes = completion->bytes,
                                                           .position = life->received_bytes,
                                                           .stream = life->stream,
                                                           .count_bytes = count,
                                                           .id = completion->detail};
    life->received_bytes += count;
}

static void peer_finished(ledger *ledger, const iocp_completion *completion)
{
    ledger_life *life = open_life(ledger, completion);
    check_key(ledger, life, completion);
    LEDGER_REQUIRE(ledger, ledger->config->half_close, "G3", "PEER_FINISHED without half-close", life->token);
    LEDGER_REQUIRE(ledger, !life->peer_finished, "G1", "PEER_FINISHED twice", life->token);
    ledger_layer_check_peer_finished(ledger, life);
    life->peer_finished = true;
}

static void sent(ledger *ledger, const iocp_completion *completion)
{
    ledger_life *life = open_life(ledger, completion);
    LEDGER_REQUIRE(ledger, life->notify_head < life->notify_count, "G1", "SENT was not asked for, or came twice",
                   life->token);
    const ledger_notify *notify = &life->notifies[life->notify_head++];
    LEDGER_REQUIRE(ledger, notify->key == completion->key, "G1", "SENT out of order, or with another's key", life->token);
    LEDGER_REQUIRE(ledger, completion->result < 0 || life->taken_bytes >= notify->queued_bytes, "G1",
                   "SENT before its bytes were taken", life->token);
    LEDGER_REQUIRE(ledger, completion->result == 0 || (completion->result < 0 && ledger_may_lose(ledger, life)), "G1",
                   "SENT failed, and nothing had happened", life->token);
}

static void writable(ledger *ledger, const iocp_completion *completion)
{
    ledger_life *life = open_life(ledger, completion);
    check_key(ledger, life, completion);
    LEDGER_REQUIRE(ledger, life->press_count > 0, "G1", "WRITABLE without having been pressed", life->token);
    life->press_count--;
    life->pressed = false;
}

static void unsent_fell(ledger *ledger, const iocp_completion *completion)
{
    ledger_life *life = open_life(ledger, completion);
    LEDGER_REQUIRE(ledger, life->notice_count > 0, "G1", "UNSENT_FELL was not asked for, or came twice", life->token);
    const ledger_notice notice = life->notices[0];
    LEDGER_REQUIRE(ledger, notice.key == completion->key, "G1", "UNSENT_FELL with another's key", life->token);
    LEDGER_REQUIRE(ledger,
                   completion->result < 0 || notice.queued_bytes < life->taken_bytes + notice.below_bytes, "G1",
                   "UNSENT_FELL before enough was taken", life->token);
    LEDGER_REQUIRE(ledger, completion->result == 0 || (completion->result < 0 && ledger_may_lose(ledger, life)), "G1",
                   "UNSENT_FELL failed, and nothing had happened", life->token);
    life->notices[0] = life->notices[--life->notice_count];
}

/* --- closing ------------------------------------------------------------------------------------------------ */

/* Whether the application asked for it, the transport failed, or somebody waited long enough. */
static bool abort_is_justified(const ledger *ledger, const ledger_life *life)
{
    const uint64_t now_ns = iocp_worker_now_ns(ledger->worker);
    const uint64_t linger_ns = ledger->config->linger_timeout_ns;
    if (life->aborted || life->doomed || life->broken || ledger->failure != 0)
        return true;
    if (ledger->said_stopping && now_ns >= ledger->drained_ns)
        return true;
    /* The peer's FIN, too, begins a close, at a time the ledger does not know. */
    return now_ns - (life->closing ? life->closing_ns : life->opened_ns) >= linger_ns;
}

/* Whether its peer acknowledged nothing for as long as a timeout that judges it. */
static bool was_silent(const ledger *ledger, const ledger_life *life)
{
    const uint64_t last_ns = iocp_sim_now_ns(ledger->sim) - life->acknowledged_ns;
    const uint64_t silence_ns = last_ns > life->longest_silence_ns ? last_ns : life->longest_silence_ns;
    return silence_ns >= ledger->config->linger_timeout_ns ||
           (life->timeouts.send_ns > 0 && silence_ns >= life->timeouts.send_ns);
}

/* A peer is judged by an answer, and by what the worker knew when it came. */
static void check_question(const ledger *ledger, const ledger_life *life, const iocp_completion *completion)
{
    const ledger_question *question = &life->question;
    LEDGER_REQUIRE(ledger, !question->unanswered, "G7", "a question without an answer ended a connection", life->token);
    LEDGER_REQUIRE(ledger, !question->sending, "G7", "a peer was judged beside a send in flight", life->token);
    LEDGER_REQUIRE(ledger,
                   completion->detail != IOCP_CLOSE_SEND_TIMEOUT || ledger->unasked || !question->acknowledged_between,
                   "G7", "a peer that acknowledged some bytes was given up", life->token);
}

static void check_reason(ledger *ledger, const ledger_life *life, const iocp_completion *completion)
{
    const iocp_port_config *config = ledger->config;
    bool justified = false;
    bool abort_justified = true;
    switch ((iocp_close_reason)completion->detail) {
    case IOCP_CLOSE_LOCAL:
        justified = life->closing;
        abort_justified = abort_is_justified(ledger, life);
        break;
    case IOCP_CLOSE_PEER:
        justified = !config->half_close && !life->awaits;
        abort_justified = abort_is_justified(ledger, life);
        ledger_layer_check_peer_finished(ledger, life);
        break;
    case IOCP_CLOSE_STOPPED:
        justified = ledger->said_stopping && !life->ended_early &&
                    ((!life->stays && !life->awaits) || iocp_worker_now_ns(ledger->worker) >= ledger->drained_ns);
        abort_justified = abort_is_justified(ledger, life);
        break;
    case IOCP_CLOSE_RESET:
    case IOCP_CLOSE_FAILED:
        justified = (life->broken || ledger->failure != 0) && completion->result < 0;
        break;
    case IOCP_CLOSE_LAYER:
        justified = ledger_layer_check_reason(ledger, life, completion);
        abort_justified =
            abort_is_justified(ledger, life) || (life->layer.state != NULL && life->layer.state->broke_sealing);
        break;
    case IOCP_CLOSE_ABORTED:
        justified = life->aborted || life->doomed;
        break;
    case IOCP_CLOSE_IDLE_TIMEOUT:
        justified = life->timeouts.idle_ns > 0;
        check_question(ledger, life, completion);
        break;
    case IOCP_CLOSE_RECEIVE_TIMEOUT:
        justified = life->timeouts.receive_ns > 0;
        break;
    case IOCP_CLOSE_SEND_TIMEOUT:
        /* Or a graceful close, whose peer took nothing for as long as it lingers. */
        justified = life->timeouts.send_ns > 0 || abort_is_justified(ledger, life);
        LEDGER_REQUIRE(ledger, ledger->unasked || was_silent(ledger, life), "G7",
                       "a peer that reads steadily was given up", life->token);
        check_question(ledger, life, completion);
        break;
    case IOCP_CLOSE_SEND_OVERFLOW:
        justified = life->overflowed || life->squeezed || life->taken_bytes < life->lent_bytes;
        break;
    }
    LEDGER_REQUIRE(ledger, justified, "G3", "CLOSED with a reason that is not so", life->token);
    LEDGER_REQUIRE(ledger, abort_justified || life->ending != IOCP_SIM_CLOSED_RST, "G7",
                   "a graceful close ended with RST", life->token);
    LEDGER_REQUIRE(ledger, !life->aborted || life->broken || ledger->failure != 0 || completion->detail != IOCP_CLOSE_ABORTED ||
                       life->ending == IOCP_SIM_CLOSED_RST,
                   "G7", "an abort sent no RST", life->token);
}

static void closed(ledger *ledger, const iocp_completion *completion)
{
    ledger_life *life = open_life(ledger, completion);
    check_key(ledger, life, completion);
    LEDGER_REQUIRE(ledger, life->notify_head == life->notify_count, "G1", "CLOSED before SENT", life->token);
    LEDGER_REQUIRE(ledger, life->notice_count == 0, "G1", "CLOSED before UNSENT_FELL", life->token);
    LEDGER_REQUIRE(ledger, life->ending > IOCP_SIM_FIN || ledger->failure != 0, "G7", "CLOSED before the socket was closed", life->token);
    check_reason(ledger, life, completion);
    ledger_layer_check_over(ledger, life);
    ledger_life_ends(ledger, life);
    ledger->closed_count++;
}

/* --- of the worker ------------------------------------------------------------------------------------------ */

static void posted(ledger *ledger, const iocp_completion *completion)
{
    LEDGER_REQUIRE(ledger, ledger->post_head != ledger->post_tail, "G5", "a post came twice, or from nowhere", 0);
    LEDGER_REQUIRE(ledger, ledger->posts[ledger->post_head % LEDGER_POSTS_MAX] == completion->key, "G5",
                   "a post was lost, changed or overtaken", 0);
    ledger->post_head++;
}

static void timer(ledger *ledger, const iocp_completion *completion)
{
    LEDGER_REQUIRE(ledger, completion->key < LEDGER_TIMERS_MAX && ledger->timers[completion->key].armed, "G1",
                   "TIMER twice, or without a timer", completion->connection);
    ledger_timer *timer = &ledger->timers[completion->key];
    timer->armed = false;
    if (completion->result == 0)
        LEDGER_REQUIRE(ledger, iocp_worker_now_ns(ledger->worker) >= timer->due_ns, "G1", "a timer fired early", 0);
    else
        LEDGER_REQUIRE(ledger,
                       completion->result == -ECANCELED && (timer->cancelled || timer->bound || ledger->said_stopping ||
                                                             ledger->failure != 0),
                       "G1", "a timer failed", 0);
    if (completion->connection != 0)
        open_life(ledger, completion);
}

/* Posts from before the stop come first, and no connection that goes on was closed for it. */
static void stopping(ledger *ledger)
{
    LEDGER_REQUIRE(ledger, ledger->stopped, "G7", "STOPPING without a stop", 0);
    LEDGER_REQUIRE(ledger, !ledger->said_stopping, "G1", "STOPPING twice", 0);
    LEDGER_REQUIRE(ledger, (int32_t)(ledger->post_head - ledger->posts_before_stop) >= 0, "G5",
                   "STOPPING overtook a post from before the stop", 0);
    ledger->said_stopping = true;
}

void ledger_completed(ledger *ledger, const iocp_completion *completion)
{
    trace_completion(ledger, completion);
    ledger->completion_count++;
    switch (completion->kind) {
    case IOCP_COMPLETION_OPENED:
        opened(ledger, completion);
        return;
    case IOCP_COMPLETION_CONNECT_FAILED:
        connect_failed(ledger, completion);
        return;
    case IOCP_COMPLETION_RECEIVED:
        received(ledger, completion);
        return;
    case IOCP_COMPLETION_PEER_FINISHED:
        peer_finished(ledger, completion);
        return;
    case IOCP_COMPLETION_SENT:
        sent(ledger, completion);
        return;
    case IOCP_COMPLETION_WRITABLE:
        writable(ledger, completion);
        return;
    case IOCP_COMPLETION_CLOSED:
        closed(ledger, completion);
        return;
    case IOCP_COMPLETION_POSTED:
        posted(ledger, completion);
        return;
    case IOCP_COMPLETION_TIMER:
        timer(ledger, completion);
        return;
    case IOCP_COMPLETION_UNSENT_FELL:
        unsent_fell(ledger, completion);
        return;
    case IOCP_COMPLETION_STOPPING:
        stopping(ledger);
        return;
    case IOCP_COMPLETION_LEAVING: /* this application takes no part in moves; Moves/ does */
    case IOCP_COMPLETION_ARRIVED:
        break;
    }
    ledger_violated(ledger, "G1", "a completion of no kind", completion->connection);
}
