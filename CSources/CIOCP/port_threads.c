/* The threads of a port: starting workers on its own, opening them on the caller's, and waiting for their end. */
#include <errno.h>

#include "port_state.h"

static void report(iocp_port *port, port_thread *thread, int result)
{
    pthread_mutex_lock(&port->lock);
    thread->result = result;
    thread->reported = true;
    pthread_cond_broadcast(&port->changed);
    pthread_mutex_unlock(&port->lock);
}

static void *thread_main(void *argument)
{
    iocp_worker *worker = argument;
    iocp_port *port = worker->setup.port;
    port_thread *thread = &port->threads[worker->setup.index];
    const int result = iocp_worker_open(worker, &thread->failure);
    report(port, thread, result);
    if (result == 0) {
        iocp_thread_serve_begin();
        thread->body(worker, thread->context);
        iocp_worker_close(worker);
    }
    iocp_lifetime_release(&port->lifetime);
    return NULL;
}

/* Reserves a worker for one use. Called with the lock held. */
static int claim(iocp_port *port, uint32_t index, worker_use use, iocp_failure *failure)
{
    if (iocp_port_is_stopping(port))
        return iocp_port_fail(failure, -ESHUTDOWN, IOCP_STAGE_STATE, "the port has stopped");
    if (port->threads[index].use != USE_NONE)
        return iocp_port_fail(failure, -EBUSY, IOCP_STAGE_STATE, "the worker was opened before");
    port->threads[index].use = use;
    return 0;
}

int iocp_port_spawn(iocp_port *port, uint32_t index, iocp_worker_body body, void *context, iocp_failure *failure)
{
    if (index >= port->config.worker_count)
        return iocp_port_fail(failure, -EINVAL, IOCP_STAGE_STATE, "no such worker");
    port_thread *thread = &port->threads[index];
    pthread_mutex_lock(&port->lock);
    int result = claim(port, index, USE_SPAWNED, failure);
    if (result == 0) {
        thread->body = body;
        thread->context = context;
        iocp_lifetime_hold(&port->lifetime);
        result = -pthread_create(&thread->thread, NULL, thread_main, &port->workers[index]);
        if (result < 0) {
            iocp_lifetime_release(&port->lifetime);
            thread->use = USE_NONE;
            iocp_port_fail(failure, result, IOCP_STAGE_THREAD, "pthread_create");
        } else {
            while (!thread->reported)
                pthread_cond_wait(&port->changed, &port->lock);
            result = thread->result;
            if (result < 0) {
                *failure = thread->failure;
                thread->use = USE_NONE; /* nothing of it is left: it may be tried again */
                thread->reported = false;
                const pthread_t ended = thread->thread; /* the next try has another */
                pthread_mutex_unlock(&port->lock);
                pthread_join(ended, NULL);
                return result;
            }
        }
    }
    pthread_mutex_unlock(&port->lock);
    return result;
}

int iocp_port_join(iocp_port *port, uint32_t index)
{
    if (index >= port->config.worker_count)
        return -EINVAL;
    if (iocp_thread_serves())
        return -EDEADLK;
    port_thread *thread = &port->threads[index];
    pthread_mutex_lock(&port->lock);
    if (thread->use == USE_SPAWNED) {
        thread->use = USE_JOINING;
        pthread_mutex_unlock(&port->lock);
        pthread_join(thread->thread, NULL);
        pthread_mutex_lock(&port->lock);
        thread->use = USE_ENDED;
        pthread_cond_broadcast(&port->changed);
    }
    while (thread->use == USE_JOINING)
        pthread_cond_wait(&port->changed, &port->lock);
    pthread_mutex_unlock(&port->lock);
    return 0;
}

uint32_t iocp_port_offload_threads(iocp_port *port)
{
    pthread_mutex_lock(&port->offload.lock);
    const uint32_t count = port->offload.thread_count;
    pthread_mutex_unlock(&port->offload.lock);
    return count;
}

int iocp_port_join_offload(iocp_port *port)
{
    if (iocp_thread_serves())
        return -EDEADLK;
    iocp_offload_pool_await_idle(&port->offload);
    return 0;
}

int iocp_port_attach(iocp_port *port, iocp_worker **worker, iocp_failure *failure)
{
    pthread_mutex_lock(&port->lock);
    uint32_t index = 0;
    while (index < port->config.worker_count && port->threads[index].use != USE_NONE)
        index++;
    int result;
    if (index == port->config.worker_count)
        result = iocp_port_fail(failure, -EBUSY, IOCP_STAGE_STATE, "every worker is taken");
    else
        result = claim(port, index, USE_ATTACHED, failure);
    pthread_mutex_unlock(&port->lock);
    if (result < 0)
        return result;
    result = iocp_worker_open(&port->workers[index], failure);
    if (result == 0) {
        *worker = &port->workers[index];
        return 0;
    }
    pthread_mutex_lock(&port->lock);
    port->threads[index].use = USE_NONE; /* nothing of it is left: it may be tried again */
    pthread_mutex_unlock(&port->lock);
    return result;
}
