/* What an application may still do when its worker is closed, and when its port is given up: every call answers, and the
 * bytes it kept are what they were. */
#include <errno.h>

#include "application.h"

static void require(const application *application, bool holds, const char *what, iocp_token connection)
{
    LEDGER_REQUIRE(application->ledger, holds, "G8", what, connection);
}

static void try_connection(application *application, iocp_token connection)
{
    iocp_worker *worker = application->worker;
    iocp_address address;
    iocp_connection_counters counters;
    require(application,
            iocp_send(worker, connection, "x", 1) == -ENOTCONN && iocp_send_notify(worker, connection, 1) == -ENOTCONN &&
                iocp_send_shared(worker, connection, application->shared) == -ENOTCONN &&
                iocp_send_parts(worker, connection, &(iocp_send_part){"x", 1}, 1) == -ENOTCONN &&
                iocp_draft_open(worker, connection) == -ENOTCONN && iocp_draft_send(worker) == -EINVAL &&
                iocp_receive_pause(worker, connection) == -ENOTCONN &&
                iocp_receive_resume(worker, connection) == -ENOTCONN && iocp_close(worker, connection) == -ENOTCONN &&
                iocp_abort(worker, connection) == -ENOTCONN && iocp_finish_sending(worker, connection) == -ENOTCONN &&
                iocp_connection_set_key(worker, connection, 1) == -ENOTCONN &&
                iocp_connection_peer(worker, connection, &address) == -ENOTCONN &&
                iocp_connection_counters_get(worker, connection, &counters) == -ENOTCONN &&
                iocp_notify_unsent(worker, connection, 1, 1) == -ENOTCONN &&
                iocp_connection_hold_back(worker, connection, true) == -ENOTCONN &&
                iocp_connection_set_marks(worker, connection, &(iocp_send_marks){0, 1, 1}) == -ENOTCONN &&
                !iocp_connection_is_open(worker, connection) && !iocp_connection_holds_back(worker, connection) && iocp_connection_unsent_bytes(worker, connection) == 0,
            "a closed worker knows a connection", connection);
}

static void try_worker(application *application)
{
    iocp_worker *worker = application->worker;
    const iocp_address address = {.bytes = {127, 0, 0, 1}};
    iocp_completion completions[IOCP_WAIT_CAPACITY_MIN];
    iocp_token connection;
    iocp_timer timer;
    uint64_t pages;
    require(application,
            iocp_worker_wait(worker, completions, IOCP_WAIT_CAPACITY_MIN, 0) == -ESHUTDOWN &&
                iocp_worker_leave(worker, 0) == -ESHUTDOWN && iocp_worker_pages(worker, &pages, &pages) == -ESHUTDOWN &&
                iocp_connect(worker, &address, NULL, 1, &connection) == -ESHUTDOWN &&
                iocp_timer_start(worker, 0, 1, 1, &timer) == -ESHUTDOWN,
            "a closed worker works", 0);
    const iocp_worker_holdings held = iocp_worker_hold(worker);
    require(application, held.connections == 0 && held.deadlines == 0 && held.driver_handles == 0,
            "a closed worker holds something", 0);
    for (uint32_t i = 0; i < LEDGER_TIMERS_MAX; i++)
        require(application, iocp_timer_cancel(worker, application->ledger->timers[i].timer) == -ENOENT,
                "a closed worker cancels a timer", 0);
}

void application_after_close(application *application)
{
    try_worker(application);
    for (uint32_t i = 0; i < application->ledger->config->connections_per_worker; i++)
        try_connection(application, application->ledger->lives[i].token);
}
