import CIOCP
import Synchronization

/// Messages from any thread to every connection that subscribed, on all workers.
///
/// ```swift
/// let prices = Topic()
/// // in a handler or body: try connection.subscribe(to: prices)
/// try prices.publish(try SharedBytes([UInt8]("XYZ 100.25\n".utf8)))
/// ```
///
/// All subscribers share the bytes, and each worker gets at most one letter while it has not taken the topic's earlier
/// messages. A worker delivers between two batches of completions, to 256 connections at a time, so a message to
/// thousands keeps nobody waiting. All subscribers get the messages in one order, which keeps the order of each publisher. A
/// subscriber gets what is published after its ``ConnectionContext/subscribe(to:)`` returned and before it leaves. What a handler
/// itself sends to a connection goes before messages that it publishes in the same call.
///
/// A subscriber that does not read is slow once ``unsentLimit`` bytes wait for it: see ``SlowPolicy``. The others do not
/// notice.
///
/// A worker that stops delivers what was published before, within the drain, and then calls
/// ``ConnectionHandler/stopping(_:on:)``; what comes later does not reach its connections.
///
/// Connections of several ports may subscribe to one topic. It lives as long as somebody holds it or is subscribed.
/// Thread: every method may be called from any thread.
public final class Topic: Sendable {
    /// What becomes of a message for a subscriber that has ``Topic/unsentLimit`` bytes unsent, or stands at its own cap. The
    /// policy of ``PortConfiguration/overflowPolicy`` does not apply.
    public enum SlowPolicy: Hashable, Sendable {
        /// It does without this message. Its `writable` follows when it reads again.
        case dropMessage
        /// The newest messages wait for it by reference, at most `keeping`, which is 1 or more. They are sent as soon as it is
        /// writable; the oldest are dropped for them.
        case dropOldest(keeping: Int)
        /// The connection ends: `closed(.sendOverflow)`. So a subscriber that stays has every message.
        case close
    }

    /// The policy for slow subscribers, as it was given.
    public let slowPolicy: SlowPolicy
    /// Unsent bytes of a connection beyond which it is slow. One message is taken in any case where nothing is unsent.
    public let unsentLimit: Int
    /// Messages that may wait for one worker.
    public let queueLimit: Int
    /// Bytes that may wait for one worker. One message is taken in any case where none waits.
    public let queueByteLimit: Int

    struct State {
        /// One for each worker with subscribers.
        var branches: [TopicBranch] = []
        /// Of the next message.
        var sequence: UInt64 = 0
    }
    private let state = Mutex(State())
    private let subscribers = Atomic(0)
    private let drops = Atomic<UInt64>(0)

    /// A bound that is out of range traps.
    /// - Parameters:
    ///   - unsentLimit: 0 to 2,147,483,647 bytes; see ``unsentLimit``.
    ///   - queueLimit: 1 or more; see ``queueLimit``.
    ///   - queueByteLimit: 0 or more; see ``queueByteLimit``.
    public init(
        whenSlow slowPolicy: SlowPolicy = .dropMessage, unsentLimit: Int = 256 << 10, queueLimit: Int = 1_024,
        queueByteLimit: Int = 64 << 20
    ) {
        precondition(unsentLimit >= 0 && unsentLimit <= Int32.max, "a topic's unsentLimit is 0 to 2,147,483,647 bytes")
        precondition(queueLimit >= 1 && queueByteLimit >= 0, "a topic's queue holds at least one message")
        if case .dropOldest(let keeping) = slowPolicy {
            precondition(keeping >= 1, "a slow subscriber of a topic keeps at least one message")
        }
        (self.slowPolicy, self.unsentLimit) = (slowPolicy, unsentLimit)
        (self.queueLimit, self.queueByteLimit) = (queueLimit, queueByteLimit)
    }

    /// Publishes a message to all subscribers of this moment, by reference. All workers take it, or none.
    ///
    /// O(workers with subscribers). Publishers of one topic take turns, and one may wake workers meanwhile.
    /// - Parameter exception: a subscriber that does not get it: the one that it came from.
    /// - Throws: EAGAIN, and nothing is published, when as many messages or bytes wait for one of the workers as may, or
    ///   its mailbox is full. That worker is behind, not a subscriber.
    public func publish(_ bytes: SharedBytes, except exception: Connection? = nil) throws(IOCPError) {
        let message = TopicMessage(bytes: bytes, exception: exception?.token ?? 0)
        let refusal: IOCPError? = state.withLock { state in
            if let full = state.branches.first(where: { !$0.hasRoom(for: message) }) {
                return .topicIsFull(ofWorker: full.worker)
            }
            // Every letter first: a worker that finds no message by its letter has lost nothing.
            for branch in state.branches.reversed() {
                let result = branch.callWorker()
                if result == -IOCPError.shutDown {
                    branch.unlist(from: &state)  // the worker has ended, and its connections with it
                } else if result < 0 {
                    return IOCPError(code: result, operation: .topic, detail: branch.mailboxIsFull)
                }
            }
            for branch in state.branches { branch.enqueue(message, state.sequence) }
            state.sequence += 1
            return nil
        }
        if let refusal { throw refusal }
    }

    /// Connections that are subscribed now, on all workers.
    public var subscriberCount: Int { subscribers.load(ordering: .relaxed) }

    /// Messages that slow subscribers did without, summed over all of them, from the beginning. Those of connections that
    /// ended are not counted. A worker counts them when it has served up to 256 connections.
    public var droppedCount: UInt64 { drops.load(ordering: .relaxed) }

    // MARK: - For its branches

    func withLock<Result>(_ body: (inout sending State) -> sending Result) -> sending Result {
        state.withLock(body)
    }

    func changeSubscriberCount(by difference: Int) {
        subscribers.add(difference, ordering: .relaxed)
    }

    func dropped(_ count: Int) {
        if count > 0 { drops.add(UInt64(count), ordering: .relaxed) }
    }
}

extension IOCPError {
    static var shutDown: Int32 { 108 /* ESHUTDOWN */ }

    fileprivate static func topicIsFull(ofWorker worker: UInt32) -> IOCPError {
        IOCPError(
            code: 11 /* EAGAIN */, operation: .topic,
            detail: "worker \(worker) has as many to deliver as may wait for it")
    }
}
