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

/// Receives and forgets.
struct DiscardHandler: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) {}
}
#endif
