#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Connections to one destination, of one worker: opened ahead, lent to one user at a time, and opened again when they
/// end. For a proxy's backends, a cache, a broker.
///
/// The pool lives in a handler, which tells it what happens to the connections that carry its ``key``:
///
/// ```swift
/// struct Proxy: ConnectionHandler, Handles.Started, Handles.Opened, Handles.ConnectFailed, Handles.Closed, Handles.Stopping {
///     let upstream: UpstreamPool<Void>
///
///     func started(on worker: Worker) throws(IOCPError) { upstream.open() }
///     func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
///         if connection.key == upstream.key { return upstream.opened(connection) }
///     }
///     func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {
///         if key == upstream.key { upstream.connectFailed(error) }
///     }
///     func closed(_ connection: IocpContext<Void>, reason: CloseReason) {
///         if connection.key == upstream.key { upstream.closed(connection) }
///     }
///     func stopping(_ connections: borrowing ConnectionPool<Void>, on worker: Worker) throws(IOCPError) {
///         upstream.close()
///     }
///     func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {}
/// }
/// ```
/// Thread: the worker's. Everything is O(1), but for the end of a lent connection.
public final class UpstreamPool<State> {
    /// What the pool may have.
    public struct Limits: Hashable, Sendable {
        /// Connections that are kept open without anybody asking.
        public var minimum: Int
        /// Connections at most, those being opened included.
        public var maximum: Int
        /// Users that wait for a connection; more are refused at once.
        public var waiting: Int
        /// How long one waits: more than zero.
        public var waitTimeout: Duration
        /// How long a connect may take: more than zero and at most one day.
        public var connectTimeout: Duration

        /// Limits that do not fit each other are refused by the pool, not here.
        /// - Parameters:
        ///   - minimum: connections that are kept open: 0 to `maximum`.
        ///   - maximum: connections at most: 1 or more.
        ///   - waiting: users that may wait: 0 or more.
        ///   - waitTimeout: how long one waits: more than zero.
        ///   - connectTimeout: how long a connect may take: more than zero and at most one day.
        public init(
            minimum: Int = 0, maximum: Int = 8, waiting: Int = 1024, waitTimeout: Duration = .seconds(5),
            connectTimeout: Duration = .seconds(5)
        ) {
            (self.minimum, self.maximum, self.waiting) = (minimum, maximum, waiting)
            (self.waitTimeout, self.connectTimeout) = (waitTimeout, connectTimeout)
        }
    }

    /// Called with a connection that is the caller's until it is given back or closes, or with why there is none.
    public typealias User = (Result<IocpContext<State>, IOCPError>) -> Void

    /// Every connection of the pool has it; choose one that no other connection of this worker has.
    public let key: UInt64
    /// The pool's limits, as they were given.
    public let limits: Limits
    /// How long the pool waits after a connect that failed before it makes the next one.
    public let backoff: Backoff
    private let endpoints: [Endpoint]
    private let security: ConnectionSecurity?
    private unowned let worker: Worker

    private var idle: [IocpContext<State>] = []
    private var lent: [Connection: IocpContext<State>] = [:]
    private var openedAt: [Connection: Duration] = [:]
    /// In the order in which they came and are due: each waits equally long.
    private var waiters = Queue<(user: User, due: Duration)>()
    private var connecting = 0
    private var nextEndpoint = 0
    private var failures = 0
    private var latestError: IOCPError?
    private var isBackingOff = false
    private var isOpen = false
    private var waitTimer: WorkerTimer?

    /// - Parameters:
    ///   - endpoints: tried in turn; one that fails is followed by the next. At least one.
    ///   - worker: whose connections they are; the pool is used by its handler alone.
    ///   - security: what secures each connection; nil: they are in the clear.
    /// - Throws: EINVAL for limits out of order, or no endpoint.
    public init(
        to endpoints: [Endpoint], on worker: Worker, key: UInt64, limits: Limits = Limits(),
        backoff: Backoff = Backoff(), security: ConnectionSecurity? = nil
    ) throws(IOCPError) {
        guard !endpoints.isEmpty, limits.minimum >= 0, limits.maximum >= max(1, limits.minimum), limits.waiting >= 0,
            limits.waitTimeout > .zero, limits.connectTimeout > .zero
        else {
            throw IOCPError(
                code: IOCPError.invalid, operation: .upstream,
                detail: "0 <= minimum <= maximum, 1 <= maximum, timeouts above zero, at least one endpoint")
        }
        (self.endpoints, self.worker, self.key, self.limits, self.backoff) = (endpoints, worker, key, limits, backoff)
        self.security = security
    }

    // MARK: What it has

    /// Open connections that nobody uses.
    public var idleCount: Int { idle.count }
    /// Open connections that somebody uses now.
    public var lentCount: Int { lent.count }
    /// Connects that are under way.
    public var connectingCount: Int { connecting }
    /// Users that wait for a connection: at most ``Limits/waiting``.
    public var waitingCount: Int { waiters.count }

    /// Whether the latest connect did not fail.
    public var isHealthy: Bool { failures == 0 }
    /// Why it is not healthy.
    public var failure: IOCPError? { failures == 0 ? nil : latestError }

    // MARK: Using it

