/// What ended a body, and whose it was: what a server's `onError` is told.
public struct BodyError: Error, Sendable {
    /// What the body threw, as it was.
    public let thrown: any Error
    /// The same as handlers are told it: see ``IOCPError/init(wrapping:)``.
    public let error: IOCPError
    /// Whose body it was; nil where it was nobody's: a closure of ``Worker/schedule(after:for:_:)``, for example.
    public let connection: Connection?
    /// Where its peer is; nil for a Unix socket, and where the connection had closed before.
    public let peer: SocketAddress?

    init(_ thrown: any Error, of context: ConnectionContext? = nil) {
        self.thrown = thrown
        error = IOCPError(wrapping: thrown)
        connection = context?.connection
        peer = try? context?.peerAddress()
    }
}

extension BodyError: CustomStringConvertible {
    /// One line, safe to print: the error, and its peer.
    public var description: String {
        peer.map { "\(error) (peer \($0))" } ?? error.description
    }
}
