/// What a connection asks of the server. Its first byte says so.
enum Wish: UInt8 {
    /// Everything comes back, the first byte included: by lease and by copy in turn.
    case echo = 0x45
    /// A fixed number of bytes of the pattern, from its start.
    case flood = 0x46
    /// Everything is kept until the server is told to release it, then comes back.
    case hold = 0x48
    /// A message of `broadcastBytes`, every few milliseconds.
    case subscribe = 0x53

    static let broadcastBytes = 16 << 10
}
