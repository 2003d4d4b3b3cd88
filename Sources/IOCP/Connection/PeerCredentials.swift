/// Who is at the other end of a Unix socket: the ids of its process when it connected; see unix(7).
public struct PeerCredentials: Hashable, Sendable {
    /// The process, in this process' PID namespace; 0 if it is in another one.
    public let process: Int32
    /// The effective user id of the process when it connected, in this process' user namespace.
    public let user: UInt32
    /// The effective group id of the process when it connected, in this process' user namespace.
    public let group: UInt32
}
