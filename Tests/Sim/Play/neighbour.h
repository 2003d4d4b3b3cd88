/* A second worker of the port, on a kernel of its own beside the first one's: the two hand clients over to each other. What it
 * is told of its connections is checked as well, by less of a ledger. */
#ifndef SIM_NEIGHBOUR_H
#define SIM_NEIGHBOUR_H

#include "ledger.h"
#include "random.h"

enum { NEIGHBOUR_LIVES_MAX = 64 };

typedef struct neighbour_life {
    iocp_token token;
    uint32_t stream;
    bool opened;
    bool over;
    uint64_t received_bytes;
} neighbour_life;

typedef struct neighbour {
    ledger *ledger; /* of the first worker: for its seed, and the count of faults */
    iocp_port *port;
    iocp_sim *first;
    iocp_sim *sim;  /* NULL: there is no neighbour */
    iocp_worker *worker;
    sim_random random;
    bool rests;     /* it takes no turns for now */
    bool is_calm;   /* it takes its turn whenever the first worker does */
    uint32_t stalls_for; /* so many turns of the first worker */
    bool ended;     /* its waits are over, or its driver failed */
    neighbour_life lives[NEIGHBOUR_LIVES_MAX];
} neighbour;

/* Opens worker 1 of a port that has two. */
void neighbour_open(neighbour *neighbour, ledger *ledger, iocp_port *port, uint64_t seed);

/* One wait, and what follows from it; nothing without a neighbour, or at its end. */
void neighbour_turn(neighbour *neighbour);

/* Whether nothing that it handed over is on its way to the first worker; true without a neighbour. */
bool neighbour_sends_nothing(const neighbour *neighbour);

/* No more clients come to it; with `clear` it has clear weather, too. */
void neighbour_calm(neighbour *neighbour, bool clear);

/* Ends it, at random in good order or with everything open. */
void neighbour_close(neighbour *neighbour);

#endif
