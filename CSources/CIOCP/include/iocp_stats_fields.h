/* The table of what every worker counts. All that knows a counter comes from it: the struct, its sums and the
 * descriptors below, the directory of every stats page (iocp_stats.h) and, by `make generate`, the Swift properties and
 * the table in docs/STATS.md. To add a counter, append a row and run `make generate`. */
#ifndef IOCP_STATS_FIELDS_H
#define IOCP_STATS_FIELDS_H

#include <stdint.h>

/* name, kind, unit, how a total over workers is made, one sentence.
 * A name has at most 31 lower-case letters, digits and '_'. Units come last in it. */
#define IOCP_STATS_FIELDS(FIELD)                                                                                       \
    FIELD(connections, GAUGE, COUNT, SUM, "Connections that are open now.")                                            \
    FIELD(accepted, COUNTER, COUNT, SUM, "Connections that were accepted.")                                            \
    FIELD(connected, COUNTER, COUNT, SUM, "Connections that were opened by a connect.")                                \
    FIELD(closed, COUNTER, COUNT, SUM, "Connections that have closed.")                                                \
    FIELD(received_bytes, COUNTER, BYTES, SUM, "Bytes that were received.")                                            \
    FIELD(sent_bytes, COUNTER, BYTES, SUM, "Bytes that the transport took.")                                           \
    FIELD(received_operations, COUNTER, COUNT, SUM, "Receives that brought bytes.")                                    \
    FIELD(sent_operations, COUNTER, COUNT, SUM, "Sends that have ended.")                                              \
    FIELD(completions, COUNTER, COUNT, SUM, "Completion records that were handed to the application.")                 \
    FIELD(enters, COUNTER, COUNT, SUM, "Entries of the loop into the kernel: io_uring_enter or epoll_wait.")           \
    FIELD(starved_receives, COUNTER, COUNT, SUM, "Receives that found no free buffer and waited for one.")             \
    FIELD(short_sends, COUNTER, COUNT, SUM, "Sends that took fewer bytes than they were offered.")                     \
    FIELD(posts, COUNTER, COUNT, SUM, "Posts that were delivered.")                                                    \
    FIELD(accept_failures, COUNTER, COUNT, SUM, "Accepts that failed and were tried again.")                           \
    FIELD(queue_overflows, COUNTER, COUNT, SUM, "Overflows of the kernel's completion queue.")                         \
    FIELD(refused_addresses, COUNTER, COUNT, SUM,                                                                      \
          "Connections refused because their address has as many as it may, or is not known.")                         \
    FIELD(delayed_accepts, COUNTER, COUNT, SUM, "Pauses in accepting because of the accept rate or a full table.")     \
    FIELD(refused_sends, COUNTER, COUNT, SUM, "Sends that were refused because of a cap or for want of memory.")       \
    FIELD(timeouts, COUNTER, COUNT, SUM, "Connections that a deadline ended.")                                         \
    FIELD(heartbeat_ns, GAUGE, NANOSECONDS, NEWEST, "Time of the monotonic clock at which the latest wait ended.")     \
    FIELD(asleep, GAUGE, FLAG, NONE,                                                                                   \
          "Whether the worker sleeps in the kernel; an old heartbeat means a stall only while it does not.")           \
    FIELD(unsent_bytes, GAUGE, BYTES, SUM, "Bytes that wait for the transport, as of the latest wait.")                \
    FIELD(handler_errors, COUNTER, COUNT, SUM,                                                                         \
          "Errors of handlers that ended a connection or were told to the handler itself.")                            \
    FIELD(dropped_sends, COUNTER, COUNT, SUM,                                                                          \
          "Sends from other threads that were dropped: the connection was gone or refused them.")                      \
    FIELD(jobs, COUNTER, COUNT, SUM, "Jobs of async code that were run.")                                              \
    FIELD(waiting_jobs, GAUGE, COUNT, SUM, "Jobs of async code that wait, as of the latest turn.")                     \
    FIELD(handshakes, COUNTER, COUNT, SUM, "TLS handshakes that opened a connection.")                                 \
    FIELD(resumed_handshakes, COUNTER, COUNT, SUM, "Of these, those that went on with an earlier session.")            \
    FIELD(old_version_handshakes, COUNTER, COUNT, SUM, "Of these, those of an older version than the newest.")         \
    FIELD(failed_handshakes, COUNTER, COUNT, SUM, "TLS handshakes that opened nothing.")                               \
    FIELD(timed_out_handshakes, COUNTER, COUNT, SUM, "Of these, those that did not end in time.")                      \
    FIELD(handshakes_refused_by_peer, COUNTER, COUNT, SUM,                                                             \
          "Of these, those that the peer ended with an alert: it does not trust the certificate, for example.")        \
    FIELD(cut_layers, COUNTER, COUNT, SUM, "TLS connections whose peer sent FIN without close_notify.")                \
    FIELD(broken_layers, COUNTER, COUNT, SUM, "Open TLS connections that ended for a wrong record or message.")        \
    FIELD(aborted_by_stop, COUNTER, COUNT, SUM, "Connections that a stop aborted because its drain had ended.")        \
    FIELD(closed_here, COUNTER, COUNT, SUM, "Connections that this side closed.")                                      \
    FIELD(closed_by_peer, COUNTER, COUNT, SUM, "Connections that closed because the peer sent FIN.")                   \
    FIELD(reset, COUNTER, COUNT, SUM, "Connections that closed because the peer sent RST or vanished.")                \
    FIELD(aborted, COUNTER, COUNT, SUM, "Connections that this side aborted.")                                         \
    FIELD(closed_by_stop, COUNTER, COUNT, SUM, "Connections that a stop closed or aborted.")                           \
    FIELD(idle_timeouts, COUNTER, COUNT, SUM, "Connections that were ended because they were idle for too long.")      \
    FIELD(receive_timeouts, COUNTER, COUNT, SUM,                                                                       \
          "Connections that were ended because they received nothing for too long.")                                   \
    FIELD(send_timeouts, COUNTER, COUNT, SUM,                                                                          \
          "Connections that were ended because the peer took no bytes for too long.")                                  \
    FIELD(overflows, COUNTER, COUNT, SUM,                                                                              \
          "Connections that were ended for unsent bytes: above their cap, or in memory that others needed.")           \
    FIELD(failed, COUNTER, COUNT, SUM, "Connections that another error of the transport ended.")                       \
    FIELD(closed_by_layer, COUNTER, COUNT, SUM, "Connections that TLS refused.")                                       \
    FIELD(silent_sends, COUNTER, COUNT, SUM, "Sends of io_uring whose success made no completion.")                    \
    FIELD(refused_posts, COUNTER, COUNT, SUM, "Posts that a full mailbox refused, as of the latest wait.")             \
    FIELD(timers, GAUGE, COUNT, SUM, "User timers that are started, as of the latest wait.")                           \
    FIELD(receive_buffers, GAUGE, COUNT, SUM, "Large receive buffers of the worker.")                                  \
    FIELD(free_receive_buffers, GAUGE, COUNT, SUM,                                                                     \
          "Large receive buffers that neither the application nor the kernel has, as of the latest wait.")             \
    FIELD(leases, GAUGE, COUNT, SUM, "Receives whose bytes the application or a send keeps, as of the latest wait.")   \
    FIELD(receive_memory_bytes, GAUGE, BYTES, SUM, "Address space of the receive buffers.")                            \
    FIELD(send_memory_bytes, GAUGE, BYTES, SUM, "Address space of the memory that sends are copied into.")             \
    FIELD(connection_memory_bytes, GAUGE, BYTES, SUM, "Address space of the tables of connections and their sends.")   \
    FIELD(cpu_time_ns, COUNTER, NANOSECONDS, SUM,                                                                      \
          "CPU time of the worker's thread since it began, measured every 10 ms at most.")                             \
    FIELD(longest_turn_ns, GAUGE, NANOSECONDS, NEWEST,                                                                 \
          "The longest time for which the application held the thread between two waits.")                             \
    FIELD(longest_turn_at_ns, GAUGE, NANOSECONDS, NONE,                                                                \
          "Time of the monotonic clock at which the longest turn ended.")                                              \
    FIELD(longest_turn_in, GAUGE, COUNT, NONE,                                                                         \
          "What took most of the longest turn: a kind of completion by its number, 100 for jobs, 101 for results of offloaded "  \
          "work, 0 for unknown.")                                                                                      \
    FIELD(waiting_clients, GAUGE, COUNT, SUM,                                                                          \
          "Clients in the backlogs of TCP listeners that wait to be accepted, as of a look every 100 ms.")             \
    FIELD(backlog_limit, GAUGE, COUNT, SUM, "Clients that these backlogs let wait; each lets in one more.")            \
    FIELD(dropped_clients, COUNTER, COUNT, SUM,                                                                        \
          "Attempts to connect that the kernel dropped, mostly at a full backlog; a client's next one counts again.")  \
    FIELD(refused_over_address_limit, COUNTER, COUNT, SUM,                                                             \
          "Of refused_addresses, those whose address has as many connections as it may.")                              \
    FIELD(refused_unknown_address, COUNTER, COUNT, SUM,                                                                \
          "Of refused_addresses, those that had no address: the client had gone, or the kernel did not tell in time.") \
    FIELD(refused_by_stop, COUNTER, COUNT, SUM, "Of refused_addresses, those whose address was not told before a stop.") \
    FIELD(accepts_out_of_descriptors, COUNTER, COUNT, SUM,                                                             \
          "Of accept_failures, those that found no descriptor: EMFILE or ENFILE.")                                     \
    FIELD(accepts_out_of_memory, COUNTER, COUNT, SUM,                                                                  \
          "Of accept_failures, those that found no memory in the kernel: ENOBUFS or ENOMEM.")                          \
    FIELD(accepts_out_of_slots, COUNTER, COUNT, SUM,                                                                   \
          "Of accept_failures, clients that were accepted and let go because the table was full.")                     \
    FIELD(accepts_failed_otherwise, COUNTER, COUNT, SUM, "Of accept_failures, those with another error.")              \
    FIELD(delays_by_rate, COUNTER, COUNT, SUM, "Of delayed_accepts, pauses because of the accept rate.")               \
    FIELD(delays_by_full_table, COUNTER, COUNT, SUM, "Of delayed_accepts, pauses because every slot was taken.")       \
    FIELD(sends_over_cap, COUNTER, COUNT, SUM,                                                                         \
          "Of refused_sends, those for which the connection had too many unsent bytes.")                               \
    FIELD(sends_over_worker_cap, COUNTER, COUNT, SUM,                                                                  \
          "Of refused_sends, those for which the worker had too many unsent bytes.")                                   \
    FIELD(sends_out_of_memory, COUNTER, COUNT, SUM,                                                                    \
          "Of refused_sends, those that found no send memory.")                                                        \
    FIELD(sends_squeezed_out, COUNTER, COUNT, SUM,                                                                     \
          "Of refused_sends, connections that ended because others needed the memory of their unsent bytes.")          \
    FIELD(features, GAUGE, SET, NONE, "Features of the kernel that the worker's driver uses.")                         \
    FIELD(opened_at_ns, GAUGE, NANOSECONDS, NONE, "Time of the monotonic clock at which the worker opened.")           \
    FIELD(library_time_ns, COUNTER, NANOSECONDS, SUM,                                                                  \
          "Time of the library's own in waits, outside of the kernel, estimated from one wait of sixteen.")            \
    FIELD(moves_in, COUNTER, COUNT, SUM, "Clients that another worker accepted, and handed over to this one.")         \
    FIELD(moves_out, COUNTER, COUNT, SUM, "Clients that this worker accepted, and handed over to another one.")        \
    FIELD(moves_lost, COUNTER, COUNT, SUM,                                                                             \
          "Clients that were handed over to this worker and closed, as it was stopping or had no place for them.")     \
    FIELD(offloads, COUNTER, COUNT, SUM, "Pieces of blocking work that were handed to the port's pool.")               \
    FIELD(offload_depth, GAUGE, COUNT, SUM, "Of these, those that wait, run, or whose results were not taken yet.")    \
    FIELD(refused_offloads, COUNTER, COUNT, SUM, "Pieces of blocking work that the pool refused: its queue was full.") \
    FIELD(dropped_offloads, COUNTER, COUNT, SUM,                                                                       \
          "Results of blocking work that nobody was given: the connection, or the worker, was gone.")                  \
    FIELD(offload_threads, GAUGE, COUNT, SUM, "Threads of the port's pool now; worker 0 counts them for the port.")     \
    FIELD(migrated_in, COUNTER, COUNT, SUM, "Open connections that came from another worker.")                         \
    FIELD(migrated_out, COUNTER, COUNT, SUM, "Open connections that went to another worker.")                          \
    FIELD(memory_resident_bytes, GAUGE, BYTES, SUM,                                                                    \
          "Of the worker's slots, buffers, queues and deadlines, what is touched, as of its latest round of looks.")   \
    FIELD(memory_on_node_bytes, GAUGE, BYTES, SUM, "Of these, what lies on the worker's NUMA node.")

