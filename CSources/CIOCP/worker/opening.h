/* What arrives on connections with a layer. */
#ifndef IOCP_WORKER_OPENING_H
#define IOCP_WORKER_OPENING_H

#include "worker.h"

/* A connect has its transport, and begins its layer. */
void iocp_worker_layer_connected(iocp_worker *worker, iocp_slot *slot);

/* Bytes arrived, and are opened. */
void iocp_worker_layer_received(iocp_worker *worker, iocp_slot *slot, const iocp_event *event);

/* A turn of the loop begins: so many steps may be taken in it. */
void iocp_worker_layers_begin_turn(iocp_worker *worker);

/* Takes the steps that are left of those that waited, as far as the application's array has room. */
void iocp_worker_layers_go_on(iocp_worker *worker);

/* Whether any waits. */
bool iocp_worker_layers_wait(const iocp_worker *worker);

/* FIN arrived. Whether the application is to be told that its peer has finished: otherwise it was, or the layer was cut. */
bool iocp_worker_layer_finished(iocp_worker *worker, iocp_slot *slot);

/* The layer ends its connection: at once when `abort`; otherwise what it wrote to say so still leaves. */
void iocp_worker_layer_fail(iocp_worker *worker, iocp_slot *slot, iocp_layer_failure failure, bool abort);

#endif
