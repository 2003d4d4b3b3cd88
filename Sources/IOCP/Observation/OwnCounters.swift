import CIOCP

/// A number that the application counts up, in its port's stats page: `iocp stats` and the metrics endpoint show it beside the
/// library's own. See ``CompletionPort/counter(_:)``.
///
/// ```swift
/// let orders = try port.counter("orders")
/// orders.add()
/// orders.add(2, on: worker)
/// ```
/// A value, to be used on any thread. It keeps its port's memory.
@safe
public struct OwnCounter: Sendable {
    private let port: CompletionPort
    private let index: UInt32

    fileprivate init(_ port: CompletionPort, _ index: UInt32) { (self.port, self.index) = (port, index) }

    /// Adds to it. Atomic; it wraps. Thread: any.
    public func add(_ amount: UInt64 = 1) { unsafe iocp_port_count(port.raw, index, amount) }

    /// Adds to it without an atomic operation.
    ///
    /// Thread: the worker's; on another it is counted as of any thread. The worker is one of the counter's port.
    public func add(_ amount: UInt64 = 1, on worker: Worker) { port.count(amount, at: index, on: worker) }

    /// What was added so far, on every thread.
    public var value: UInt64 { port.counted(at: index) }
}

/// A number that the application moves up and down. See ``OwnCounter`` and ``CompletionPort/gauge(_:)``.
@safe
public struct OwnGauge: Sendable {
    private let port: CompletionPort
    private let index: UInt32

    fileprivate init(_ port: CompletionPort, _ index: UInt32) { (self.port, self.index) = (port, index) }

    /// Moves it. Atomic. Thread: any.
    public func add(_ amount: Int64) { unsafe iocp_port_count(port.raw, index, UInt64(bitPattern: amount)) }

    /// Moves it without an atomic operation. Thread: as of ``OwnCounter/add(_:on:)``.
    public func add(_ amount: Int64, on worker: Worker) {
        port.count(UInt64(bitPattern: amount), at: index, on: worker)
    }

    /// Where it is now.
    public var value: Int64 { Int64(bitPattern: port.counted(at: index)) }
}

/// What an application's own counter or gauge was at one moment, as its page tells.
public struct OwnCount: Hashable, Sendable {
    /// 1 to 31 lower-case letters, digits and '_'.
    public let name: String
    /// A counter or a gauge; unknown for another build's kind.
    public let kind: StatsField.Kind
    /// Of every thread together. A gauge's may be negative.
    public let value: Int64

    /// A count of one's own making, to compare with.
    public init(name: String, kind: StatsField.Kind, value: Int64) {
        (self.name, self.kind, self.value) = (name, kind, value)
    }
}

extension CompletionPort {
    /// The application's counter of this name, made where there is none.
    /// - Parameter name: 1 to 31 lower-case letters, digits and '_'. A port has 64 counters and gauges at most.
    /// - Throws: EINVAL for another name, EEXIST where a gauge has it, ENOSPC when the port has 64.
    public func counter(_ name: String) throws(IOCPError) -> OwnCounter {
        OwnCounter(self, try place(name, IOCP_STATS_KIND_COUNTER))
    }

    /// The application's gauge of this name. As ``counter(_:)``.
    public func gauge(_ name: String) throws(IOCPError) -> OwnGauge {
        OwnGauge(self, try place(name, IOCP_STATS_KIND_GAUGE))
    }

    /// The application's own counters and gauges as of now, in the order in which they were named.
    public var ownCounts: [OwnCount] {
        (0..<(unsafe iocp_port_counter_count(raw))).map { index in
            let field = unsafe StatsField(iocp_port_counter_at(raw, index), index: nil)
            return OwnCount(name: field.name, kind: field.kind, value: Int64(bitPattern: counted(at: index)))
        }
    }

    private func place(_ name: String, _ kind: iocp_stats_kind) throws(IOCPError) -> UInt32 {
        // A name's end for C would hide the rest of it.
        guard !name.utf8.contains(0) else {
            throw IOCPError(code: 22 /* EINVAL */, operation: .stats, detail: "a counter whose name has a NUL")
        }
        var index: UInt32 = 0
        let result = unsafe iocp_port_counter(raw, name, kind, &index)
        guard result < 0 else { return index }
        throw IOCPError(code: -result, operation: .stats, detail: "a counter named '\(name)'")
    }

    fileprivate func count(_ amount: UInt64, at index: UInt32, on worker: Worker) {
        if worker.port === self, unsafe iocp_worker_refusal(worker.raw) == 0 {
            unsafe iocp_worker_count(worker.raw, index, amount)
        } else {
            unsafe iocp_port_count(raw, index, amount)
        }
    }

    fileprivate func counted(at index: UInt32) -> UInt64 {
        (0...UInt32(workerCount)).reduce(0) { sum, row in unsafe sum &+ iocp_port_counted(raw, row, index) }
    }
}

extension PortStats {
    /// The application's own counters and gauges as of the latest reading, in the order in which they were named.
    public var ownCounts: [OwnCount] {
        (0..<(unsafe iocp_stats_view_counter_count(view))).map { index in
            let field = unsafe StatsField(iocp_stats_view_counter(view, index).pointee, index: nil)
            let sum = (0...UInt32(workerCount)).reduce(0 as UInt64) { sum, row in
                unsafe sum &+ iocp_stats_view_counted(view, row, index)
            }
            return OwnCount(name: field.name, kind: field.kind, value: Int64(bitPattern: sum))
        }
    }
}
