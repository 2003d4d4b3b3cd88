/* What an administrator asks of a port, handed to its workers as jobs. */
#include "port_state.h"
#include "worker/capture.h"
#include "worker/survey.h"

int iocp_port_survey(iocp_port *port, uint32_t worker_index, iocp_survey *survey, bool samples)
{
    const int result = iocp_port_post_job(port, worker_index, iocp_survey_begin(survey, samples));
    if (result < 0)
        iocp_survey_cancel(survey);
    return result;
}

int iocp_port_capture(iocp_port *port, uint32_t worker_index, iocp_capture *capture)
{
    const int result = iocp_port_post_job(port, worker_index, iocp_capture_begin(capture));
    if (result < 0)
        iocp_capture_cancel(capture);
    return result;
}
