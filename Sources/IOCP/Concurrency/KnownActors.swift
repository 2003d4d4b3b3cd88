import CIOCP
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The actors of a port's workers: each is made when it is first asked for, by its worker or by somebody else.
final class KnownActors: Sendable {
    private enum Known {
        case actor(WorkerActor)
        /// The worker has ended.
        case none
    }
    private let byWorker = Mutex<[Int: Known]>([:])

    /// The actor of a worker that opens.
    func open(_ index: Int, of port: CompletionPort) -> WorkerActor {
        byWorker.withLock { known in
            if case .actor(let actor) = known[index] { return actor }
            return KnownActors.make(index, of: port, in: &known)
        }
    }

    /// The actor of a worker that is open; nil once it has ended.
    func find(_ index: Int, of port: CompletionPort) -> WorkerActor? {
        byWorker.withLock { known in
            switch known[index] {
            case .actor(let actor): actor
            case .some(.none): nil
            case nil: KnownActors.make(index, of: port, in: &known)
            }
        }
    }

    private static func make(_ index: Int, of port: CompletionPort, in known: inout [Int: Known]) -> WorkerActor {
        guard let worker = unsafe iocp_port_worker(port.raw, UInt32(index)) else {
            preconditionFailure("a worker that its port does not have")
        }
        let actor = WorkerActor(unsafe WorkerExecutor(worker, port), WorkerActor.Place(home: WorkerHome(port)))
        known[index] = .actor(actor)
        return actor
    }

    func end(_ index: Int) {
        byWorker.withLock { $0[index] = Known.none }
    }
}

extension CompletionPort {
    /// The actor of a worker, to run code there.
    /// - Throws: ENXIO while the worker is not open, and once it has ended; EINVAL for a worker that the port does not have.
    public func actor(ofWorker worker: Int) throws(IOCPError) -> WorkerActor {
        let index = try workerIndex(worker, .inquiry)
        let isOpen = unsafe iocp_worker_refusal(iocp_port_worker(raw, index)) != -ESHUTDOWN
        guard isOpen, let actor = knownActors.find(worker, of: self) else {
            throw IOCPError(code: ENXIO, operation: .inquiry, detail: "worker \(worker) is not open")
        }
        return actor
    }
}
