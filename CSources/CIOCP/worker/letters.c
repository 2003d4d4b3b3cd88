/* Letters from other threads: which of them become completions, and how the others are carried out. */
#include "letters.h"

#include "admission.h"
#include "jobs.h"
#include "outbox.h"
#include "travel.h"

static void emit_posted(iocp_worker *worker, const iocp_letter *letter)
{
    /* One that came from another worker has a token of this one's. */
    const iocp_token here =
        worker->table.guests.count > 0 ? iocp_connection_here(worker, letter->connection) : letter->connection;
    iocp_worker_emit(worker, (iocp_completion){.kind = IOCP_COMPLETION_POSTED,
                                               .connection = here != 0 ? here : letter->connection,
                                               .key = letter->value,
                                               .bytes = letter->reference,
                                               .detail = letter->kind});
    IOCP_STATS_ADD(worker->stats, posts, 1);
}

/* Nobody waits for the result, so a refusal is counted. */
static void carry_out_send(iocp_worker *worker, const iocp_letter *letter)
{
    iocp_shared_bytes *shared = letter->reference;
    if (iocp_send_shared(worker, letter->connection, shared) < 0)
        IOCP_STATS_ADD(worker->stats, dropped_sends, 1);
    iocp_shared_bytes_release(shared);
}

void iocp_worker_open_letter(iocp_worker *worker, const iocp_letter *letter)
{
    switch (letter->kind) {
    case IOCP_LETTER_VALUE:
    case IOCP_LETTER_REFERENCE:
    case IOCP_LETTER_CONNECT:
        emit_posted(worker, letter);
        return;
    case IOCP_LETTER_SEND:
        carry_out_send(worker, letter);
        return;
    case IOCP_LETTER_JOB:
        iocp_worker_add_job(worker, letter->reference);
        return;
    case IOCP_LETTER_CLIENT:
        iocp_worker_take_in(worker, letter->reference);
        return;
    }
    IOCP_CHECK(false, "a letter of an unknown kind was posted");
}

/* A send behind a post waits until the application has seen the post, and may have sent because of it. */
bool iocp_worker_may_open(const iocp_worker *worker, const iocp_letter *letter)
{
    return iocp_worker_has_room(worker) && (letter->kind != IOCP_LETTER_SEND || worker->out_count == 0);
}

/* A letter for a connection that lives elsewhere, or is on its way, goes after it. */
static iocp_redirection redirect(iocp_worker *worker, const iocp_letter *letter)
{
    if (worker->travel_count == 0 || letter->connection == 0)
        return IOCP_REDIRECT_NEVER;
    iocp_travel *travel = iocp_home_absent(worker, letter->connection);
    return travel != NULL ? iocp_home_redirect(worker, travel, letter) : IOCP_REDIRECT_NEVER;
}

/* Half of a batch at most, so that neither letters nor connections can starve the other. */
void iocp_worker_take_letters(iocp_worker *worker)
{
    for (uint32_t left = worker->out_capacity / 2; left > 0; left--) {
        const iocp_letter *first = iocp_mailbox_first(&worker->mailbox);
        if (first == NULL || !iocp_worker_may_open(worker, first))
            return;
        const iocp_redirection redirection = redirect(worker, first);
        if (redirection == IOCP_REDIRECT_LATER)
            return;
        iocp_letter letter;
        iocp_mailbox_take(&worker->mailbox, &letter);
        if (redirection == IOCP_REDIRECT_NEVER)
            iocp_worker_open_letter(worker, &letter);
    }
}
