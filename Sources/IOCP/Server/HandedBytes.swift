import CIOCP

/// What a handler may take received bytes as: `RawSpan`, or ``ReceivedBytes``. Nothing else conforms to it in use.
public protocol HandedBytes: ~Copyable, ~Escapable {
    /// Calls the handler's ``ConnectionHandler/received(_:on:)``. Specialised in the handler's module: a direct call.
    static func hand<Handler: ConnectionHandler>(
        _ bytes: consuming ReceivedBytes, to handler: inout Handler, on connection: IocpContext<Handler.State>
    ) throws(IOCPError) where Handler.Received == Self
}

extension ReceivedBytes: HandedBytes {
    @inlinable
    @inline(__always)
    public static func hand<Handler: ConnectionHandler>(
        _ bytes: consuming ReceivedBytes, to handler: inout Handler, on connection: IocpContext<Handler.State>
    ) throws(IOCPError) where Handler.Received == ReceivedBytes {
        try handler.received(bytes, on: connection)
    }
}

extension RawSpan: HandedBytes {
    @inlinable
    @inline(__always)
    public static func hand<Handler: ConnectionHandler>(
        _ bytes: consuming ReceivedBytes, to handler: inout Handler, on connection: IocpContext<Handler.State>
    ) throws(IOCPError) where Handler.Received == RawSpan {
        try handler.received(bytes.bytes, on: connection)
    }
}

/// What a handler without a right `received` is taken to receive. Such a handler does not compile.
public enum NoBytes: HandedBytes {
    @inlinable
    public static func hand<Handler: ConnectionHandler>(
        _ bytes: consuming ReceivedBytes, to handler: inout Handler, on connection: IocpContext<Handler.State>
    ) throws(IOCPError) where Handler.Received == NoBytes {}
}
