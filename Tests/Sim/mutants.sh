#!/bin/bash
# Breaks the core on purpose, one place at a time, in a copy, and expects the sim to notice.
#
#   Tests/Sim/mutants.sh [NAME]     all mutants, or one, or those of a pattern: 'post-*'
#
# SEEDS bounds how many seeds a mutant may live. Exits 1 when one survives or no longer applies. For another processor: CC
# compiles, LINKER links with LIBRARIES, RUN runs; PLAY are more arguments of the sim.
set -euo pipefail

SEEDS=${SEEDS:-20000}
CC=${CC:-clang}
CFLAGS=${CFLAGS:--O1 -DNDEBUG}
LINKER=${LINKER:-$CC}
LIBRARIES=${LIBRARIES:--luring -lnuma -lpthread}
RUN=${RUN:-}
PLAY=${PLAY:-}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cores=$(nproc)

# name | file in the core | what is done to it (GNU sed -z -E) | what that breaks
mutants=$(cat <<'TABLE'
no-generation-check|connection/slot.h|s/iocp_slot_generation\(slot\) != iocp_token_generation\(operation\) \|\| //|old names find new connections
generation-stays|connection/slot.c|s/= iocp_generation_next\(iocp_slot_generation\(slot\)\)/= slot->generation_low == 0 ? 1 : slot->generation_low/|a slot's next life has the same name
names-come-back|base/token.h|s/\(generation \+ 1\) & IOCP_GENERATION_MASK/(generation + 1) \& 3/|a name comes back while somebody may hold it
slots-last-in-first-out|connection/slot.c|s/iocp_slot_fifo_push\(&table->free, table, slot\)/push_first(\&table->free, table, slot)/|the same slot is taken again and again
lease-released-twice|connection/send_queue.c|s/(iocp_receive_buffers_return\(pool->buffers, node->owner.lease\);)/\1 \1/|a buffer is free while it is lent
lease-leaks|connection/send_queue.c|s/iocp_receive_buffers_return\(pool->buffers, node->owner.lease\);/;/|sent leases never come back
shared-leaks-order|connection/send_queue.c|s/ranges\[count - 1\]\.start \+ ranges\[count - 1\]\.count_bytes == node->start/ranges[count - 1].start <= node->start/|ranges that are no neighbours leave as one
starved-forgotten|worker/flush.c|s/(iocp_slot_receives\(slot\)\)\n)        iocp_worker_service_receive\(worker, slot\);/\1        ;/|a receive that found no buffer is never armed again
starved-is-reset|worker/events.c|s/case ENOBUFS: \/\* no buffer was free: not a disconnect \*\/\n[^;]*;\n        return;/case ENOBUFS:\n        iocp_worker_fail(worker, slot, event->result);\n        return;/|no buffer counts as a disconnect
no-rearm|worker/events.c|s/(        slot->receive = IOCP_RECEIVE_NONE;\n)        iocp_worker_touch\(worker, slot\);/\1/|a multishot that ended is not armed again
short-send-rest-lost|worker/events.c|s/uint32_t left = sent;/uint32_t left = offered;/|what a short send left over is dropped
short-send-repeats|connection/send_queue.c|s/node->start \+= count_bytes;/;/|a short send resumes at its start
settle-loses-piece|connection/send_settle.c|s/pool->nodes\[queue->tail\]\.next = index;\n    queue->tail = index;\n    queue->unsent/queue->tail = index;\n    queue->unsent/|a piece that stays in its place is lost behind one that moved
slot-reused-early|worker/service.c|s/    if \(iocp_slot_awaits_events\(slot\)\)\n        return;\n/    slot->receive = IOCP_RECEIVE_NONE;\n    slot->watch = IOCP_WATCH_NONE;\n    slot->send = IOCP_SEND_NONE;\n/|a close does not await what is outstanding
closed-twice|worker/outbox.c|s/(if \(never_opened \|\| \(slot->flags & IOCP_SLOT_ANNOUNCED\)\)\n        iocp_worker_emit\(worker, last\);)/\1\n    if (slot->flags \& IOCP_SLOT_ANNOUNCED)\n        iocp_worker_emit(worker, last);/|CLOSED comes twice
closed-early|worker/service.c|s/(    slot->state = IOCP_SLOT_CLOSING;)/    if (slot->flags \& IOCP_SLOT_ANNOUNCED)\n        iocp_worker_emit_of(worker, slot, IOCP_COMPLETION_CLOSED);\n    iocp_slot_clear(slot, IOCP_SLOT_ANNOUNCED);\n\1/|CLOSED comes before the socket is closed
marks-dropped|worker/outbox.c|s/(if \(iocp_send_queue_drop\(&worker->pool, &slot->queue, &key\)\)\n)            emit_sent\(worker, slot, key, result\);/\1            ;/|SENT is not reported when the connection fails
marks-early|worker/sends.c|s/result = iocp_send_queue_mark\(&worker->pool, &slot->queue, key\);/result = iocp_send_queue_mark(\&worker->pool, \&slot->queue, key);\n    void iocp_worker_emit(iocp_worker *, iocp_completion);\n    iocp_worker_emit(worker, (iocp_completion){.kind = IOCP_COMPLETION_SENT, .connection = connection, .key = key});/|SENT comes at once, and again
delivers-while-closing|worker/events.c|s/    if \(slot->state != IOCP_SLOT_OPEN\)\n        return; \/\* closing: what still arrives is dropped \*\/\n//|bytes are handed out that nobody waits for
coalesces-over-others|connection/send_queue.c|s/if \(tail->piece == IOCP_PIECE_CHUNK &&\n[^;]*return 0;/;/|a send grows over other connections' bytes
chunk-reused-in-flight|memory/send_chunks.c|s/(if \(chunks->references\[chunks->current\]) == 1\)\n(            chunks->current_used_bytes = 0)/\1 <= 2)\n\2/|a chunk starts over while a piece of it is unsent
two-sends|worker/service.c|s/if \(slot->send != IOCP_SEND_NONE \|\| slot->finish/if (slot->finish/|two sends of one connection at a time
fin-too-early|worker/service.c|s/    if \(slot->queue\.head != IOCP_NODE_NONE \|\| iocp_slot_is_sending\(slot\)\)\n        return false;\n//|FIN does not await what is queued
abort-sends-fin|worker/service.c|s/slot->handle, slot->flags & IOCP_SLOT_ABORT\)/slot->handle, false)/|an abort ends with FIN
no-linger|worker/life.c|s/(if \(abort)(\) \{\n        iocp_slot_set\(slot, IOCP_SLOT_ABORT\);)/\1 || reason == IOCP_CLOSE_LOCAL\2/|a graceful close sends RST
linger-never-ends|worker/expiry.c|s/        slot->state = IOCP_SLOT_DRAINING;\n//|a peer that never finishes holds its slot for ever
drain-hangs-on-failure|worker/events.c|s/        iocp_worker_touch\(worker, slot\); \/\* one that drains[^\n]*\n//|a send that fails while its connection drains
post-taken-when-closed|worker/mailbox.c|s/return -ESHUTDOWN;/return 0;/|a post is accepted behind the close of the mailbox
post-lost-in-full-batch|worker/letters.c|s/; left > 0; left--\) \{(.*iocp_mailbox_take\(&worker->mailbox, &letter\);)/;; left--) {\1\n        if (left == 0)\n            return;/|a letter is taken for which there is no room
job-forgotten|worker/jobs.c|s/            job->flushed_at = worker->traffic\.tail;\n        \}\n        append\(jobs, job\);/            job->flushed_at = worker->traffic.tail;\n        }/|a job that goes on is forgotten
jobs-not-released|worker/worker.c|s/    iocp_worker_release_jobs\(worker\);\n//|a worker closes with a job that nobody hears of
job-after-its-end|worker/jobs.c|s/            if \(!more\)\n                continue;[^\n]*\n//|a job runs on after it said that nothing is left
post-taken-before-open|worker/mailbox.c|s/atomic_init\(&mailbox->tail, UNOPENED\);/atomic_init(\&mailbox->tail, 0);/|a post is accepted that no worker is there for
post-wakes-nobody|worker/mailbox.c|s/atomic_store_explicit\(&mailbox->asleep, true, memory_order_relaxed\);/;/|a post does not end a sleep
silent-before-notice|connection/send_queue.c|s/index == IOCP_NODE_NONE && !has_mark/index == IOCP_NODE_NONE/|nobody hears that what was sent with a notification has left
silent-while-closing|worker/service.c|s/return slot->state == IOCP_SLOT_OPEN && slot->finish/return slot->finish/|a close waits behind a silent send
silent-before-fin|worker/service.c|s/ && slot->finish == IOCP_FINISH_NONE &&/ \&\&/|FIN waits behind a silent send
silent-while-pressed|worker/service.c|s/\(IOCP_SLOT_PRESSED \| IOCP_SLOT_UNSENT_NOTICE\)\) &&\n/IOCP_SLOT_UNSENT_NOTICE) \&\&\n/|a connection that was held back waits behind a silent send
silent-counts-all|worker/events.c|s/if \(slot->flags & IOCP_SLOT_SEND_COUNTED\)\n        iocp_worker_recount_silent\(worker, slot, sent\);\n    else/if (!(slot->flags \& IOCP_SLOT_SEND_COUNTED))/|a silent send that took less counts as whole
portion-drops-rest|worker/flush.c|s/(        service_first\(worker, &worker->traffic\);\n)/\1    worker->traffic.head = worker->traffic.tail;\n/|a flush forgets the connections beyond its portion
closing-forgotten|worker/flush.c|s/    service_closing\(worker, left\);\n//|connections that close are never serviced
starved-served-none|worker/flush.c|s/return served < range->provided_count \? range->provided_count : \(uint32_t\)served;/return 0;/|nobody who found no buffer tries again
flush-while-owed|worker/loop.c|s/(            \}\n            take_events\(worker\);\n)/\1            iocp_worker_flush(worker);\n/|a flush acts on what the application has not seen yet
buffer-freed-while-lent|memory/receive_buffers.c|s/if \(buffers->holders\[id\] != 0\)/if (buffers->holders[id] \& DRIVER_HOLDS)/|lent bytes go back to the kernel
lease-after-done|worker/outbox.c|s/    iocp_receive_buffers_lease\(&worker->buffers, event->buffer\);\n//|received bytes are not leased
peer-fin-twice|worker/service.c|s/slot->receive == IOCP_RECEIVE_NONE\)/slot->receive == IOCP_RECEIVE_NONE || slot->receive == IOCP_RECEIVE_FINISHED)/|receives again behind the peer's FIN
half-close-ignored|worker/service.c|s/ && !worker->setup\.config->half_close\)/)/|the peer's FIN closes although half-close is on
writable-forgotten|worker/pressure.c|s/    iocp_worker_emit_of\(worker, slot, IOCP_COMPLETION_WRITABLE\);\n//|a connection that was held back stays so
unsent-never-falls|worker/outbox.c|s/    worker->unsent_bytes -= slot->queue.unsent_bytes;\n//|what a closed connection had queued counts for ever
nameless-not-awaited|worker/stopping.c|s/worker->operations->handles_held\(worker->driver\) == 0 && //|a stop does not await sockets that never had a slot
interrupt-sleeps|worker/mailbox.c|s/ \&\& !iocp_mailbox_is_interrupted\(mailbox\)//|a wait sleeps behind an interrupt
interrupt-waits-on|worker/loop.c|s/iocp_mailbox_take_interrupt\(&worker->mailbox\)/false/|an interrupt does not end a wait
stay-forgotten|worker/stopping.c|s/ \&\& \(abort \|\| !\(slot->flags & IOCP_SLOT_STAYS\)\)//|a stop closes a connection that stays
stay-outlasts|worker/stopping.c|s/abort \|\| !\(slot->flags/!(slot->flags/|a connection that stays is left open behind the drain
await-fin-closes|worker/service.c|s/ \&\& !slot->awaits_work//|the peer's FIN closes a connection whose work is under way
await-stop-closes|worker/stopping.c|s/ \&\&\n            \(abort \|\| !slot->awaits_work\)//|a stop closes a connection whose work is under way
stopping-forgotten|worker/stopping.c|s/    iocp_worker_emit\(worker, \(iocp_completion\)\{\.kind = IOCP_COMPLETION_STOPPING\}\);\n//|nobody hears that the port stops
stopping-twice|worker/stopping.c|s/(    iocp_worker_emit\(worker, \(iocp_completion\)\{\.kind = IOCP_COMPLETION_STOPPING\}\);)/\1\n\1/|STOPPING comes twice
stopping-overtakes-posts|worker/stopping.c|s/iocp_mailbox_was_read_to\(&worker->mailbox, worker->posts_due\) &&//|a post from before the stop comes behind STOPPING
stopping-too-late|worker/stopping.c|s/(    worker->stop = IOCP_STOP_SAID;)/\1\n    each_connection(worker, false);/|connections close before the application hears of the stop
closes-before-posts|worker/stopping.c|s/(worker->stop = IOCP_STOP_DELIVERING;)/\1\n        each_connection(worker, false);/|connections close before posts from before the stop are delivered
stop-aborts|worker/stopping.c|s/each_connection\(worker, drained\);/each_connection(worker, true);/|a stop resets its connections before the drain is over
connect-never-ends|worker/requests.c|s/    if \(result == 0 && timeout_ns > 0\)\n        iocp_worker_arm_connect\(worker, slot, timeout_ns\);\n//|a connect that nobody answers has no end
connect-ends-early|worker/windows.c|s/iocp_worker_clock_ns\(worker\) \+ timeout_ns/iocp_worker_clock_ns(worker)/|a connect times out before its time
connect-cancel-closes|worker/requests.c|s/slot->state != IOCP_SLOT_CONNECTING && !layering/slot->state > IOCP_SLOT_OPEN/|giving up a connect ends a connection that opened
admits-unasked|worker/admission.c|s/return UNKNOWN;/return ADMITTED;/|a client whose address cannot be asked goes uncounted
admits-unanswered|worker/admission.c|s/    return REFUSED;\n\}/    return result == 0 ? REFUSED : ADMITTED;\n}/|a client whose address will never be known goes uncounted
accepts-unpaid|worker/listeners.c|s/        worker->accepting\.credit -= cost;\n//|more clients are accepted than the rate allows
held-forgotten|worker/flush.c|s/    if \(worker->accepting\.held\.count > 0\)\n        iocp_worker_admit_held\(worker\);\n//|a client that was held is never asked again
pause-accepts-on|worker/listeners.c|s/const bool rests = ends \|\| wanted == IOCP_LISTENER_PAUSED;/const bool rests = ends;/|a listener that pauses goes on accepting
pauses-once|worker/listeners.c|s/\*state = \(iocp_accept_state\)\{\.armed = true, \.many = many_fit\(worker\)\};/state->armed = true;\n    state->many = many_fit(worker);/|a listener that was resumed does not pause again
pause-drops-late|worker/listeners.c|s/(        )(arrived\(worker, index, \(uint32_t\)result\);)/\1if (state_of(worker, index) == IOCP_LISTENER_PAUSED)\n            worker->operations->close_handle(worker->driver, 0, (uint32_t)result, false);\n        else\n            \2/|a client that was accepted while its listener paused is let go
closed-keeps-socket|worker/listeners.c|s/listening_socket >= 0 && state_of\(worker, index\) == IOCP_LISTENER_CLOSED/false/|a listener that is closed keeps its place
origin-mistaken|worker/listeners.c|s/listeners\[listener\];\n    slot->listener =/listeners[0];\n    slot->listener =/|a client is told to come from another listener
idle-listener-starves|worker/listeners.c|s/ \+ unarmed_count\(worker\);/;/|a listener without clients keeps those of another waiting
break-keeps-connections|worker/failure.c|s/(if \(worker->table\.slots\[i\]\.state != IOCP_SLOT_FREE) &&/\1 \&\& iocp_slot_is_sending(\&worker->table.slots[i]) \&\&/|a worker that fails forgets connections without a send
stalled-take-all|worker/squeeze.c|s/if \(newly && iocp_worker_stalled_leave_less_than\(worker, 2\)\)/if (false)/|peers that do not read take all send memory
stalled-in-place-uncounted|connection/send_settle.c|s/                node->piece = IOCP_PIECE_LEFT;\n[^\n]*\n/                ;\n/|shared chunks that stalled peers keep are not counted
stalled-newcomers-stay|worker/squeeze.c|s/iocp_worker_stalled_leave_less_than\(worker, 1\) \? slot : //|what victims hold for a while is taken from the reserve without end
stalled-bytes-uncounted|worker/stalled.c|s/ \|\|\n *worker->stalled_bytes \+ kept_bytes > cap_bytes//|peers that do not read fill the cap of unsent bytes
stalled-twice|worker/events.c|s/        iocp_worker_unstall\(worker, slot\); \/\* before[^\n]*\n/        iocp_slot_clear(slot, IOCP_SLOT_STALLED);\n/|a connection stands in the list of stalled ones twice
progress-is-room|worker/expiry.c|s/unacknowledged > 0 \? \(uint32_t\)unacknowledged : 0/0/|a peer that reads a full socket slowly is given up
progress-judged-in-flight|worker/expiry.c|s/if \(!iocp_slot_is_sending\(slot\)\)\n        return false;/return false;/|what a send in flight took looks like silence
progress-no-answer|worker/expiry.c|s/if \(unacknowledged == -EBUSY \|\| unacknowledged == -EAGAIN\)\n/if (false)\n/|a question without an answer ends a connection
progress-hidden-by-fin|worker/expiry.c|s/ - rest_bytes - finish_bytes/ - rest_bytes/|the first byte acknowledged after FIN looks like none
progress-judged-at-fin|worker/expiry.c|s/    if \(slot->finish == IOCP_FINISH_SUBMITTED\) \{\n        look_again\(worker, slot\);\n        return true;\n    \}\n//|a peer is judged while FIN may have left or not
delayed-send-forgotten|worker/expiry.c|s/        slot->send = IOCP_SEND_NONE;\n        iocp_worker_touch\(worker, slot\);/        ;/|a send for which there was no memory never leaves
timer-stays-armed|worker/timers.c|s/    iocp_deadlines_disarm\(&worker->timers\.wheel, index\);\n//|a cancelled timer fires
stale-timer|worker/timers.c|s/ &&\n        name_of_entry\(worker, &timers->entries\[index\]\) == timer\)/)/|an old name cancels a new timer
unsent-fell-forgotten|worker/pressure.c|s/(below_bytes\)\n)        iocp_worker_end_notice\(worker, slot, 0\);/\1        ;/|few unsent bytes are awaited for ever
unsent-fell-twice|worker/outbox.c|s/    iocp_slot_clear\(slot, IOCP_SLOT_UNSENT_NOTICE\);\n//|UNSENT_FELL comes again and again
unsent-fell-early|worker/pressure.c|s/ &&\n        slot->queue\.unsent_bytes < iocp_slot_terms_of\(&worker->table, slot\)->below_bytes\)/)/|UNSENT_FELL comes while more is unsent
unsent-fell-dropped|worker/outbox.c|s/    iocp_worker_end_notice\([^;]*;\n//|a close forgets who awaits few unsent bytes
unsent-fell-sleeps|worker/service.c|s/ \| IOCP_SLOT_UNSENT_NOTICE\)\) &&/)) \&\&/|UNSENT_FELL waits behind a silent send
switch-ignored|connection/slot.h|s/\(slot->flags & \(IOCP_SLOT_PRESSED \| IOCP_SLOT_UNHELD\)\) == IOCP_SLOT_PRESSED/(slot->flags \& IOCP_SLOT_PRESSED)/|a receive is held back that was not to be
own-cap-ignored|worker/sends.c|s/iocp_worker_marks\(worker, slot\)->cap_bytes/worker->marks.cap_bytes/|a connection goes over the cap that it was given
own-timeouts-ignored|worker/worker.h|s/return slot->flags & IOCP_SLOT_OWN_TIMEOUTS \?[^;]*;/return \&worker->timeouts;/|a connection ends by a timeout that it does not have
paused-is-deaf|worker/service.c|s/const bool wanted = slot->state == IOCP_SLOT_OPEN && \(slot->flags & IOCP_SLOT_PAUSED\)/const bool wanted = false/|a paused connection does not hear of its peer's reset
watch-not-drained|worker/service.c|s/    service_watch\(worker, slot\);\n(    iocp_worker_cancel_send)/\1/|a close waits for ever for a watch
lent-freed-early|worker/worker.c|s/const bool lent = worker->buffers\.lease_count > 0;/const bool lent = false;/|a worker that closes takes lent bytes away
parts-out-of-order|connection/send_queue.c|s/parts\[i\]\.bytes, \(uint32_t\)parts\[i\]/parts[part_count - 1 - i].bytes, (uint32_t)parts[part_count - 1 - i]/|the last part of a send leaves first
parts-half-queued|connection/send_queue.c|s/    if \(!iocp_send_queue_has_room\(pool, queue, count_bytes, own\)\)\n        return -ENOBUFS;\n(    for [^\n]*\n)        append_copy\(([^;]*)\);/    (void)count_bytes;\n\1        if (iocp_send_queue_copy(\2) < 0)\n            return -ENOBUFS;/|parts before the one that finds no room are queued
part-forgotten|connection/send_queue.c|s/i < part_count; i\+\+\)\n        append_copy/i + 1 < part_count; i++)\n        append_copy/|the last part of a send is not queued
draft-given-up-leaves|worker/sends.c|s/        iocp_send_draft_discard\(&worker->pool\);/        iocp_send_draft_join(\&worker->pool, \&worker->table.slots[iocp_token_slot(worker->pool.draft.connection)].queue);/|what a writer gave up is queued
draft-room-leaves|connection/send_draft.c|s/(void iocp_send_draft_keep\([^\n]*\n\{\n[^\n]*\n)/\1    count_bytes = draft->room_bytes;\n/|bytes leave that were not kept
draft-half-leaves|worker/sends.c|s/    worker->pool\.draft\.refusal = result;\n//|a draft leaves without the part that was refused
draft-overlaps|worker/sends.c|s/    if \(worker->pool\.draft\.open\)\n        return -EBUSY;\n//|others send while a draft is written
draft-fill-mark-stays|connection/send_draft.c|s/    if \(node->piece == IOCP_PIECE_CHUNK\)\n        pool->chunks->current_used_bytes =\n[^;]*;\n//|the next send is written over a draft
draft-loses-rest|connection/send_draft.c|s/pool->nodes\[queue->tail\]\.next = draft->queue\.head;/;/|a draft behind other sends is lost
draft-merges-strangers|connection/send_draft.c|s/ \|\| tail->owner\.chunk != first->owner\.chunk \|\| end != first->start/ || tail->owner.chunk != first->owner.chunk/|a draft takes the place of others' bytes in its chunk
draft-spare-leaks|connection/send_draft.c|s/    if \(pool->draft\.room == IOCP_ROOM_SPARE\)\n[^\n]*\n//|a chunk that was taken for room never comes back
draft-takes-reserve|worker/sends.c|s/ \|\|\n        !iocp_worker_may_take_chunks\(worker, \*slot, count_bytes, \(uint32_t\)more_bytes\)\)/)/|drafts of peers that do not read take the reserve
draft-cap-ignored|worker/sends.c|s/    result = check_caps\(worker, \*slot, draft->queue\.unsent_bytes\);/    result = 0;/|a draft goes over a cap that was lowered meanwhile
owner-after-close|worker/worker.c|s/atomic_store_explicit\(&worker->owner, IOCP_OWNER_NONE, memory_order_relaxed\);/;/|a closed worker works on
layer-opened-early|worker/admission.c|s/slot->layer == IOCP_LAYER_NONE && !worker/!worker/|OPENED comes before the handshake ends
layer-connect-opened-early|worker/events.c|s/if \(slot->layer != IOCP_LAYER_NONE\)\n        iocp_worker_layer_connected\(worker, slot\);\n    else/if (slot->layer != IOCP_LAYER_NONE)\n        iocp_worker_layer_connected(worker, slot);/|a connect opens before its layer
layer-never-opened|worker/opening.c|s/else if \(!worker->setup\.config->deliver_after_first_bytes\)\n        iocp_worker_announce\(worker, slot\);/else\n        ;/|a layer opens, and nobody is told
layer-passed-by|worker/events.c|s/    if \(slot->layer != IOCP_LAYER_NONE\) \{\n        iocp_worker_layer_received/    if (slot->layer == IOCP_LAYER_BEGINNING) {\n        iocp_worker_layer_received/|bytes are handed out sealed once the layer is open
layer-begins-twice|worker/layers.c|s/if \(terms->layer_state == NULL\)\n        terms/terms/|a layer begins anew with each receive
layer-never-ends|worker/layers.c|s/    if \(terms->layer_state != NULL\)\n        terms->layer\.kind->end\(terms->layer_state\);\n//|the state of a layer is never given back
layer-ends-twice|worker/layers.c|s/(        terms->layer\.kind->end\(terms->layer_state\);)/{\n\1\n\1\n        }/|a layer ends twice
layer-kept-at-close|worker/worker.c|s/        iocp_worker_layer_end\(worker, slot\);\n//|a worker that closes keeps the layers of its connections
layer-context-kept|worker/layers.c|s/    iocp_layer_release\(&terms->layer\);\n//|a layer's context is never released
layer-context-unheld|worker/layers.c|s/    iocp_layer_retain\(layer\);\n    terms/    terms/|a connection does not hold its layer's context
layer-place-keeps-context|worker/listener_sockets.c|s/    iocp_layer_release\(&listener->options\.layer\);\n//|a listener's place keeps the context of the last one
layer-finish-unsaid|worker/life.c|s/        iocp_worker_layer_finish\(worker, slot\);\n//|a graceful close is not said in the layer
layer-fin-unsaid|worker/requests.c|s/    iocp_worker_layer_finish\(worker, slot\);\n//|FIN is not said in the layer
layer-finishes-again|worker/layers.c|s/slot->layer >= IOCP_LAYER_OPEN && slot->finish == IOCP_FINISH_NONE/slot->layer == IOCP_LAYER_OPEN/|a layer whose peer has finished does not say that it finishes
layer-cut-is-fin|worker/opening.c|s/    case IOCP_LAYER_OPEN:\n        iocp_worker_layer_fail\(worker, slot, IOCP_LAYER_CUT, false\);\n        return false;/    case IOCP_LAYER_OPEN:\n        return true;/|a layer that was cut looks like a peer that finished
layer-end-unheard|worker/opening.c|s/    else if \(found\.has_ended\)\n        peer_ended\(worker, slot\);\n//|the end that a peer says in the layer is not heard
layer-end-half-close|worker/opening.c|s/    if \(!worker->setup\.config->half_close\)\n        return;\n    iocp_worker_announce/    iocp_worker_announce/|PEER_FINISHED comes without half-close
layer-opens-behind-end|worker/opening.c|s/    if \(slot->layer == IOCP_LAYER_ENDED\)\n        return;\n//|a layer is to open bytes behind its end
layer-failure-ignored|worker/opening.c|s/    if \(result < 0\)\n        iocp_worker_layer_fail\(worker, slot, \(iocp_layer_failure\)-result, false\);\n    else if/    if/|a layer that failed goes on
layer-failure-mistaken|worker/opening.c|s/IOCP_CLOSE_LAYER, -\(int32_t\)failure, abort/IOCP_CLOSE_LAYER, -IOCP_LAYER_BROKEN, abort/|every failure of a layer is told as the same
layer-failure-resets|worker/opening.c|s/(layer_fail\(worker, slot, \(iocp_layer_failure\)-result), false/\1, true/|a layer that failed cannot tell its peer why
layer-bytes-before-failure-lost|worker/opening.c|s/if \(found\.count_bytes > 0\) \{/if (found.count_bytes > 0 \&\& result == 0) {/|what was opened before a wrong record is lost
layer-unlimited|worker/windows.c|s/return timeout_ns > 0 \? slot->opened_ns \+ timeout_ns : UINT64_MAX;/return UINT64_MAX;/|a layer that never opens has no end
layer-limit-early|worker/windows.c|s/slot->opened_ns \+ timeout_ns : UINT64_MAX/slot->opened_ns + timeout_ns \/ 2 : UINT64_MAX/|a layer is given up before its time
layer-limit-when-open|worker/windows.c|s/    if \(slot->layer != IOCP_LAYER_BEGINNING\)\n        return UINT64_MAX;\n//|a layer that is open is given up
layer-turns-ignored|worker/opening.c|s/        worker->turns\.left--;\n    open_bytes/        ;\n    open_bytes/|any number of handshakes take a step in one turn
layer-turns-at-fin|worker/opening.c|s/(    case IOCP_LAYER_BEGINNING:\n)([^;]*;\n        return false;)/\1        take_turn(worker, slot);\n        if (slot->layer != IOCP_LAYER_BEGINNING)\n            return iocp_worker_layer_finished(worker, slot);\n\2/|FIN takes turns that are none
layer-turn-forgets-fin|worker/opening.c|s/        if \(slot->state == IOCP_SLOT_OPEN && slot->receive == IOCP_RECEIVE_FINISHED\)\n[^\n]*\n//|a FIN that waited for a turn is forgotten
layer-fin-overtakes|worker/service.c|s/slot->receive == IOCP_RECEIVE_FINISHED && slot->layer != IOCP_LAYER_BEGINNING;/slot->receive == IOCP_RECEIVE_FINISHED;/|a FIN closes before what came with it was opened
layer-turn-overtaken|worker/opening.c|s/ \|\| iocp_worker_layers_wait\(worker\) \|\| terms->unread != NULL;/;/|bytes overtake those that wait for their turn
layer-turn-sleeps|worker/loop.c|s/ \|\|\n        iocp_worker_layers_wait\(worker\)//|a wait sleeps while handshakes wait for their turn
layer-turn-lost|worker/opening.c|s/worker->table\.terms\[worker->turns\.tail\]\.next_turn = index;/;/|who waits behind another never has a turn
layer-unread-unbounded|worker/opening.c|s/    if \(count_bytes > IOCP_LAYER_UNREAD_BYTES_MAX - terms->unread_bytes\)\n        return false;\n//|any number of bytes waits for a turn
layer-unread-lost|worker/opening.c|s/memcpy\(grown \+ terms->unread_bytes, bytes/memcpy(grown, bytes/|of what waits for a turn only the latest is kept
layer-block-leaks|worker/opening.c|s/    if \(found->owned \|\| found->count_bytes == 0\) \{\n        free\(block\);\n/    if (found->owned || found->count_bytes == 0) {\n/|what waited for a turn is not given back
layer-block-mid|worker/opening.c|s/    memmove\(block, found->bytes, found->count_bytes\);\n    found->bytes = block;\n//|a block is handed out from its middle
layer-block-as-lease|worker/outbox.c|s/opened->owned \? \(uint16_t\)IOCP_LEASE_NONE : buffer/buffer/|a block of a layer's is handed out as a lease
layer-lease-missing|worker/outbox.c|s/    if \(!opened->owned\)\n        iocp_receive_buffers_lease\(&worker->buffers, buffer\);\n//|bytes that were opened in place are not leased
survey-ends-others|worker/asking.c|s/filter->connection != 0 && filter->connection != iocp_slot_connection\(&worker->table, slot\)/false/|a survey ends connections that are not meant
survey-never-answered|worker/survey.c|s/    answer\(\(\(iocp_job \*\)job\)->context, -ESHUTDOWN\);/    (void)job;/|nobody hears that a worker closed with a survey
survey-out-of-order|worker/looking.c|s/        qsort\([^;]*;\n//|the first of a survey is the last
capture-outlives-worker|worker/worker.c|s/    iocp_worker_end_capture\(worker\);\n//|a worker closes with a capture that nobody ends
capture-record-cut|worker/capture.c|s/return record_bytes > left \? left : 0;/return left < 64 ? left : 0;/|a record runs over the end of its ring
layer-send-clear|worker/sends.c|s/slot->layer != IOCP_LAYER_NONE\n( *\? send_one_sealed\(worker, slot, bytes, count\)\n)/false\n\1/|a copy leaves in the clear
layer-parts-clear|worker/sends.c|s/slot->layer != IOCP_LAYER_NONE\n( *\? send_sealed\(worker, slot, parts)/false\n\1/|a send in parts leaves in the clear
layer-shared-clear|worker/sends.c|s/slot->layer != IOCP_LAYER_NONE\n( *\? send_one_sealed\(worker, slot, bytes, count_bytes\)\n)/false\n\1/|shared bytes leave in the clear
layer-draft-clear|worker/sends.c|s/if \(result == 0 && slot->layer != IOCP_LAYER_NONE\) \{/if (result == 0 \&\& slot->layer == IOCP_LAYER_ENDED) {/|a draft leaves in the clear
layer-lease-clear|worker/sends.c|s/if \(slot->layer != IOCP_LAYER_NONE && count_bytes > 0\) \{/if (slot->layer == IOCP_LAYER_ENDED \&\& count_bytes > 0) {/|a lease leaves in the clear
layer-lease-kept|worker/sends.c|s/        if \(sealed == 0\)\n            iocp_receive_buffers_return\(&worker->buffers, lease\);\n//|a lease that was sealed never comes back
layer-overhead-unasked|worker/sealing.c|s/return count_bytes \+ \(count_bytes[^;]*;/return count_bytes;/|the room for what sealing adds is not asked for
layer-own-record-unasked|worker/sealing.c|s/record_bytes\(worker, slot\) \+ 2\)/record_bytes(worker, slot) + 1)/|no room is asked for what a layer says of itself
layer-cap-when-sealing|worker/layers.c|s/worker->sealing \? 0 : refusal/refusal/|sealing an accepted send meets a limit
layer-writes-unbounded|worker/layers.c|s/        return -EAGAIN;\n/        ;\n/|a layer answers a peer that does not read without end
layer-takes-reserve|worker/layers.c|s/return may_take\(worker, slot, count_bytes\) \? 0 : -ENOBUFS;/return 0;/|answers to peers that do not read take the reserve
layer-seal-failure-ignored|worker/sealing.c|s/    iocp_worker_layer_fail\(worker, slot, \(iocp_layer_failure\)-result, true\);\n//|a layer that failed to seal goes on
layer-sends-before-open|worker/lookup.h|s/ && slot->layer != IOCP_LAYER_BEGINNING \?/ ?/|a connection can be asked before its layer is open
layer-writable-early|worker/pressure.c|s/    if \(slot->flags & IOCP_SLOT_ANNOUNCED\)\n        iocp/    iocp/|WRITABLE comes before OPENED
layer-cancelled-again|worker/requests.c|s/slot->state == IOCP_SLOT_OPEN && slot->connect == IOCP_CONNECT_LAYERING/slot->connect == IOCP_CONNECT_LAYERING/|a connect is given up after its end
layer-closed-uncounted|worker/life.c|s/    if \(iocp_slot_never_opened\(slot\)\)\n        return;\n(    IOCP_STATS_ADD\(worker->stats, closed)/\1/|a connect that failed in its layer counts as closed
reason-uncounted|worker/life.c|s/        IOCP_STATS_ADD\(stats, idle_timeouts, 1\);\n//|a connection that was idle closes for no reason
layer-handshakes-uncounted|worker/opening.c|s/    IOCP_STATS_ADD\(worker->stats, handshakes, 1\);\n//|handshakes are not counted
layer-resumed-uncounted|worker/opening.c|s/if \(found->is_resumed\)/if (found->is_old)/|resumed handshakes are mistaken
layer-failed-uncounted|worker/layers.c|s/    if \(slot->layer == IOCP_LAYER_BEGINNING\)\n        IOCP_STATS[^\n]*\n//|handshakes that the transport ended are not counted
layer-refused-uncounted|worker/opening.c|s/failure >= IOCP_LAYER_PEER_REFUSED && failure < IOCP_LAYER_REFUSED/failure >= IOCP_LAYER_REFUSED/|refusals are counted as the peer's
layer-cut-uncounted|worker/opening.c|s/        IOCP_STATS_ADD\(worker->stats, cut_layers, 1\);\n//|layers that were cut are not counted
layer-broken-uncounted|worker/opening.c|s/        IOCP_STATS_ADD\(worker->stats, broken_layers, 1\);\n//|layers that broke are not counted
layer-late-uncounted|worker/opening.c|s/        IOCP_STATS_ADD\(worker->stats, timed_out_handshakes, 1\);/        ;/|handshakes that were late are not counted
hand-over-loses-client|worker/handing.c|s/        operations->stay\(worker->driver, handle, &parcel->traveller\);\n/        operations->leave(worker->driver, handle);\n/|a client whose hand-over was refused is gone
hand-over-keeps-handle|worker/handing.c|s/    operations->leave\(worker->driver, handle\);\n    return 0;/    return 0;/|a client that was handed over stays at both workers
hand-over-without-place|worker/handing.c|s/ \|\| !iocp_worker_take_place\(receiver\)\)/)/|clients are sent to a worker that has promised no place
arrived-overtaken-by-stop|worker/stopping.c|s/ \&\&\n           worker->accepting\.arrived\.first == NULL;/;/|STOPPING comes before clients that were on their way
arrived-dropped|worker/admission.c|s/        iocp_links_put\(arrived, &parcel->link\);\n        return;/        iocp_parcel_abandon(parcel);/|a client that found no place at once is closed
arrived-forgotten|worker/flush.c|s/    if \(worker->accepting\.arrived\.first != NULL\)\n        iocp_worker_settle_arrived\(worker\);\n//|clients that arrived never open
move-uncounted|worker/admission.c|s/    IOCP_STATS_ADD\(worker->stats, moves_in, 1\);\n//|clients that arrive are not counted
held-is-not-forgotten|worker/admission.c|s/    iocp_slot_take_back\(&worker->table, iocp_slot_index\(&worker->table, slot\)\);\n    return true;/    return true;/|the slot of a client that left stays taken
travel-unsent-lost|worker/arriving.c|s/const int queued = requeue\(worker, slot, travel\);/const int queued = 0;/|what was unsent is forgotten on the way
travel-mark-changed|worker/moving.c|s/piece->key = node_at\(worker, at\)->owner\.key;/piece->key = 0;/|a notification arrives as another one
travel-letter-not-held|worker/homes.c|s/const bool absent = slot->state == IOCP_SLOT_AWAY \|\| slot->state == IOCP_SLOT_LEAVING;/const bool absent = slot->state == IOCP_SLOT_AWAY;/|a letter is opened for a connection that was taken leave of
travel-without-go|worker/moving.c|s/ && \(!slot->is_guest \|\| travel->may_go\)//|a guest leaves while letters are on their way to it
travel-recalled-not-held|worker/homes.c|s/        travel->stage = IOCP_HOME_RECALLED;/        ;/|a home passes letters on to where a connection is about to leave
travel-held-forgotten|worker/homes.c|s/(    travel->host = host;\n    travel->stage = IOCP_HOME_AWAY;\n)    send_held\(worker, travel\);/\1/|letters that were held are never passed on
travel-timers-lost|worker/arriving.c|s/    iocp_timers_restart\([^;]*;//|timers do not go along
travel-timers-stay|worker/moving.c|s/    iocp_timers_discard\(worker, connection\);\n//|timers fire behind LEAVING, and twice
travel-ended-untold|worker/unmoving.c|s/(iocp_guests_remove\(&worker->table\.guests, travel->name\);\n)    \(void\)iocp_dispatch_send\(&travel->ended[^;]*;/\1/|a home keeps the slot of a connection that has closed elsewhere
travel-state-leaks|worker/dispatches.c|s/        iocp_travel_drop_state\(travel\);\n//|what was given for a connection is lost with its worker
travel-before-rest|worker/moving.c|s/return !iocp_slot_awaits_events\(slot\) && /return /|a socket goes with operations outstanding
travel-place-taken|worker/listeners.c|s/iocp_worker_has_free_slot\(worker\) \? (iocp_worker_slot_take\(worker, handle, IOCP_SLOT_HELD\)) : NULL/\1/|a client takes the slot that was kept for a connection
travel-stayed-untold|worker/unmoving.c|s/    if \(travel->may_go\)\n        \(void\)iocp_dispatch_send\(&travel->stayed[^;]*;//|a home holds the letters of a connection that stayed
travel-late-overtaken|worker/homes.c|s/\(absent \|\| travel->late_count > 0\)/absent/|a letter overtakes those that were held
travel-name-stays|worker/moving.c|s/    iocp_guests_remove\(&worker->table\.guests, name\);\n//|a worker knows a name that has left
travel-departs-unanswered|worker/moving.c|s/    if \(!iocp_moving_was_answered\(worker, slot\)\)\n        return LATER;\n//|a connection goes before the application has given what it keeps
TABLE
)

compile() { # source tree, object folder, program, the one source that is new
    mkdir -p "$2"
    (cd "$1" && find ${4:-CSources/CIOCP Tests/Sim} -name '*.c' | xargs -P "$cores" -I{} sh -c \
        "$CC -std=gnu11 -D_GNU_SOURCE $CFLAGS -w -ICSources/CIOCP/include -c {} -o $2/\$(echo {} | tr / _).o")
    # shellcheck disable=SC2086
    $LINKER "$2"/*.o $LIBRARIES -o "$3"
}

mkdir -p "$work/whole/Tests"
cp -r "$root/CSources" "$work/whole/"
cp -r "$root/Tests/Sim" "$work/whole/Tests/"
compile "$work/whole" "$work/whole-objects" "$work/whole-sim"
# Connections that move are played apart: of the mutants, those whose names say so.
moves() { case $1 in travel-*) echo --moves ;; esac; }
if ! $RUN "$work/whole-sim" --seeds "$SEEDS" --jobs "$cores" $PLAY ||
    ! $RUN "$work/whole-sim" --moves --seeds "$SEEDS" --jobs "$cores" $PLAY; then
    echo "the sim fails without any mutation: nothing can be said about mutants" >&2
    exit 1
fi

echo 'with generations of three bits, so that names come back:'
CFLAGS="$CFLAGS -DIOCP_TOKEN_GENERATION_BITS=3" compile "$work/whole" "$work/small-objects" "$work/small-sim"
$RUN "$work/small-sim" --seeds "$SEEDS" --jobs "$cores" $PLAY

survivors=0
count=0
printf '%-32s %-8s %s\n' mutant result 'what it breaks, and how it was noticed'
while IFS='|' read -r name file rest; do
    breaks=${rest##*|}
    edit=${rest%|*}
    if [ $# -gt 0 ] && [[ $name != $1 ]]; then continue; fi
    count=$((count + 1))
    rm -rf "$work/mutant" "$work/mutant-objects"
    cp -r "$work/whole" "$work/mutant" # not the tree itself: somebody may be editing it
    changed=''
    case $file in *.c) # all else is as it was; who includes a header is not known
        cp -r "$work/whole-objects" "$work/mutant-objects"
        changed=CSources/CIOCP/$file ;;
    esac
    sed -z -E -i "$edit" "$work/mutant/CSources/CIOCP/$file"
    if cmp -s "$work/whole/CSources/CIOCP/$file" "$work/mutant/CSources/CIOCP/$file"; then
        result='NO EDIT' noticed="it no longer applies to $file"
        survivors=$((survivors + 1))
    elif ! compile "$work/mutant" "$work/mutant-objects" "$work/mutant-sim" $changed 2>"$work/errors"; then
        result='NO BUILD' noticed=$(head -1 "$work/errors")
        survivors=$((survivors + 1))
    # shellcheck disable=SC2046
    elif $RUN "$work/mutant-sim" $(moves "$name") --seeds "$SEEDS" --jobs "$cores" $PLAY >/dev/null 2>"$work/errors"; then
        result=SURVIVED noticed="not noticed in $SEEDS seeds"
        survivors=$((survivors + 1))
    else
        result=caught noticed=$(grep -m1 '^seed' "$work/errors" || head -1 "$work/errors")
    fi
    printf '%-32s %-8s %s: %s\n' "$name" "$result" "$breaks" "$noticed"
done <<<"$mutants"

echo "$((count - survivors)) of $count mutants caught"
[ "$survivors" -eq 0 ]
