/* What an administrator asks now and then: which connections there are, the end of one, and what is said. */
#include <errno.h>
#include <string.h>

#include "application.h"

static void require(const application *application, bool holds, const char *what, iocp_token connection)
{
    LEDGER_REQUIRE(application->ledger, holds, "G8", what, connection);
}

/* The application may not have heard of it yet. */
static bool may_be(const application *application, iocp_token connection)
{
    return connection != 0 && iocp_token_worker(connection) == 0 &&
           iocp_token_slot(connection) < application->ledger->config->connections_per_worker;
}

/* --- surveys ---------------------------------------------------------------------------------------------------- */

static void check_answer(const application *application)
{
    const iocp_port_config *config = application->ledger->config;
    const iocp_survey_totals totals = iocp_survey_totals_of(application->survey);
    uint32_t count;
    const iocp_survey_entry *entries = iocp_survey_entries(application->survey, &count);
    require(application, totals.connections <= config->connections_per_worker && totals.meant <= totals.connections,
            "a survey saw more connections than there may be", 0);
    require(application, count <= totals.meant && totals.aborted <= 1, "a survey told of connections that are not meant", 0);
    for (uint32_t i = 0; i < count; i++) {
        require(application, may_be(application, entries[i].connection), "a survey told of a connection that cannot be",
                entries[i].connection);
        require(application, i == 0 || entries[i - 1].rank >= entries[i].rank, "a survey lost its order", entries[i].connection);
        require(application, entries[i].unsent_bytes == 0 || entries[i].opened_ns > 0, "a survey told of no connection",
                entries[i].connection);
    }
}

static void end_survey(application *application)
{
    iocp_survey_release(application->survey);
    application->survey = NULL;
}

/* Nobody waits for an answer here: it is there, or it is given up at times. */
static void hear_survey(application *application)
{
    const int result = iocp_survey_wait(application->survey, 0);
    if (result == 0)
        check_answer(application);
    if (result != -ETIME || random_one_in(&application->random, 8))
        end_survey(application);
}

static void begin_survey(application *application)
{
    sim_random *random = &application->random;
    ledger_life *life = random_one_in(random, 4) ? application_any_open(application) : NULL;
    const iocp_survey_query query = {
        .filter = {.connection = life != NULL ? life->token : 0,
                   .by_peer = random_one_in(random, 4),
                   .prefix_bits = (uint8_t)random_below(random, 33),
                   .peer = {.bytes = {127, 0, 0, 1}}},
        .limit = 1 + random_below(random, 8),
        .order = (iocp_survey_order)random_below(random, 7),
        .aborts = life != NULL && random_one_in(random, 2),
    };
    application->survey = iocp_survey_create(&query);
    require(application, application->survey != NULL, "a survey was refused", 0);
    const bool samples = !query.aborts && random_one_in(random, 3);
    const int result = iocp_port_survey(application->port, 0, application->survey, samples);
    require(application, result == 0 || result == -EAGAIN || result == -ESHUTDOWN, "a survey answered with no known error", 0);
    if (result < 0)
        end_survey(application);
    else if (query.aborts)
        life->doomed = true;
}

/* --- captures --------------------------------------------------------------------------------------------------- */

static void check_records(const application *application, const uint8_t *bytes, uint32_t count_bytes)
{
    iocp_capture_record record;
    for (uint32_t place = 0; place < count_bytes; place += record.record_bytes) {
        memcpy(&record, bytes + place, sizeof record);
        require(application, record.record_bytes >= sizeof record + record.count_bytes && record.record_bytes % 8 == 0 &&
                                 record.record_bytes <= count_bytes - place,
                "a record of a capture is cut", record.connection);
        require(application, record.kind >= IOCP_CAPTURE_OPENED && record.kind <= IOCP_CAPTURE_CLOSED,
                "a record of a capture has no known kind", record.connection);
        require(application, may_be(application, record.connection), "a capture told of a connection that cannot be",
                record.connection);
    }
}

static void read_capture(application *application)
{
    static uint8_t bytes[IOCP_CAPTURE_RING_BYTES_MIN];
    for (uint32_t count; (count = iocp_capture_read(application->capture, bytes, sizeof bytes)) > 0;)
        check_records(application, bytes, count);
}

static void end_capture(application *application)
{
    iocp_capture_release(application->capture);
    application->capture = NULL;
}

static void begin_capture(application *application)
{
    sim_random *random = &application->random;
    const iocp_capture_query query = {.ring_bytes = IOCP_CAPTURE_RING_BYTES_MIN,
                                      .snap_bytes = random_one_in(random, 2) ? 1 + random_below(random, 2000) : 0,
                                      .connections_max = random_below(random, 4),
                                      .bytes_per_second = random_one_in(random, 4) ? random_below(random, 100000) : 0};
    application->capture = iocp_capture_create(&query);
    require(application, application->capture != NULL, "a capture was refused", 0);
    if (iocp_port_capture(application->port, 0, application->capture) < 0)
        end_capture(application);
}

void application_administer(application *application)
{
    if (application->survey != NULL)
        hear_survey(application);
    else if (!application->posts_no_more)
        begin_survey(application);
    if (application->capture != NULL)
        read_capture(application);
    if (application->capture == NULL && !application->posts_no_more)
        begin_capture(application);
    else if (application->capture != NULL && random_one_in(&application->random, 8))
        end_capture(application);
}

void application_ends_administering(application *application)
{
    if (application->survey != NULL) {
        require(application, iocp_survey_wait(application->survey, 0) != -ETIME, "a survey was lost", 0);
        end_survey(application);
    }
    if (application->capture != NULL) {
        require(application, iocp_capture_is_over(application->capture), "a capture outlives its worker", 0);
        read_capture(application);
        end_capture(application);
    }
}
