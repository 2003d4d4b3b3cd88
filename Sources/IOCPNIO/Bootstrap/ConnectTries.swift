#if NIO
import IOCP
public import NIOCore

/// Why no address of a host could be connected to.
public struct IOCPConnectionError: Error, CustomStringConvertible {
    /// The host that was asked for.
    public let host: String
    /// The TCP port that was asked for.
    public let port: Int
    /// Why the host has no address; nil where it has some.
    public let resolution: IOCPError?
    /// What each try ended with, in their order.
    public let attempts: [Attempt]

    /// A connect to one address.
    public struct Attempt: Sendable {
        /// The address.
        public let target: NIOCore.SocketAddress
        /// The error that ended the connect: an `IOCPError`, or one of NIO's.
        public let error: any Error
    }

    public var description: String {
        if let resolution { return "\(host):\(port): \(resolution)" }
        let tried = attempts.map { "\($0.target): \($0.error)" }.joined(separator: "; ")
        return "no address of \(host):\(port) could be connected to: \(tried)"
    }
}

/// The tries of one connect to a host (RFC 8305). The first that connects wins; the others are closed.
final class ConnectTries<Output: Sendable>: @unchecked Sendable {
    // @unchecked: after `init` the loop's thread's.
    private let loop: IOCPEventLoop
    private let host: String
    private let port: Int
    private let timeout: TimeAmount
    private let promise: EventLoopPromise<Output>
    private let make: IOCPClientBootstrap.Maker<Output>
    private var left: ArraySlice<NIOAddress> = []
    private var underway: [StreamChannel] = []
    private var errors: [IOCPConnectionError.Attempt] = []
    private var next: Scheduled<Void>?
    private var limit: Scheduled<Void>?
    private var isOver = false

    /// RFC 8305, section 5: the Connection Attempt Delay.
    private static var pause: TimeAmount { .milliseconds(250) }

    init(
        _ loop: IOCPEventLoop, host: String, port: Int, _ timeout: TimeAmount, _ promise: EventLoopPromise<Output>,
        _ make: @escaping IOCPClientBootstrap.Maker<Output>
    ) {
        (self.loop, self.host, self.port, self.timeout) = (loop, host, port, timeout)
        (self.promise, self.make) = (promise, make)
    }

    func begin(_ found: Result<[PortAddress], any Error>) {
        switch found {
        case .success(let addresses):
            left = ArraySlice(Self.byTurns(addresses).map(\.asNIO))
            limit = loop.scheduleTask(in: timeout) { [self] in end(.failure(ChannelError.connectTimeout(timeout))) }
            tryNext()
        case .failure(let error):
            end(
                .failure(
                    IOCPConnectionError(
                        host: host, port: port, resolution: error as? IOCPError ?? IOCPError(wrapping: error),
                        attempts: [])))
        }
    }

    /// The families by turns, the first address' first.
    private static func byTurns(_ addresses: [PortAddress]) -> [PortAddress] {
        let first = addresses.filter { $0.isIPv6 == addresses[0].isIPv6 }
        let second = addresses.filter { $0.isIPv6 != addresses[0].isIPv6 }
        var turns: [PortAddress] = []
        for place in 0..<max(first.count, second.count) {
            if place < first.count { turns.append(first[place]) }
            if place < second.count { turns.append(second[place]) }
        }
        return turns
    }

    private func tryNext() {
        next?.cancel()
        guard !isOver else { return }
        guard let address = left.popFirst() else {
            if underway.isEmpty {
                end(.failure(IOCPConnectionError(host: host, port: port, resolution: nil, attempts: errors)))
            }
            return
        }
        let attempt = make(loop, timeout) { $0.connect(to: address) }
        underway.append(attempt.channel)
        if !left.isEmpty { next = loop.scheduleTask(in: Self.pause) { [self] in tryNext() } }
        attempt.output.whenComplete { [self] result in
            underway.removeAll { $0 === attempt.channel }
            switch result {
            case .success(let output): end(.success(output), unless: attempt.channel)
            case .failure(let error):
                errors.append(IOCPConnectionError.Attempt(target: address, error: error))
                tryNext()
            }
        }
    }

    private func end(_ result: Result<Output, any Error>, unless winner: StreamChannel? = nil) {
        // One that connects after another did.
        guard !isOver else { return winner?.close(promise: nil) ?? () }
        isOver = true
        next?.cancel()
        limit?.cancel()
        for channel in underway { channel.close(promise: nil) }
        promise.completeWith(result)
    }
}
#endif
