#if Command
import IOCP

/// Sends every received lease back as it is, without a copy.
///
/// A send that is refused (ENOBUFS: the peer does not read) throws, and so aborts the connection.
struct EchoHandler: ConnectionHandler {
    mutating func received(_ bytes: consuming ReceivedBytes, on context: IocpContext<Void>) throws(IOCPError) {
        try context.send(bytes)
    }
}

extension HandlerOption {
    /// The same as a task of each connection.
    var body: ConnectionBody {
        switch self {
        case .echo: { _, connection in while let bytes = try await connection.next() { try await connection.send(bytes) } }
        case .discard: { _, connection in while try await connection.next() != nil {} }
        }
    }
}

/// Receives and forgets.
struct DiscardHandler: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) {}
}
#endif
