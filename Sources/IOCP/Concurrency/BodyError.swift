/// An error that a body threw, with its connection and its peer: what a server's `onError` is told.
public struct BodyError: Error, Sendable {
    /// What the body threw, as it was. For an error from elsewhere the same as ``error``.
    public let thrown: any Error
    /// The same as handlers are told it: see ``IOCPError/init(wrapping:)``.
    public let error: IOCPError
    /// nil for an error outside of a connection, such as that of a timer's closure.
    public let connection: Connection?
    /// nil for a Unix socket, for a connection that had closed before, and where the kernel cannot be asked: see
    /// ``ConnectionContext/peerAddress()``.
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
