#if Command
import IOCP

/// The parts of frames that one worker's connections have sent so far, in the order in which they grew last, and how much
/// memory they hold together. Every operation is O(1), but for the copying of bytes.
struct FanOutParts {
    typealias Member = IocpContext<FanOutMember>

    private(set) var oldest: Member?
    private var newest: Member?
    private var heldBytes = 0

    /// Of one worker. A frame is 8 MiB at most, and what grows holds up to twice what it needs.
    static let heldBytesMax = 64 << 20

    var exceedsBound: Bool { heldBytes > FanOutParts.heldBytesMax }

    /// Adds bytes to a connection's part, which is the newest then.
    mutating func add(_ piece: RawSpan, to member: Member) {
        unlink(member)
        heldBytes -= member.state.part.capacity
        unsafe piece.withUnsafeBytes { unsafe member.state.part.append(contentsOf: $0) }
        heldBytes += member.state.part.capacity
        member.state.older = newest
        newest?.state.newer = member
        newest = member
        oldest = oldest ?? member
    }

    /// The frame that a part becomes with its last bytes; its memory is given back.
    mutating func complete(_ member: Member, with piece: RawSpan) throws(IOCPError) -> SharedBytes {
        unlink(member)
        heldBytes -= member.state.part.capacity
        var bytes = member.state.part
        member.state.part = []
        unsafe piece.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        return try SharedBytes(bytes)
    }

    /// Forgets a connection's part, if it has one.
    mutating func drop(_ member: Member) {
        unlink(member)
        heldBytes -= member.state.part.capacity
        member.state.part = []
    }

    private mutating func unlink(_ member: Member) {
        let (older, newer) = (member.state.older, member.state.newer)
        (member.state.older, member.state.newer) = (nil, nil)
        older?.state.newer = newer
        newer?.state.older = older
        if newest === member { newest = older }
        if oldest === member { oldest = newer }
    }
}
#endif
