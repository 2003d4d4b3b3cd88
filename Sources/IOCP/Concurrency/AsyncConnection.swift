import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One connection, as an async body sees it: what arrives is awaited, and a send waits for a peer that does not keep up.
///
/// ```swift
/// import IOCP
///
/// try await withServer { worker, connection in
///     while let bytes = try await connection.next() { try await connection.send(bytes) }
/// } use: { server in
///     print("listening on \(try server.listen(host: "127.0.0.1", port: 4666))")
///     try await server.wait()
/// }
/// ```
///
/// It belongs to its worker's actor (``WorkerActor``), and is not `Sendable`: the compiler keeps it on the worker's thread,
/// where every await resumes. It has the calls of ``ConnectionContext``, too.
///
/// **Receiving.** Bytes that nobody awaits are kept as leases, without a copy. From 16 receives on, receiving pauses, and the
/// peer is held back by TCP. A worker whose receive buffers are half lent copies what it keeps, so that slow bodies do not take
/// the last buffer from the others.
///
/// **Ends.** An await ends with an ``IOCPError`` when the connection closes (ECONNRESET, ENOTCONN, ...), when its task is
/// cancelled (ECANCELED), or when its time is over (ETIMEDOUT). The last two leave the connection open, and they come for no
/// other reason: a body that goes on after ETIMEDOUT does not go round on a closed connection.
///
/// **Stop.** When the port stops, bytes that arrived are still handed out, and then ``next(within:)`` returns nil as if the peer
/// had finished; ``ConnectionContext/isStopping`` tells. With ``readsPastStop`` it goes on handing out what arrives for a while. The connection
/// stays open until its body has ended, or until the drain is over. One that the body connected itself goes on as before, until
/// it is closed or the drain is over.
///
/// One task at a time may await to receive, and one to send; a second one traps.
@safe
public final class AsyncConnection: ConnectionContext {
    /// Read and written on the worker's thread alone, each time in one step, so no two accesses overlap: the dynamic check of
    /// that was a tenth of a body's own instructions.
    @exclusivity(unchecked) private(set) var input = AsyncInput()
    /// How long reading goes on once the port stops; zero at first. For a body whose peer must not lose a request that is on its
    /// way: it answers the next one, says in the answer that it is the last (`Connection: close`, for example), and returns. A
    /// peer that asks nothing more is waited for as long, and at most until the drain is over.
    ///
    /// ```swift
    /// connection.readsPastStop = .seconds(1)
    /// while let request = try await connection.line() {
    ///     let isLast = connection.isStopping
    ///     try await connection.send("\(request) was heard\(isLast ? ", good-bye" : "")\n")
    ///     if isLast { return }
    /// }
    /// ```
    public var readsPastStop = Duration.zero
    /// How long each await that is not given a limit of its own may last; nil for ever.
    public var timeout: Duration?
    /// When every await is to end, whatever its limit: see ``withDeadline(after:_:)``.
    private var deadline = Await.Until.never
    private let bodies: WorkerBodies
    private let executor: WorkerExecutor
    private(set) var reading: Await?
    private(set) var writing: Await?
    private(set) var flushes: Flushes?
    private(set) var body = BodyTask()
    /// A handler gave it to the body.
    var isReturnable = false
    /// And is given it back when the body returns.
    var isHandedBack = false
    /// Whether the worker's table keeps it: from the start of its body until it has closed.
    var isKept = false

    override init(_ worker: Worker, token: iocp_token, name: iocp_token, key: UInt64, listener: UInt16) {
        executor = worker.executor
        bodies = worker.bodies
        super.init(worker, token: token, name: name, key: key, listener: listener)
    }

    convenience init<State>(_ worker: Worker, of context: IocpContext<State>) {
        self.init(worker, token: context.token, name: context.name, key: context.key, listener: context.listenerName)
    }

    /// One that a body serves goes on whatever thread: it has closed by then. One that a body connected is closed by this.
    deinit {
        if unsafe iocp_worker_refusal(raw) == -EPERM {
            if token != 0 { AwaitMisuse.droppedElsewhere() }
            return sendHome()
        }
        dropHeld()
        bodies.forget(self, token)
        closeIfOpen()
    }

    /// In Swift 6 the compiler keeps a connection on its worker's thread. In Swift 5 a task that a body makes may carry it to
    /// another one, without a word.
    @inline(__always)
    func requireThread(_ operation: IOCPError.Operation) throws(IOCPError) {
        let refusal = unsafe iocp_worker_refusal(raw)
        if refusal == -EPERM { throw IOCPError(result: refusal, operation) }
    }

    // MARK: - Receiving