/* name, unit, one sentence. How often a value was in each range of powers of two. Names as above. */
#define IOCP_STATS_HISTOGRAMS(HISTOGRAM)                                                                               \
    HISTOGRAM(turn_ns, NANOSECONDS, "How long the application held the worker's thread between two waits.")            \
    HISTOGRAM(wake_ns, NANOSECONDS, "How long another thread's wake-up took, until the worker ran.")                   \
    HISTOGRAM(timer_lateness_ns, NANOSECONDS, "How late user timers fired.")                                           \
    HISTOGRAM(wait_events, COUNT, "Events that one wait in the kernel brought.")                                       \
    HISTOGRAM(wait_completions, COUNT, "Completion records that one wait handed to the application.")                  \
    HISTOGRAM(library_ns, NANOSECONDS, "Time of the library's own before an entry into the kernel, one wait of sixteen.")

/* The codes stand in pages: append only. 0 is what a reader makes of a code that it does not know. */
#define IOCP_STATS_KINDS(KIND)                                                                                         \
    KIND(UNKNOWN, "unknown")                                                                                           \
    KIND(COUNTER, "counter") /* grows, by one writer, from the start of the port */                                    \
    KIND(GAUGE, "gauge")     /* is as of now */                                                                        \
    KIND(HISTOGRAM, "histogram") /* counts values by their size, from the start of the port */

