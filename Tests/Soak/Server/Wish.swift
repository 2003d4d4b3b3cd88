#if Command
/// What a connection asks of the server. Its first byte says so.
enum Wish: UInt8 {
    /// Everything comes back, the first byte included: by lease and by copy in turn.
    case echo = 0x45
    /// A fixed number of bytes of the pattern, from its start.
    case flood = 0x46
    /// A fixed number of bytes of the pattern, as a flood; then the server closes.
    case farewell = 0x42
    /// Everything is kept until the server is told to release it, then comes back.
    case hold = 0x48
    /// The server's worker does nothing for `stall`; then everything comes back.
    case stall = 0x54
    /// A message of `broadcastBytes`, every few milliseconds.
    case subscribe = 0x53

    static let broadcastBytes = 16 << 10
    static let stallMicroseconds: UInt32 = 1_500_000
}
#endif