    /// The next bytes that arrived, or nil when the peer has finished sending.
    ///
    /// They are a lease of one of the worker's receive buffers, to be sent or dropped soon: see ``ReceivedBytes``. To look at
    /// them and then to send them, use ``ReceivedBytes/withBytes(_:)``.
    /// - Parameter limit: how long to wait at most; nil for ``timeout``.
    /// - Throws: why the connection has closed, ECANCELED, or ETIMEDOUT; ENOBUFS with a limit, where
    ///   ``PortConfiguration/timersPerWorker`` timers are armed already.
    public nonisolated(nonsending) func next(within limit: Duration? = nil) async throws(IOCPError) -> ReceivedBytes? {
        guard let lent = try await nextLent(within: limit) else { return nil }
        return unsafe ReceivedBytes(lent, worker: raw)
    }

    /// Hands the next bytes that arrived to `body`, lent for the call.
    /// - Parameter limit: how long to wait at most; nil for ``timeout``.
    /// - Returns: false when the peer has finished sending; then `body` was not called.
    /// - Throws: as ``next(within:)``, and what `body` throws.
    public nonisolated(nonsending) func receive(
        within limit: Duration? = nil, _ body: (RawSpan) throws -> Void
    ) async throws -> Bool {
        guard let bytes = try await next(within: limit) else { return false }
        try body(bytes.bytes)
        return true
    }

    @inline(__always)
    nonisolated(nonsending) func nextLent(within limit: Duration?) async throws(IOCPError) -> LentBytes? {
        try requireThread(.receive)
        if let lent = takeHeld() { return lent }
        if limit == nil, timeout == nil, deadline == .never, case .open = unsafe input.end, body.isCurrent {
            guard !isReading else { AwaitMisuse.twice(.receive) }
            if Task.isCancelled { throw .taskCancelled(.receive) }
            await unsafe withUnsafeContinuation { unsafe input.read(with: $0) }
            if let lent = takeHeld() { return lent }
        }
        return try await waitForLent(until(limit))
    }

    /// The same for any task, and with a limit.
    nonisolated(nonsending) func waitForLent(_ until: Await.Until) async throws(IOCPError) -> LentBytes? {
        try requireThread(.receive)
        while true {
            if let lent = takeHeld() { return lent }
            switch unsafe input.end {
            case .open: if token == 0 { throw .handedBack(.receive) }
            case .finished: return nil
            case .failed(let error): throw error
            }
            guard !isReading else { AwaitMisuse.twice(.receive) }
            let reading = reading ?? Await(.receive, executor, home)
            self.reading = reading
            try reading.begin(until: until)
            try await reading.ended()
        }
    }

    private var isReading: Bool { unsafe input.isReading || reading?.isWaiting == true }

    @inline(__always)
    private func takeHeld() -> LentBytes? {
        let lent = unsafe input.take()
        if unsafe input.isPaused { resumeIfFew() }
        return lent
    }

    @inline(never)
    private func resumeIfFew() {
        guard unsafe input.count <= AsyncInput.few else { return }
        unsafe input.isPaused = false
        _ = unsafe iocp_receive_resume(raw, token)
    }

    /// Puts back what was not read, to be taken first.
    func putBack(_ bytes: LentBytes) { unsafe input.putBack(bytes) }

    /// A receive completed.
    func received(_ bytes: consuming ReceivedBytes) {
        guard case .open = unsafe input.end else { return }
        let areFew = unsafe iocp_worker_leases(raw) <= bodies.leasesMax
        unsafe input.append(areFew ? bytes.lend() : bytes.copied().lend())
        if unsafe input.wakeReader() { return }
        if reading?.isWaiting == true { return wakeReader() }
        if unsafe !areFew || input.count >= AsyncInput.most { pause() }
    }

    private func wakeReader() {
        if unsafe !input.wakeReader() { reading?.end() }
    }

    private func pause() {
        guard unsafe !input.isPaused else { return }
        unsafe input.isPaused = true
        _ = unsafe iocp_receive_pause(raw, token)
    }

    /// Gives back what is left from another thread.
    private func sendHome() {
        var left: [LentBytes] = []
        while let lent = unsafe input.take() { left.append(lent) }
        if left.isEmpty { return }
        let leases = unsafe LeftLeases(all: left, worker: raw, home: home)
        Task(executorPreference: executor) { leases.giveBack() }
    }

    /// On its way to the worker's thread.
    @safe
    private struct LeftLeases: @unchecked Sendable {
        let all: [LentBytes]
        let worker: OpaquePointer
        /// Keeps what `worker` points to.
        let home: WorkerHome

        func giveBack() {
            for lent in all { _ = unsafe ReceivedBytes(lent, worker: worker) }
        }
    }

    private func dropHeld() {
        while let lent = takeHeld() { drop(lent) }
    }

    /// Gives back what was read.
    func drop(_ lent: LentBytes) {
        _ = unsafe ReceivedBytes(lent, worker: raw)
    }

    // MARK: - Sending

    @usableFromInline
    nonisolated(nonsending) func waitWhilePressed(within limit: Duration?) async throws(IOCPError) {
        try await waitWhilePressed(until(limit))
    }

