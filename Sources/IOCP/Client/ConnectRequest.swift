import CIOCP

/// A connect asked for from another thread. It travels as a letter of a kind of its own.
///
/// A host with several addresses is tried as RFC 8305 says: an attempt at each in turn, families alternating, the next one
/// 250 ms after the latest or as soon as that has failed. The first to open wins and the others are given up, so a
/// request ends in one `opened` or one `connectFailed`.
@usableFromInline
final class ConnectRequest: @unchecked Sendable {
    // @unchecked: what changes is written by the resolver before its letter is posted, and then on the worker's thread
    // alone.
    let source: Endpoint?
    let key: UInt64
    private let timeout: Duration?
    private let security: ConnectionSecurity?
    /// The body that waits for it, instead of the handler.
    var wait: ConnectWait?
    private var endpoints: [Endpoint]
    private var refusal: IOCPError?

    private enum Phase { case waiting, trying, ended }
    private var phase = Phase.waiting
    private var isCancelled = false
    private var nextEndpoint = 0
    private var attempts: Set<Connection> = []
    private var deadline: Duration?
    private var latestError = IOCPError(code: 125 /* ECANCELED */, operation: .connect)
    /// When the next address is tried beside those under way.
    private(set) var due: Duration?

    static let attemptDelay = Duration.milliseconds(250)

    init(
        _ endpoints: [Endpoint], from source: Endpoint?, key: UInt64, timeout: Duration?, _ security: ConnectionSecurity?
    ) {
        (self.endpoints, self.source, self.key, self.timeout) = (endpoints, source, key, timeout)
        self.security = security
    }

    /// What the resolver found; before the letter is posted.
    func resolved(_ result: Result<[SocketAddress], IOCPError>) {
        switch result {
        case .success(let found): endpoints = found.alternatingFamilies.map(Endpoint.tcp)
        case .failure(let error): refusal = error
        }
    }

    /// What a step of a request means for the handler.
    @usableFromInline
    enum Step {
        /// Nothing: it goes on, or its end was told.
        case none
        /// The completion at hand is the handler's, too.
        case delivers
        case fails(IOCPError)
        /// The completion at hand opens the connection that a body waits for.
        case opens(ConnectWait)
    }

    /// The step as the worker is to take it: what a body waits for, the handler is not told.
    func addressed(_ step: Step) -> Step {
        guard let wait else { return step }
        switch step {
        case .none, .opens: return step
        case .delivers:
            // The resolver may be the last to let go of the request, and the connection is the worker's thread's.
            self.wait = nil
            return .opens(wait)
        case .fails(let error):
            self.wait = nil
            wait.failed(error)
            return .none
        }
    }

    // MARK: - On the worker's thread

    func begin(on worker: Worker) -> Step {
        guard phase == .waiting else { return .none }  // given up while the resolver was asked
        if let refusal {
            phase = .ended
            return .fails(refusal)
        }
        phase = .trying
        deadline = timeout.map { worker.now + max($0, .nanoseconds(1)) }
        return tryNext(on: worker)
    }

    func cancel(on worker: Worker) -> Step {
        switch phase {
        case .waiting:
            phase = .ended
            return .fails(latestError)
        case .trying:
            isCancelled = true
            due = nil
            giveUpAttempts(on: worker)
            return .none  // told by the last of them to end
        case .ended:
            return .none
        }
    }

    func opened(_ connection: Connection, on worker: Worker) -> Step {
        attempts.remove(connection)
        guard phase == .trying else {
            // Two opened at once: this one comes second, and nobody will hear of it.
            worker.abort(connection)
            return .none
        }
        phase = .ended
        due = nil
        giveUpAttempts(on: worker)
        return .delivers
    }

    func failed(_ connection: Connection, _ error: IOCPError, on worker: Worker) -> Step {
        attempts.remove(connection)
        guard phase == .trying else { return .none }
        latestError = error
        return tryNext(on: worker)
    }

    /// Tries the next address that can be tried. One that is refused at the call is passed over at once.
    func tryNext(on worker: Worker) -> Step {
        due = nil
        while !isCancelled, nextEndpoint < endpoints.count {
            let endpoint = endpoints[nextEndpoint]
            nextEndpoint += 1
            do throws(IOCPError) {
                let limit = deadline.map { $0 - worker.now }
                if let limit, limit <= .zero { break }
                let connection = try worker.connect(
                    to: endpoint, from: source, key: key, timeout: limit, security: security)
                attempts.insert(connection)
                if nextEndpoint < endpoints.count { due = worker.now + ConnectRequest.attemptDelay }
                worker.connects.own(connection, by: self)
                return .none
            } catch {
                latestError = error
            }
        }
        guard attempts.isEmpty else { return .none }
        phase = .ended
        return .fails(latestError)
    }

    private func giveUpAttempts(on worker: Worker) {
        for attempt in attempts { _ = unsafe iocp_connect_cancel(worker.raw, attempt.token) }
    }

    // MARK: - As a letter

    @usableFromInline
    enum Letter {
        case connect(ConnectRequest)
        case cancel(ConnectRequest)
    }

    /// The letter's value.
    private enum Wish: UInt64 { case connect, cancel }

    /// Returns the core's answer: 0, or what refused the letter.
    func post(cancelling: Bool = false, to port: CompletionPort, worker: UInt32) -> Int32 {
        let wish = cancelling ? Wish.cancel : Wish.connect
        return port.postLetter(IOCP_LETTER_CONNECT, holding: self, value: wish.rawValue, worker: worker)
    }

    /// The letter in a post, if it is one. Called once per completion: it takes over the letter's reference.
    @usableFromInline
    static func take(from record: iocp_completion) -> Letter? {
        guard unsafe record.detail == UInt16(IOCP_LETTER_CONNECT.rawValue), let pointer = unsafe record.bytes
        else { return nil }
        let request = unsafe Unmanaged<ConnectRequest>.fromOpaque(pointer).takeRetainedValue()
        return unsafe record.key == Wish.cancel.rawValue ? .cancel(request) : .connect(request)
    }
}

extension [SocketAddress] {
    /// RFC 8305, section 4: the order within a family stays, and the families take turns from the first one on.
    var alternatingFamilies: [SocketAddress] {
        let startsWithIPv6 = first?.isIPv6 ?? false
        let leading = filter { $0.isIPv6 == startsWithIPv6 }
        let others = filter { $0.isIPv6 != startsWithIPv6 }
        return (0..<Swift.max(leading.count, others.count)).flatMap { index in
            [leading, others].compactMap { index < $0.count ? $0[index] : nil }
        }
    }
}
