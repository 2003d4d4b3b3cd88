#if Command
import IOCP
import Synchronization

/// Which endpoint of the server's a load goes to.
enum LoadTarget {
    static func find(_ server: ServerOption, within limit: Duration) throws(IOCPError) -> Endpoint {
        switch server {
        case .unix(let address): .unix(address)
        case .tcp(let host, let port): .tcp(try find(host: host, port: port, within: limit))
        }
    }

    /// A host with one address has no choice. Of several, the first to answer a connect that tries each in turn, so that
    /// every connection of the load has the same; where none answers, the first, whose refusals tell why.
    /// - Throws: `IOCPError` when the host cannot be resolved or no port opens.
    private static func find(host: String, port: Int, within limit: Duration) throws(IOCPError) -> SocketAddress {
        let addresses = try SocketAddress.all(host: host, port: port)
        guard addresses.count > 1 else { return addresses[0] }
        let answered = Answer()
        var configuration = PortConfiguration()
        configuration.workers = 1
        configuration.connectionsPerWorker = addresses.count + 1
        let client = try IOCPClient(configuration) { worker throws(IOCPError) in
            Prober(answer: answered, port: worker.port)
        }
        try client.connect(host: host, port: port, timeout: limit)
        try client.wait()
        return answered.address ?? addresses[0]
    }

    private final class Answer: Sendable {
        private let storage = Mutex<SocketAddress?>(nil)
        var address: SocketAddress? { storage.withLock { $0 } }
        func set(_ address: SocketAddress) { storage.withLock { $0 = address } }
    }

    /// Learns who answered, and ends.
    private struct Prober: ConnectionHandler, Handles.Opened, Handles.ConnectFailed {
        let answer: Answer
        let port: CompletionPort

        func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
            defer { port.stop(drainingFor: .milliseconds(100)) }
            answer.set(try connection.peerAddress())
        }

        func received(_ bytes: RawSpan, on connection: IocpContext<Void>) {}

        func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) { port.stop() }
    }
}
#endif