#define IOCP_STATS_UNITS(UNIT)                                                                                         \
    UNIT(UNKNOWN, "unknown")                                                                                           \
    UNIT(COUNT, "count")                                                                                               \
    UNIT(BYTES, "bytes")                                                                                               \
    UNIT(NANOSECONDS, "ns")                                                                                            \
    UNIT(FLAG, "flag") /* 0 or 1 */                                                                                    \
    UNIT(SET, "set")   /* bit i: whether there is what the table below names i-th */

#define IOCP_STATS_TOTALS(TOTAL)                                                                                       \
    TOTAL(NONE, "none") /* has no total */                                                                             \
    TOTAL(SUM, "sum")                                                                                                  \
    TOTAL(NEWEST, "newest") /* the largest */

/* name, one sentence: what the bits of the field `features` stand for. At most 64, and append only: they stand in pages. */
#define IOCP_FEATURES(FEATURE)                                                                                         \
    FEATURE(multishot_accept, "One submission accepts clients until it is cancelled.")                                 \
    FEATURE(multishot_receive, "One submission receives until it is cancelled.")                                       \
    FEATURE(direct_descriptors, "Connections stand in the ring's own table, without a file descriptor.")               \
    FEATURE(buffer_rings, "The kernel takes receive buffers from a ring that is shared with it.")                      \
    FEATURE(incremental_buffers, "Receives fill a buffer one behind the other.")                                       \
    FEATURE(deferred_task_work, "The kernel completes operations on the worker's thread, within its waits.")           \
    FEATURE(no_index_array, "Submissions go without an array of indices.")                                             \
    FEATURE(registered_ring, "Entries name the ring without a lookup of its file descriptor.")                         \
    FEATURE(silent_sends, "Sends that succeed have no completion.")                                                    \
    FEATURE(minimum_waits, "A busy worker's wait gathers completions for a while.")                                    \
    FEATURE(waits_are_idle, "A worker that sleeps is idle in the kernel's figures.")                                   \
    FEATURE(busy_poll, "Waits poll the queues of the network card.")                                                   \
    FEATURE(lockdown, "The ring refuses all operations that are not needed.")                                          \
    FEATURE(nanosecond_waits, "Waits of epoll end at the nanosecond, not at the millisecond.")                         \
    FEATURE(several_rings, "The worker has several rings, since RLIMIT_NOFILE bounds the table of each.")

