import CIOCP

/// One piece of blocking work, on its way to the pool and back.
///
/// The core holds one reference to it from the handing over until it is taken back, or dropped.
@safe
@usableFromInline
class OffloadedWork: @unchecked Sendable {
    // @unchecked: a thread of the pool has what it runs to itself until the core hands it back; the rest is touched on the
    // worker's thread alone.
    private let raw: UnsafeMutablePointer<iocp_offload>
    /// Whose result it has; 0: no connection's.
    @usableFromInline let connection: iocp_token

    /// The worker's thread has it back.
    private(set) var isBack = false

    init(_ connection: iocp_token) {
        self.connection = connection
        unsafe raw = .allocate(capacity: 1)
        unsafe raw.initialize(to: iocp_offload())
        unsafe raw.pointee.run = OffloadedWork.run
        unsafe raw.pointee.drop = OffloadedWork.drop
        unsafe raw.pointee.context = Unmanaged.passUnretained(self).toOpaque()
    }

    deinit {
        unsafe raw.deallocate()
    }

    // MARK: - What it is made of

    /// Does the work. Thread: the pool's.
    func run() {}

    /// Hands over what came of it, once. Thread: the worker's.
    @usableFromInline
    func deliver() throws {}

    /// Nobody is to be given what comes of it. Says so to a task that waits. Thread: the worker's.
    func abandon(_ error: IOCPError) {}

    // MARK: - On the worker's thread

    /// - Returns: the core's answer: 0, or what refused it.
    func handOver(to worker: OpaquePointer) -> Int32 {
        let reference = unsafe Unmanaged.passRetained(self)
        let result = unsafe iocp_worker_offload(worker, raw)
        if result < 0 { unsafe reference.release() }
        return result
    }

    static func takeBack(from worker: OpaquePointer) -> OffloadedWork? {
        guard let raw = unsafe iocp_worker_take_offloaded(worker), let context = unsafe raw.pointee.context
        else { return nil }
        let work = unsafe Unmanaged<OffloadedWork>.fromOpaque(context).takeRetainedValue()
        work.isBack = true
        return work
    }

    /// If no thread has begun with it.
    func cancel(on worker: OpaquePointer) {
        if !isBack { _ = unsafe iocp_worker_cancel_offload(worker, raw) }
    }

    // MARK: - Called by the core

    private static let run: @convention(c) (UnsafeMutablePointer<iocp_offload>?) -> Void = { raw in
        guard let context = unsafe raw?.pointee.context else { return }
        unsafe Unmanaged<OffloadedWork>.fromOpaque(context).takeUnretainedValue().run()
    }

    /// Its worker has closed.
    private static let drop: @convention(c) (UnsafeMutablePointer<iocp_offload>?) -> Void = { raw in
        guard let context = unsafe raw?.pointee.context else { return }
        unsafe Unmanaged<OffloadedWork>.fromOpaque(context).release()
    }
}

/// Work whose result is of a type.
final class Offloaded<Value: Sendable>: OffloadedWork, @unchecked Sendable {
    private var work: (@Sendable () throws -> Value)?
    private var result: Result<Value, any Error>?
    private var then: ((Result<Value, any Error>) throws -> Void)?
    private var abandoned: ((IOCPError) -> Void)?

    /// - Parameters:
    ///   - then: is given the result, or ``abandoned`` is called; both may stay out, and are released on the worker's thread.
    init(
        _ connection: iocp_token, _ work: @escaping @Sendable () throws -> Value,
        abandoned: ((IOCPError) -> Void)? = nil, then: @escaping (Result<Value, any Error>) throws -> Void
    ) {
        (self.work, self.then, self.abandoned) = (work, then, abandoned)
        super.init(connection)
    }

    override func run() {
        guard let work = work.take() else { return }
        result = Result(catching: work)
    }

    @usableFromInline
    override func deliver() throws {
        let then = then.take()
        abandoned = nil
        // Without a result it was cancelled before a thread began with it.
        let result = result.take() ?? .failure(IOCPError(code: 125 /* ECANCELED */, operation: .offload))
        work = nil
        try then?(result)
    }

    override func abandon(_ error: IOCPError) {
        let abandoned = abandoned.take()
        then = nil
        abandoned?(error)
    }
}