    /// Begins to open the connections of ``Limits/minimum``.
    public func open() {
        isOpen = true
        grow()
    }

    /// Refuses all users, those that wait and those to come (ESHUTDOWN), and closes the idle connections. The lent ones are
    /// their users' to close.
    public func close() {
        isOpen = false
        if let waitTimer { try? worker.cancelTimer(waitTimer) }
        waitTimer = nil
        while let waiter = waiters.popFirst() { waiter.user(.failure(refusal(ESHUTDOWN))) }
        for connection in idle { connection.close() }
        idle = []
    }

    /// Lends a connection: at once if one is idle, later otherwise. The one that was used latest comes first.
    ///
    /// `user` is called exactly once: with a connection, or with ETIMEDOUT after ``Limits/waitTimeout``, ENOBUFS when too
    /// many wait, ESHUTDOWN once the pool was closed; or with what ``Worker/schedule(after:for:_:)`` refuses a timer for the
    /// wait with.
    public func take(_ user: @escaping User) {
        guard isOpen else { return user(.failure(refusal(ESHUTDOWN))) }
        if let connection = nextIdle() { return lend(connection, to: user) }
        guard waiters.count < limits.waiting else { return user(.failure(refusal(ENOBUFS))) }
        waiters.append((user, worker.now + limits.waitTimeout))
        armWaitTimer()
        grow()
    }

    /// Gives a connection back, for the next user. Harmless for one that closes or has closed, or is not lent.
    public func giveBack(_ connection: IocpContext<State>) {
        guard !connection.isClosing, lent.removeValue(forKey: connection.connection) != nil else { return }
        offer(connection)
    }

    // MARK: What the handler tells

    /// A connection with the pool's key opened.
    public func opened(_ connection: IocpContext<State>) {
        connecting -= 1
        guard isOpen else { return connection.close() }
        openedAt[connection.connection] = worker.now
        failures = 0
        offer(connection)
    }

    /// A connect with the pool's key did not open.
    public func connectFailed(_ error: IOCPError) {
        connecting -= 1
        failed(error)
    }

    /// A connection with the pool's key closed.
    public func closed(_ connection: IocpContext<State>) {
        let name = connection.connection
        let wasLent = lent.removeValue(forKey: name) != nil
        idle.removeAll { $0 === connection }
        let lasted = openedAt.removeValue(forKey: name).map { worker.now - $0 } ?? .zero
        // A server that accepts and hangs up at once is as ill as one that does not accept.
        if isOpen, !wasLent, lasted < Self.leastLife {
            failed(IOCPError(code: ECONNRESET, operation: .connect))
        } else {
            grow()
        }
    }

    // MARK: -

    private static var leastLife: Duration { .seconds(1) }

    private func refusal(_ code: Int32) -> IOCPError {
        IOCPError(code: code, operation: .upstream, detail: latestError.flatMap { failures > 0 ? "\($0)" : nil })
    }

    private func nextIdle() -> IocpContext<State>? {
        while let connection = idle.popLast() {
            if !connection.isClosing { return connection }
        }
        return nil
    }

    private func lend(_ connection: IocpContext<State>, to user: User) {
        lent[connection.connection] = connection
        user(.success(connection))
    }

    private func offer(_ connection: IocpContext<State>) {
        guard isOpen else { return connection.close() }
        if let waiter = waiters.popFirst() {
            lend(connection, to: waiter.user)
        } else {
            idle.append(connection)
        }
    }

    private func failed(_ error: IOCPError) {
        latestError = error
        failures += 1
        nextEndpoint += 1
        guard isOpen, !isBackingOff else { return }
        isBackingOff = true
        do throws(IOCPError) {
            try worker.schedule(after: backoff.delay(afterFailures: failures)) { [weak self] in
                self?.isBackingOff = false
                self?.grow()
            }
        } catch {
            isBackingOff = false  // no timer is left, or the worker stops: the next user tries again
        }
    }

    /// Opens as many more as are missing, and may be.
    private func grow() {
        guard isOpen, !isBackingOff else { return }
        let missing = max(limits.minimum - idle.count - lent.count, waiters.count)
        let room = limits.maximum - idle.count - lent.count
        // One at a time finds out whether an ill destination is well again.
        let wanted = min(missing, room, failures > 0 ? 1 : .max)
        while connecting < wanted, isOpen, !isBackingOff {
            do throws(IOCPError) {
                let endpoint = endpoints[nextEndpoint % endpoints.count]
                try worker.connect(
                    to: endpoint, key: key, timeout: limits.connectTimeout, security: security)
                connecting += 1
            } catch {
                failed(error)
            }
        }
    }

    /// Where no timer is left nobody would end the wait, so it ends at once.
    private func armWaitTimer() {
        guard waitTimer == nil, let due = waiters.first?.due else { return }
        do throws(IOCPError) {
            waitTimer = try worker.schedule(after: max(due - worker.now, .zero)) { [weak self] in self?.endWaits() }
        } catch {
            while let waiter = waiters.popFirst() { waiter.user(.failure(error)) }
        }
    }

    private func endWaits() {
        waitTimer = nil
        while let (user, due) = waiters.first, due <= worker.now {
            _ = waiters.popFirst()
            user(.failure(refusal(ETIMEDOUT)))
        }
        armWaitTimer()
    }
}
