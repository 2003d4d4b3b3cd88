/// Who is at the other end of a Unix socket: the ids of its process when it connected; see unix(7).
public struct PeerCredentials: Hashable, Sendable {
    /// The process, in this process' PID namespace; 0 if it is in another one.
    public let process: Int32
    public let user: UInt32
    public let group: UInt32
}
