#if NIO
import Dispatch
import Glibc
public import IOCP
public import NIOCore
import Synchronization

/// Event loops on a completion port: what `MultiThreadedEventLoopGroup` is to NIO's own sockets. One loop is one worker of the
/// port, on one thread.
///
/// ```swift
/// let group = IOCPEventLoopGroup(numberOfThreads: 2)
/// let server = try await IOCPServerBootstrap(group: group)
///     .childChannelInitializer { channel in channel.pipeline.addHandler(EchoHandler()) }
///     .bind(host: "127.0.0.1", port: 0).get()
/// ```
///
/// A process may have several; each has ports, rings and buffers of its own. Shut it down when it is not needed any more:
/// ``shutdownGracefully(queue:_:)``, or `syncShutdownGracefully()`.
///
/// Thread: any.
public final class IOCPEventLoopGroup: EventLoopGroup, Sendable {
    private let roster: GroupRoster
    private let loops: [IOCPEventLoop]
    private let threads: [LoopThread]
    private let turn = Atomic(0)
    private let shutdown = Mutex(Shutdown.none)
    private let drain: Duration
    private let isForever: Bool

    /// A group for the whole process, with default settings and one loop for each CPU. It is made at its first use and never shut
    /// down, as NIO's own. Traps if the system refuses it.
    public static let singleton: IOCPEventLoopGroup = {
        do { return try IOCPEventLoopGroup(PortConfiguration(), .seconds(1), isForever: true) } catch {
            fatalError("the event loop group of the process cannot be opened: \(error)")
        }
    }()

    private enum Shutdown {
        case none
        case underway([Waiting])
        case done
    }
    private typealias Waiting = (queue: DispatchQueue, callback: @Sendable ((any Error)?) -> Void)

    /// A group of so many loops, with everything else as it comes. It traps where the system refuses one, as NIO's own group
    /// does; ``init(_:drainingFor:)`` throws.
    public convenience init(numberOfThreads: Int) {
        precondition(numberOfThreads > 0, "a group has at least one loop")
        var configuration = PortConfiguration()
        configuration.workers = numberOfThreads
        do {
            try self.init(configuration)
        } catch {
            fatalError("an event loop group of \(numberOfThreads) threads cannot be opened: \(error)")
        }
    }

    /// A group on a port of your own settings, whose `workers` is the number of loops.
    ///
    /// The channels' contract needs three of them, which are set: `deliversHalfClose`, no `holdsBackReceive`, and the policy
    /// `refuse`; and a channel is told at once, so `opensAfterFirstBytes` is not had. Timeouts of the port end channels with
    /// `IOError`.
    /// - Parameter drain: how long a shutdown waits for bytes that were flushed already and for the peers' ends; what is left
    ///   then is reset.
    /// - Throws: what the configuration or the system refused.
    public convenience init(
        _ configuration: PortConfiguration, drainingFor drain: Duration = .seconds(1)
    ) throws(IOCPError) {
        try self.init(configuration, drain, isForever: false)
    }

    private init(_ configuration: PortConfiguration, _ drain: Duration, isForever: Bool) throws(IOCPError) {
        self.isForever = isForever
        var configuration = configuration
        configuration.deliversHalfClose = true
        configuration.holdsBackReceive = false
        configuration.overflowPolicy = .refuse
        configuration.opensAfterFirstBytes = false
        configuration.sendCap = Int(Int32.max)
        let port = try CompletionPort(configuration)
        let roster = GroupRoster(port)
        var loops: [IOCPEventLoop] = []
        var threads: [LoopThread] = []
        do {
            for index in 0..<port.workerCount {
                let thread = LoopThread()
                loops.append(try thread.start(index, port, roster))
                threads.append(thread)
            }
        } catch {
            port.stop()
            for thread in threads { thread.join() }
            throw error
        }
        (self.roster, self.loops, self.threads, self.drain) = (roster, loops, threads, drain)
    }

    deinit {
        // Its threads end by themselves; nobody waits for them.
        roster.port.stop(drainingFor: drain)
    }

    /// The loops by turns.
    public func next() -> any EventLoop {
        loops[abs(turn.wrappingAdd(1, ordering: .relaxed).oldValue) % loops.count]
    }

    /// The loop that the caller is on, or one by turns.
    public func any() -> any EventLoop { loops.first { $0.inEventLoop } ?? next() }

    public func makeIterator() -> EventLoopIterator { EventLoopIterator(loops) }

    /// The port under the loops, for its stats: `iocp stats` knows it as any other.
    public var completionPort: CompletionPort { roster.port }

    /// Closes every channel, waits for bytes that are on their way, runs the tasks that are left, and ends the threads.
    ///
    /// A second call while one is under way is called back at the same end, and one afterwards at once. ``singleton`` is not shut
    /// down: `EventLoopError.unsupportedOperation`.
    public func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) {
        if isForever { return queue.async { callback(EventLoopError.unsupportedOperation) } }
        let isFirst = shutdown.withLock { shutdown -> Bool? in
            switch shutdown {
            case .none:
                shutdown = .underway([(queue, callback)])
                return true
            case .underway(let waiting):
                shutdown = .underway(waiting + [(queue, callback)])
                return false
            case .done: return nil
            }
        }
        guard let isFirst else { return queue.async { callback(nil) } }
        guard isFirst else { return }
        roster.port.stop(drainingFor: drain)
        // Joining takes a thread that may wait, which none of a pool is.
        let ending = LoopThread()
        ending.run { [self] in
            for thread in threads { thread.join() }
            let waiting = shutdown.withLock { shutdown -> [Waiting] in
                defer { shutdown = .done }
                if case .underway(let waiting) = shutdown { return waiting }
                return []
            }
            for (queue, callback) in waiting { queue.async { callback(nil) } }
        }
        ending.detach()
    }

    public func _preconditionSafeToSyncShutdown(file: StaticString, line: UInt) {
        precondition(
            !loops.contains { $0.inEventLoop }, "a loop's own thread cannot wait for its group's end", file: file,
            line: line)
    }
}

extension IOCPEventLoopGroup: CustomStringConvertible {
    public var description: String { "IOCPEventLoopGroup(\(loops.count) loops, \(roster.port.driver))" }
}
#endif
