import IOCP

/// One of the two connections of a pair.
final class Leg {
    /// The other connection, while it is open.
    var other: IocpContext<Leg>?
    /// Receives no more until enough of what it brought was sent.
    var isHeld = false
    var hasFinished = false
}

/// Passes the bytes of each client to a server and back. What one side does not read is not read from the other side;
/// the two directions know nothing of each other.
struct Relay: ConnectionHandler {
    let worker: Worker
    let server: SocketAddress
    let peak: Locked<Int>
    private var waiting: [UInt64: IocpContext<Leg>] = [:]
    private var nextKey: UInt64 = 1

    static let most = 256 * 1024, few = 64 * 1024

    init(worker: Worker, server: SocketAddress, peak: Locked<Int>) {
        (self.worker, self.server, self.peak) = (worker, server, peak)
    }

    func makeState() -> Leg { Leg() }

    mutating func opened(_ connection: IocpContext<Leg>) throws(IOCPError) {
        if connection.key == 0 {
            try connection.pauseReceiving()
            waiting[nextKey] = connection
            try worker.connect(to: server, key: nextKey)
            nextKey += 1
        } else if let client = waiting.removeValue(forKey: connection.key), !client.isClosing {
            (client.state.other, connection.state.other) = (connection, client)
            try client.resumeReceiving()
        } else {
            connection.close()
        }
    }

    mutating func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {
        waiting.removeValue(forKey: key)?.abort()
    }

    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Leg>) throws(IOCPError) {
        guard let other = connection.state.other else { return }
        try other.send(bytes)
        let unsent = other.unsentByteCount
        peak.withLock { $0 = max($0, unsent) }
        guard unsent > Relay.most, !connection.state.isHeld else { return }
        connection.state.isHeld = true
        try connection.pauseReceiving()
        try other.notifyWhenUnsent(below: Relay.few, key: 0)
    }

    func unsentFell(key: UInt64, error: IOCPError?, on connection: IocpContext<Leg>) throws(IOCPError) {
        guard error == nil, let source = connection.state.other, !source.isClosing else { return }
        source.state.isHeld = false
        try source.resumeReceiving()
    }

    func peerFinished(_ connection: IocpContext<Leg>) throws(IOCPError) {
        connection.state.hasFinished = true
        guard let other = connection.state.other else { return connection.close() }
        try other.finishSending()
        guard other.state.hasFinished else { return }
        connection.close()
        other.close()
    }

    func closed(_ connection: IocpContext<Leg>, reason: CloseReason) {
        guard let other = connection.state.other else { return }
        other.state.other = nil
        if case .reset = reason { other.abort() } else { other.close() }
    }
}