#define IOCP_FEATURE(name, summary) IOCP_FEATURE_##name,
typedef enum iocp_feature : uint32_t { IOCP_FEATURES(IOCP_FEATURE) IOCP_FEATURE_COUNT } iocp_feature;
#undef IOCP_FEATURE

#define IOCP_STATS_CODE(code, word) IOCP_STATS_KIND_##code,
typedef enum iocp_stats_kind : uint8_t { IOCP_STATS_KINDS(IOCP_STATS_CODE) } iocp_stats_kind;
#undef IOCP_STATS_CODE
#define IOCP_STATS_CODE(code, word) IOCP_STATS_UNIT_##code,
typedef enum iocp_stats_unit : uint8_t { IOCP_STATS_UNITS(IOCP_STATS_CODE) } iocp_stats_unit;
#undef IOCP_STATS_CODE
#define IOCP_STATS_CODE(code, word) IOCP_STATS_TOTAL_##code,
typedef enum iocp_stats_total : uint8_t { IOCP_STATS_TOTALS(IOCP_STATS_CODE) } iocp_stats_total;
#undef IOCP_STATS_CODE

/* A field's place in the table of this build. Other builds have other places: a page goes by names. */
#define IOCP_STATS_INDEX(name, kind, unit, total, summary) IOCP_STATS_INDEX_##name,
typedef enum iocp_stats_index : uint32_t {
    IOCP_STATS_FIELDS(IOCP_STATS_INDEX) IOCP_STATS_FIELD_COUNT
} iocp_stats_index;
#undef IOCP_STATS_INDEX
#define IOCP_STATS_INDEX(name, unit, summary) IOCP_STATS_HISTOGRAM_##name,
typedef enum iocp_stats_histogram_index : uint32_t {
    IOCP_STATS_HISTOGRAMS(IOCP_STATS_INDEX) IOCP_STATS_HISTOGRAM_COUNT
} iocp_stats_histogram_index;
#undef IOCP_STATS_INDEX

