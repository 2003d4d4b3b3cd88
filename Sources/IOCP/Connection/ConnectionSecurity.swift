import CIOCP

/// What secures connections beneath their handlers and bodies: what these send is sealed, what arrives is opened, and a
/// connection opens once both sides know each other. `TLSServer` and `TLSClient` of the module IOCPTLS make one.
///
/// Thread: any.
@safe
public struct ConnectionSecurity: Hashable, Sendable {
    /// Keeps what `layer` points to.
    package let owner: any AnyObject & Sendable
    /// Read by the core, which retains it for itself.
    private nonisolated(unsafe) let raw: iocp_layer

    package init(_ raw: iocp_layer, owner: any AnyObject & Sendable) {
        unsafe self.raw = raw
        self.owner = owner
    }

    /// Valid as long as this value is.
    var layer: iocp_layer { unsafe raw }

    public static func == (one: ConnectionSecurity, other: ConnectionSecurity) -> Bool { one.owner === other.owner }

    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(owner)) }
}
