import Synchronization

/// The requests of one port whose hosts are being resolved. Each is held here until its worker takes it or ends, so that
/// it ends in `connectFailed` even if the resolver answers after the worker's end.
@usableFromInline
final class HostLookups: Sendable {
    private struct State: Sendable {
        var requests: [ObjectIdentifier: (request: ConnectRequest, worker: UInt32)] = [:]
        var endedWorkers: Set<UInt32> = []
    }
    private let state = Mutex(State())

    /// How many hosts of one port may be resolved at once.
    static let requestsMax = 1_024

    /// - Throws: EAGAIN over the bound, ESHUTDOWN once the worker has ended.
    func begin(_ request: ConnectRequest, ofWorker worker: UInt32) throws(IOCPError) {
        let refusal: Int32? = state.withLock { state in
            if state.endedWorkers.contains(worker) { return 108 /* ESHUTDOWN */ }
            if state.requests.count >= HostLookups.requestsMax { return 11 /* EAGAIN */ }
            state.requests[ObjectIdentifier(request)] = (request, worker)
            return nil
        }
        if let refusal {
            let bound = "\(HostLookups.requestsMax) hosts are being resolved"
            throw IOCPError(code: refusal, operation: .connect, detail: refusal == 11 ? bound : nil)
        }
    }

    func end(of request: ConnectRequest) {
        state.withLock { _ = $0.requests.removeValue(forKey: ObjectIdentifier(request)) }
    }

    /// The worker takes no more letters. Returns the requests that wait for it; each ends with ECANCELED.
    func endWorker(_ index: Int) -> [ConnectRequest] {
        state.withLock { state in
            let worker = UInt32(index)
            state.endedWorkers.insert(worker)
            let left = state.requests.filter { $0.value.worker == worker }
            for identifier in left.keys { state.requests[identifier] = nil }
            return left.values.map(\.request)
        }
    }
}