    /// Waits until the unsent bytes have fallen to the low watermark, if they are above the high one.
    nonisolated(nonsending) func waitWhilePressed(_ until: Await.Until) async throws(IOCPError) {
        try requireThread(.send)
        while isPressed {
            let writing = writing ?? Await(.send, executor, home)
            self.writing = writing
            try writing.begin(until: until)
            try await writing.ended()
        }
    }

    func writable() { writing?.end() }

    /// Waits until everything that was sent so far was taken by the transport.
    /// - Parameter limit: how long to wait at most; nil for ``timeout``.
    /// - Throws: why the connection has closed, ECANCELED, or ETIMEDOUT.
    public nonisolated(nonsending) func flush(within limit: Duration? = nil) async throws(IOCPError) {
        try check(unsafe iocp_send_notify(raw, token, flushKey), .notifyWhenSent)
        let flushes = flushes ?? Flushes(Await(.send, executor, home))
        self.flushes = flushes
        try await flushes.wait(until: until(limit))
    }

    /// The key of the body's own notifications: no other object has it.
    private var flushKey: UInt64 { UInt64(UInt(bitPattern: ObjectIdentifier(self))) }

    /// A `sent` completion. Returns whether it is the body's.
    func sent(_ key: UInt64, _ error: IOCPError?) -> Bool {
        guard key == flushKey else { return false }
        // ECANCELED where the connection was closed first: that is no cancellation of the body's task.
        flushes?.answered(
            error.map { $0.endsWait ? IOCPError(code: ENOTCONN, operation: .send, detail: $0.summary) : $0 })
        return true
    }

    // MARK: - Ends

    /// The peer finished, or the port stops.
    func finishInput() {
        guard case .open = unsafe input.end else { return }
        unsafe input.end = .finished
        wakeReader()
    }

    /// The connection has closed.
    func closed(_ reason: CloseReason) {
        endError = IOCPError(endOf: reason, .receive)
        if reason == .peer { finishInput() }
        if case .open = unsafe input.end {
            dropHeld()
            unsafe input.end = .failed(IOCPError(endOf: reason, .receive))
        }
        wakeReader()
        let error = IOCPError(endOf: reason, .send)
        writing?.end(error)
        flushes?.answered(error)
        token = 0
        body.cancel()
    }

    /// Why the connection has closed; nil while it is open.
    private(set) var endError: IOCPError?

    /// Whether the peer has finished: for the handler that takes the connection back.
    @usableFromInline
    var hasInputEnded: Bool {
        if case .open = unsafe input.end { false } else { true }
    }

    /// It is the handler's again: nothing of it comes here any more.
    @usableFromInline
    func release() {
        body.end()
        bodies.forget(self, token)
        _ = unsafe iocp_connection_stay(raw, token, false)
        if flushes?.isUnanswered == true { bodies.awaitAnswers(of: self) }
        _ = unsafe iocp_connection_keep(raw, token, false)
        if unsafe input.isPaused { _ = unsafe iocp_receive_resume(raw, token) }
        token = 0
        // Tasks of the body that still wait are told nothing any more.
        reading?.end(.handedBack(.receive))
        writing?.end(.handedBack(.send))
        flushes?.end(.handedBack(.send))
    }

    /// What nobody awaited, for the handler that takes the connection back.
    @usableFromInline
    func takeReceived() -> ReceivedBytes? {
        takeHeld().map { lent in unsafe ReceivedBytes(lent, worker: raw) }
    }

    /// The body has ended: nothing is received any more.
    func bodyEnded() {
        body.end()
        unsafe input.end = .finished
        dropHeld()
        wakeReader()
    }

    // MARK: - The body

    /// The connection's task has begun.
    func begin() { body.begin() }

    func run(as task: Task<Void, Never>) { body.task = task }

    /// Ends all awaits of `body` on this connection when the time from now is over, however many there are: a whole request, or
    /// a login, and not each of its pieces. Within another deadline the earlier one counts.
    ///
    /// ```swift
    /// let name = try await connection.withDeadline(after: .seconds(10)) {
    ///     try await connection.send("name? ")
    ///     return try await connection.line()
    /// }
    /// ```
    /// - Throws: what `body` throws; its awaits throw ETIMEDOUT.
    public nonisolated(nonsending) func withDeadline<Value, Failure: Error>(
        after limit: Duration, _ body: nonisolated(nonsending) () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let outer = deadline
        deadline = min(outer, Await.Until(after: limit, from: executor.now))
        defer { deadline = outer }
        return try await body()
    }

    /// When an await that begins now is to end: by the limit that it was given, or the connection's; and by the deadline.
    func until(_ limit: Duration?) -> Await.Until {
        min((limit ?? timeout).map { Await.Until(after: $0, from: executor.now) } ?? .never, deadline)
    }
}
