/* Clients that go to another worker of the port: who has fewer, what travels, and how much of it may be on its way.
 *
 * The files: handing.c hands clients over, and abandons what nobody takes; admission.c lets in what arrives. */
#ifndef IOCP_WORKER_HANDING_H
#define IOCP_WORKER_HANDING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../base/limits.h"
#include "../base/links.h"
#include "../driver/driver.h"
#include "../include/iocp_layer.h"

struct iocp_worker;

/* What the other workers of a port see of one: how full it is, and how many clients they may send it. Each credit stands for a
 * slot that is kept free, so what is sent on one finds its place. Read by others once for a client, and written by the
 * owner once in a turn of its loop at most: a cache line of its own. */
typedef struct iocp_door {
    _Alignas(IOCP_CACHE_LINE_BYTES) _Atomic uint32_t connections; /* slots in use */
    _Atomic uint32_t promised;                                    /* credits that were given, and have not come back */
    _Atomic uint32_t credits;                                     /* of those, the ones that nobody has taken */
    _Atomic uint64_t moves_kind;                                  /* which moves it takes part in: include/iocp_moving.h */
    _Atomic uint32_t busy;                                        /* parts of a thousand of a CPU, as of the latest look, */
    _Atomic uint64_t looked_ns;                                   /* and when that was */
} iocp_door;

/* A client on its way. Its memory is the sender's; the receiver has it until it ends it. */
typedef struct iocp_parcel {
    iocp_link link; /* behind it, of those that arrived */
    _Atomic bool travels;
    uint16_t listener;   /* the short name of the one that it came from */
    iocp_traveller traveller;
    iocp_layer layer;    /* its context is retained */
    struct iocp_worker *receiver;
    uint64_t arrived_ns; /* when the receiver opened the letter */
} iocp_parcel;

/* Memory for what a worker hands over; released with the port, as another worker may still have some of it. */
int iocp_parcels_reserve(struct iocp_worker *worker);
void iocp_parcels_release(struct iocp_worker *worker);

/* Whether a client that was just accepted may be better off with another worker. */
bool iocp_worker_may_hand_over(const struct iocp_worker *worker);

/* Hands a client over that has a slot and nothing else, if another worker has notably fewer. Returns whether it left: then
 * the slot has no socket any more. */
bool iocp_worker_hand_over(struct iocp_worker *worker, uint32_t handle, uint16_t listener, const iocp_layer *layer);

/* Whether a slot is left that is promised to nobody; takes promises back for it that nobody has taken up. */
bool iocp_worker_has_free_slot(struct iocp_worker *worker);

/* Lets others send up to `most` clients, and shows them how full the worker is. Once in a flush. */
void iocp_worker_show_door(struct iocp_worker *worker, uint32_t most);

/* A place at another worker, by one of its credits. False: it has none now. Thread: any. */
bool iocp_worker_take_place(struct iocp_worker *worker);
void iocp_worker_give_place_back(struct iocp_worker *worker);

/* A client that the worker was promised has come, or will not. */
void iocp_worker_promise_ends(struct iocp_worker *worker);

/* The receiver is done with a parcel, whose traveller somebody has. */
void iocp_parcel_end(iocp_parcel *parcel);

/* Closes a client that nobody takes. `parcel` is an iocp_parcel. Thread: the receiver's. */
void iocp_parcel_abandon(void *parcel);

/* Of those that arrived. */
void iocp_worker_abandon_arrived(struct iocp_worker *worker);

#endif
