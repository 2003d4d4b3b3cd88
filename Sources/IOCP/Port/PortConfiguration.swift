import CIOCP

/// Which driver moves bytes under the workers.
public enum Driver: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// io_uring where the kernel allows it, otherwise epoll.
    case auto = 0
    case uring = 1
    case epoll = 2

    public var description: String {
        unsafe String(cString: iocp_driver_name(raw))
    }

    var raw: iocp_driver_kind { iocp_driver_kind(rawValue: rawValue) }
}

/// Everything a port may use. Every bound is checked by ``CompletionPort/init(_:)``; nothing grows beyond it.
public struct PortConfiguration: Sendable, Hashable {
    public var driver: Driver = .auto
    /// Worker threads; 0 is one per allowed CPU. At most 1,024. More workers than CPUs share them.
    public var workers: Int = 0
    /// Connections each worker can hold; 0 is what RLIMIT_NOFILE allows. With io_uring a connection uses no file
    /// descriptor, but each ring's table is bounded by that limit.
    public var connectionsPerWorker: Int = 0
    /// Size of a receive buffer: a power of two from 4 KiB to 1 MiB.
    public var receiveBufferBytes: Int = 64 * 1024
    /// Receive buffers of each worker, shared by its connections: a power of two from 2 to 32,768.
    public var receiveBuffersPerWorker: Int = 256
    /// Memory for copied unsent bytes of each worker, in chunks of 16 KiB: 4 to 1,048,576. Touched as it is used.
    public var sendChunksPerWorker: Int = 4096
    /// Completion-queue entries of each ring: a power of two from 64 to 65,536.
    public var completionQueueEntries: Int = 4096
    /// Posts that may wait for each worker: a power of two from 16 to 1,048,576.
    public var mailboxEntries: Int = 16 * 1024
    /// As in `listen(2)`; the kernel caps it at `net.core.somaxconn`.
    public var listenBacklog: Int = 4096
    /// How long a graceful close waits for a peer that neither reads nor finishes.
    public var lingerTimeout: Duration = .seconds(5)
    /// Delivers the peer's FIN as an event instead of closing after it.
    public var deliversHalfClose = false
    /// Announces a connection only when its first bytes arrived (AcceptEx with a receive buffer).
    public var opensAfterFirstBytes = false
    /// Binds each worker's thread to its CPU.
    public var pinsWorkers = true

    public init() {}

    func raw() throws(IOCPError) -> iocp_port_config {
        func field(_ value: Int, _ name: String) throws(IOCPError) -> UInt32 {
            guard let value = UInt32(exactly: value) else {
                throw IOCPError(code: 22 /* EINVAL */, stage: .configuration, detail: name)
            }
            return value
        }
        var raw = iocp_port_config_default()
        raw.driver = driver.raw
        raw.worker_count = try field(workers, "workers")
        raw.connections_per_worker = try field(connectionsPerWorker, "connectionsPerWorker")
        raw.receive_buffer_bytes = try field(receiveBufferBytes, "receiveBufferBytes")
        raw.receive_buffers_per_worker = try field(receiveBuffersPerWorker, "receiveBuffersPerWorker")
        raw.send_chunks_per_worker = try field(sendChunksPerWorker, "sendChunksPerWorker")
        raw.completion_queue_entries = try field(completionQueueEntries, "completionQueueEntries")
        raw.mailbox_entries = try field(mailboxEntries, "mailboxEntries")
        raw.listen_backlog = try field(listenBacklog, "listenBacklog")
        raw.linger_timeout_ns = lingerTimeout.wholeNanoseconds
        raw.half_close = deliversHalfClose
        raw.deliver_after_first_bytes = opensAfterFirstBytes
        raw.pin_workers = pinsWorkers
        return raw
    }
}

extension Duration {
    /// For the core's `_ns` arguments: negative is 0, what does not fit is the largest that does.
    @usableFromInline
    var wholeNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (whole, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : whole &+ UInt64(attoseconds / 1_000_000_000)
    }
}
