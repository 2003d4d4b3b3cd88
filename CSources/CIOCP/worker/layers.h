/* The layer of a connection: it begins, writes, finishes and ends. */
#ifndef IOCP_WORKER_LAYERS_H
#define IOCP_WORKER_LAYERS_H

#include "worker.h"

static inline bool iocp_layer_is_none(const iocp_layer *layer)
{
    return layer == NULL || layer->kind == NULL;
}

/* One more reference of a context, and one less; nothing for no layer. Thread: any. */
void iocp_layer_retain(const iocp_layer *layer);
void iocp_layer_release(const iocp_layer *layer);

/* Gives a slot that opens its layer, which is not open yet. */
void iocp_worker_layer_give(iocp_worker *worker, iocp_slot *slot, const iocp_layer *layer);

/* Takes the layer back from a slot of which nobody has heard: it never began. */
void iocp_worker_layer_withdraw(iocp_worker *worker, iocp_slot *slot);

/* Begins the layer, unless it has begun. Returns its state; NULL where there is no room for one more. */
void *iocp_worker_layer_begin(iocp_worker *worker, iocp_slot *slot);

/* The layer's last word, once; it leaves before the FIN. */
void iocp_worker_layer_finish(iocp_worker *worker, iocp_slot *slot);

/* The connection is gone: gives back what its layer holds. */
void iocp_worker_layer_end(iocp_worker *worker, iocp_slot *slot);

#endif