/* Which fields of this build something has: bit i of the words is field i. */
typedef struct iocp_stats_fields {
    uint64_t words[2];
} iocp_stats_fields;

enum { IOCP_STATS_BUCKETS = 32 };

/* Bucket 0 counts zeros, bucket i values from 2^(i-1) to below 2^i, the last all that are larger, too. */
typedef struct iocp_stats_histogram {
    uint64_t sum; /* of the values; wraps */
    uint64_t buckets[IOCP_STATS_BUCKETS];
} iocp_stats_histogram;

/* What one worker has counted. */
typedef struct iocp_worker_stats {
    uint32_t cpu; /* UINT32_MAX when not pinned */
    uint32_t node;
#define IOCP_STATS_MEMBER(name, kind, unit, total, summary) uint64_t name;
    IOCP_STATS_FIELDS(IOCP_STATS_MEMBER)
#undef IOCP_STATS_MEMBER
} iocp_worker_stats;

/* One row of the table, or of another build's page. */
typedef struct iocp_stats_field {
    const char *name;
    iocp_stats_kind kind;
    iocp_stats_unit unit;
    iocp_stats_total total;
    const char *summary; /* one sentence; "" for a field that only another build has */
} iocp_stats_field;

#define IOCP_STATS_FIELD_NONE UINT32_MAX

/* The row of a field of this build, for good; NULL from IOCP_STATS_FIELD_COUNT on. Thread: any. */
const iocp_stats_field *iocp_stats_field_at(uint32_t index);

/* The row of a histogram of this build, for good; NULL from IOCP_STATS_HISTOGRAM_COUNT on. Thread: any. */
const iocp_stats_field *iocp_stats_histogram_at(uint32_t index);

/* The index of a field of this build, or IOCP_STATS_FIELD_NONE. O(fields). Thread: any. */
uint32_t iocp_stats_field_index(const char *name);

/* The words of the tables above, "unknown" or "none" for a code that is none. Thread: any. */
const char *iocp_stats_kind_name(iocp_stats_kind kind);
const char *iocp_stats_unit_name(iocp_stats_unit unit);
const char *iocp_stats_total_name(iocp_stats_total total);

/* The name of a feature, lower-case letters and '_', and its sentence; NULL from IOCP_FEATURE_COUNT on. Thread: any. */
const char *iocp_feature_name(uint32_t feature);
const char *iocp_feature_summary(uint32_t feature);

/* The value of a field by its index; 0 from IOCP_STATS_FIELD_COUNT on, where setting does nothing. */
uint64_t iocp_worker_stats_value(const iocp_worker_stats *stats, uint32_t index);
void iocp_worker_stats_set_value(iocp_worker_stats *stats, uint32_t index, uint64_t value);

/* Adds a worker to a total, field by field as the table says; cpu, node and fields without a total stay. A sum that
 * does not fit wraps: another process may have written any numbers. */
void iocp_worker_stats_add(iocp_worker_stats *total, const iocp_worker_stats *worker);

#endif
