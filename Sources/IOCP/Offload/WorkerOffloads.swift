import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What one worker has handed to the pool: which results are due, in which order, and to whom. Thread: the worker's.
///
/// Work ends in any order. What belongs to one connection is handed over in the order of its calls, so a result may wait here for
/// an earlier one.
@safe
@usableFromInline
final class WorkerOffloads {
    private let raw: OpaquePointer
    private var ofConnections: [iocp_token: OfConnection] = [:]
    private var ofWorker: [ObjectIdentifier: OffloadedWork] = [:]
    /// Whose turn has come.
    private var due = Queue<OffloadedWork>()
    /// With the core, or on its way back.
    private var outstanding = 0
    private var isOver = false

    /// Results that are handed over before completions are looked at again: what follows from one may take long.
    package var turn = 64
    @usableFromInline var most: Int { turn }

    private struct OfConnection {
        /// From the first whose turn has not come.
        var waiting = Queue<OffloadedWork>()
        /// Calls whose results were not handed over.
        var count = 0
    }

    init(_ worker: OpaquePointer) {
        unsafe raw = worker
    }

    /// Whether a turn has something to do: then the next wait polls.
    @usableFromInline
    var hasResults: Bool { unsafe !due.isEmpty || (outstanding > 0 && iocp_worker_has_offloaded(raw)) }

    @usableFromInline
    var isIdle: Bool { ofConnections.isEmpty }

    /// Hands work to the pool.
    /// - Throws: what refused it. Then it is not run, and what it captures is released here.
    func begin(_ work: OffloadedWork) throws(IOCPError) {
        if isOver { throw .offloadsEnded }
        let connection = work.connection
        if connection != 0 { try check(unsafe iocp_connection_await(raw, connection, true), .offload) }
        let result = unsafe work.handOver(to: raw)
        guard result >= 0 else {
            if connection != 0 && ofConnections[connection] == nil {
                _ = unsafe iocp_connection_await(raw, connection, false)
            }
            throw IOCPError(result: result, .offload)
        }
        outstanding += 1
        guard connection != 0 else {
            ofWorker[ObjectIdentifier(work)] = work
            return
        }
        ofConnections[connection, default: OfConnection()].waiting.append(work)
        ofConnections[connection, default: OfConnection()].count += 1
    }

    /// Nobody waits for it any more. It is not run if no thread has begun with it.
    func cancel(_ work: OffloadedWork) {
        if isOver { return }
        work.abandon(.offloadsEnded)
        unsafe work.cancel(on: raw)
    }

    // MARK: - Results

    /// The next result to hand over; ``delivered(_:)`` follows.
    @usableFromInline
    func next() -> OffloadedWork? {
        while true {
            while let work = due.popFirst() {
                if work.connection == 0 { return work }
                if unsafe ofConnections[work.connection] != nil && iocp_connection_is_open(raw, work.connection) {
                    return work
                }
                drop(work, IOCPError(code: ENOTCONN, operation: .offload))
                delivered(work)
            }
            guard outstanding > 0, let work = unsafe OffloadedWork.takeBack(from: raw) else { return nil }
            outstanding -= 1
            cameBack(work)
        }
    }

    private func cameBack(_ work: OffloadedWork) {
        guard work.connection != 0 else {
            ofWorker[ObjectIdentifier(work)] = nil
            return due.append(work)
        }
        guard ofConnections[work.connection] != nil else {
            // The connection has closed, and the work was abandoned with it.
            return unsafe iocp_worker_count_dropped_offload(raw)
        }
        while let first = ofConnections[work.connection]?.waiting.first, first.isBack {
            due.append(first)
            _ = ofConnections[work.connection]?.waiting.popFirst()
        }
    }

    /// The result was handed over. When it was the connection's last, its close may go on.
    @usableFromInline
    func delivered(_ work: OffloadedWork) {
        guard let count = ofConnections[work.connection]?.count else { return }
        if count > 1 {
            ofConnections[work.connection]?.count = count - 1
        } else {
            ofConnections[work.connection] = nil
            _ = unsafe iocp_connection_await(raw, work.connection, false)
        }
    }

    private func drop(_ work: OffloadedWork, _ error: IOCPError) {
        unsafe iocp_worker_count_dropped_offload(raw)
        work.abandon(error)
    }

    /// A turn of a loop without a handler, whose results are no connection's.
    func runTurn() {
        unsafe iocp_worker_begin_turn(raw)
        var left = turn
        while left > 0, let work = next() {
            try? work.deliver()
            delivered(work)
            left -= 1
        }
    }

    // MARK: - Ends

    /// A connection has closed: what comes back for it is nobody's.
    @usableFromInline
    func closed(_ connection: iocp_token, _ reason: CloseReason) {
        guard var left = ofConnections.removeValue(forKey: connection) else { return }
        let error = IOCPError(endOf: reason, .offload)
        while let work = left.waiting.popFirst() {
            work.abandon(error)
            // Counted as dropped when it comes back.
            if work.isBack { unsafe iocp_worker_count_dropped_offload(raw) }
        }
    }

    /// The worker hands nothing over any more. What runs goes on, and the core drops what comes of it.
    @usableFromInline
    func end() {
        guard !isOver else { return }
        isOver = true
        var left = Array(ofWorker.values)
        for var connection in ofConnections.values {
            while let work = connection.waiting.popFirst() { left.append(work) }
        }
        while let work = due.popFirst() { left.append(work) }
        (ofWorker, ofConnections) = ([:], [:])
        for work in left { work.abandon(.offloadsEnded) }
    }
}

extension Worker {
    /// Hands over the results that are due, a turn at most.
    @inlinable
    @inline(never)
    func settleOffloads<Handler: ConnectionHandler>(
        _ handler: inout Handler, _ pool: inout ConnectionPool<Handler.State>
    ) {
        unsafe iocp_worker_begin_turn(raw)
        unsafe iocp_turn_watch_step(iocp_worker_turn_watch(raw), UInt32(IOCP_TURN_OFFLOADS))
        var left = offloads.most
        while left > 0, let work = offloads.next() {
            do {
                try work.deliver()
            } catch {
                let connection = work.connection == 0 ? nil : pool[Connection(token: work.connection)]
                threw(IOCPError(wrapping: error), in: .offloaded, on: connection, &handler)
            }
            offloads.delivered(work)
            left -= 1
        }
    }
}

extension IOCPError {
    static var offloadsEnded: IOCPError { IOCPError(code: ESHUTDOWN, operation: .offload) }
}
