/* The core's internal functions, for tests alone, and what Swift cannot see of them by itself.
 *
 * A struct that is over-aligned, or has _Atomic members, or an array of thousands, is no type to Swift: mailboxes and
 * deadline wheels are opaque here, with one function per function of the core, and slots are copied. */
#ifndef CIOCP_INTERNALS_H
#define CIOCP_INTERNALS_H

#include "../../../../CSources/CIOCP/base/limits.h"
#include "../../../../CSources/CIOCP/base/token.h"
#include "../../../../CSources/CIOCP/connection/address_counts.h"
#include "../../../../CSources/CIOCP/connection/send_draft.h"
#include "../../../../CSources/CIOCP/connection/send_queue.h"
#include "../../../../CSources/CIOCP/connection/slot.h"
#include "../../../../CSources/CIOCP/driver/driver.h"
#include "../../../../CSources/CIOCP/include/CIOCP.h"
#include "../../../../CSources/CIOCP/memory/arena.h"
#include "../../../../CSources/CIOCP/memory/range.h"
#include "../../../../CSources/CIOCP/memory/receive_buffers.h"
#include "../../../../CSources/CIOCP/memory/send_chunks.h"
#include "../../../../CSources/CIOCP/stats/page.h"
#include "../../../../CSources/CIOCP/system/topology.h"
#include "../../../../CSources/CIOCP/worker/balancing.h"

#include "faults.h"
#include "kernels.h"
#include "mailboxes.h"
#include "names.h"
#include "offloads.h"
#include "slots.h"
#include "stats_fields.h"
#include "threads.h"
#include "wheels.h"
#include "workers.h"

#endif
