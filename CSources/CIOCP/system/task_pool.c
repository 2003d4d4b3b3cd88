/* Keeps the threads of Swift's global pool off the CPUs of bound workers. */
#include "task_pool.h"

#include <pthread.h>
#include <stddef.h>

#include "../include/iocp_system.h"

/* What the runtime offers to whoever wants to see each start (swift/Runtime/ConcurrencyHooks.h): a hook that is set is called
 * in place of the original, which comes last. Weak: the core also stands in programs without Swift's concurrency, and a
 * runtime may lack one of them. */
#define SWIFT __attribute__((swiftcall))
extern __attribute__((weak)) void *swift_task_enqueueGlobal_hook;
extern __attribute__((weak)) void *swift_task_enqueueGlobalWithDelay_hook;
extern __attribute__((weak)) void *swift_task_enqueueGlobalWithDeadline_hook;

typedef SWIFT void start_call(void *job);
typedef SWIFT void start_hook(void *job, start_call *original);
typedef SWIFT void delay_call(unsigned long long ns, void *job);
typedef SWIFT void delay_hook(unsigned long long ns, void *job, delay_call *original);
typedef SWIFT void deadline_call(long long s, long long ns, long long leeway_s, long long leeway_ns, int clock, void *job);
typedef SWIFT void deadline_hook(
    long long s, long long ns, long long leeway_s, long long leeway_ns, int clock, void *job, deadline_call *original);

/* The hooks that were set before: they are called in place of the original. Written once, before the hooks are set. */
static start_hook *next_start;
static delay_hook *next_delay;
static deadline_hook *next_deadline;

static SWIFT void start(void *job, start_call *original)
{
    iocp_thread_unbind();
    if (next_start != NULL)
        next_start(job, original);
    else
        original(job);
}

static SWIFT void start_after(unsigned long long ns, void *job, delay_call *original)
{
    iocp_thread_unbind();
    if (next_delay != NULL)
        next_delay(ns, job, original);
    else
        original(ns, job);
}

static SWIFT void start_at(
    long long s, long long ns, long long leeway_s, long long leeway_ns, int clock, void *job, deadline_call *original)
{
    iocp_thread_unbind();
    if (next_deadline != NULL)
        next_deadline(s, ns, leeway_s, leeway_ns, clock, job, original);
    else
        original(s, ns, leeway_s, leeway_ns, clock, job);
}

static void set_hooks(void)
{
    if (&swift_task_enqueueGlobal_hook != NULL) {
        next_start = (start_hook *)swift_task_enqueueGlobal_hook;
        swift_task_enqueueGlobal_hook = (void *)start;
    }
    if (&swift_task_enqueueGlobalWithDelay_hook != NULL) {
        next_delay = (delay_hook *)swift_task_enqueueGlobalWithDelay_hook;
        swift_task_enqueueGlobalWithDelay_hook = (void *)start_after;
    }
    if (&swift_task_enqueueGlobalWithDeadline_hook != NULL) {
        next_deadline = (deadline_hook *)swift_task_enqueueGlobalWithDeadline_hook;
        swift_task_enqueueGlobalWithDeadline_hook = (void *)start_at;
    }
}

void iocp_task_pool_unbind_starts(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, set_hooks);
}
