import CIOCP

/// The connects under way that other threads asked one worker for. Thread: the worker's.
@usableFromInline
final class WorkerConnects {
    @usableFromInline
    private(set) var owners: [Connection: ConnectRequest] = [:]
    /// Requests with addresses left, in the order in which they are due: each waits equally long.
    private var waiting = Queue<(due: Duration, request: ConnectRequest)>()

    /// True for most workers at most times; then nothing here costs more than this look.
    @inlinable
    var isEmpty: Bool { owners.isEmpty }

    @usableFromInline
    init() {}

    func own(_ connection: Connection, by request: ConnectRequest) {
        owners[connection] = request
        if let due = request.due { waiting.append((due, request)) }
    }

    /// A letter from another thread.
    @usableFromInline
    func take(_ letter: ConnectRequest.Letter, on worker: Worker) -> (ConnectRequest.Step, key: UInt64) {
        switch letter {
        case .connect(let request):
            worker.port.lookups.end(of: request)
            return (request.addressed(request.begin(on: worker)), request.key)
        case .cancel(let request):
            return (request.addressed(request.cancel(on: worker)), request.key)
        }
    }

    /// A connect of the worker's ended: `.delivers` unless it is an attempt of a request that goes on without it.
    @usableFromInline
    func ended(_ completion: Completion, on worker: Worker) -> ConnectRequest.Step {
        guard let connection = completion.connection, let request = owners.removeValue(forKey: connection) else {
            return .delivers
        }
        switch completion.event {
        case .opened: return request.addressed(request.opened(connection, on: worker))
        case .connectFailed(let error): return request.addressed(request.failed(connection, error, on: worker))
        default: return .delivers
        }
    }

    /// Nanoseconds until the next address of a request is to be tried.
    @usableFromInline
    func nanosecondsUntilDue(at now: Duration) -> UInt64 {
        waiting.first.map { ($0.due - now).wholeNanoseconds } ?? .max
    }

    /// Tries the next address of each request whose time has come.
    @usableFromInline
    func tryDue(on worker: Worker) {
        let now = worker.now
        while let (due, request) = waiting.first, due <= now {
            _ = waiting.popFirst()
            // Meanwhile it may have ended, or gone on after a failure. Otherwise an attempt is under way, so that it
            // cannot end here.
            if request.due == due { _ = request.addressed(request.tryNext(on: worker)) }
        }
        if owners.isEmpty { waiting.removeAll() }
    }

    /// The worker has ended: the requests that it will not take any more, as errors and keys.
    @usableFromInline
    func abandonLookups(of worker: Worker) -> [(error: IOCPError, key: UInt64)] {
        worker.port.lookups.endWorker(worker.index).compactMap { request in
            if case .fails(let error) = request.addressed(request.cancel(on: worker)) {
                (error, request.key)
            } else {
                nil
            }
        }
    }
}
