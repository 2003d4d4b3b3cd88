#if Command
import IOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The bytes of every message, without a buffer for each: a message is a window onto one table of pseudo-random bytes,
/// at a phase that depends on its connection and its place in the stream.
///
/// So a byte that is lost, repeated, changed, or another connection's shows as a difference, and checking is one
/// `memcmp`. The number of phases is prime, so that neighbours in a stream and neighbouring connections never agree.
struct LoadPattern: Sendable {
    typealias Phase = Int32

    let messageBytes: Int
    private let phases: Int
    private let table: [UInt8]
    /// Large messages by phase, sent by reference; small ones are copied, which is cheaper for them.
    private let shared: [SharedBytes]

    private static let sharedFromBytes = 16 << 10
    private static let connectionStep = 1_009
    private static let messageStep = 5

    /// - Parameter isSent: whether ``send(_:on:)`` will be called.
    /// - Throws: ENOMEM.
    init(messageBytes: Int, isSent: Bool = true) throws(IOCPError) {
        self.messageBytes = messageBytes
        switch messageBytes {
        case ..<LoadPattern.sharedFromBytes: phases = 4_093
        case ...(512 << 10): phases = 61
        default: phases = 7
        }
        let table = LoadPattern.pseudoRandomBytes(count: phases + messageBytes)
        var shared: [SharedBytes] = []
        if isSent, messageBytes >= LoadPattern.sharedFromBytes {
            for phase in 0..<phases {
                shared.append(try unsafe SharedBytes(table.span.bytes.extracting(phase..<(phase + messageBytes))))
            }
        }
        self.table = table
        self.shared = shared
    }

    /// The phase of a connection's first message.
    func firstPhase(ofConnection number: Int) -> Phase {
        Phase(number * LoadPattern.connectionStep % phases)
    }

    /// The phase of a frame that carries its number.
    func phase(ofNumber number: UInt64) -> Phase {
        Phase(number % UInt64(phases)) * Phase(LoadPattern.connectionStep) % Phase(phases)
    }

    /// The phase of the message that follows.
    func phase(after phase: Phase) -> Phase {
        let next = Int(phase) + LoadPattern.messageStep
        return Phase(next < phases ? next : next - phases)
    }

    func send<State>(_ phase: Phase, on connection: IocpContext<State>) throws(IOCPError) {
        if shared.isEmpty {
            try unsafe connection.send(table.span.bytes.extracting(Int(phase)..<(Int(phase) + messageBytes)))
        } else {
            try connection.send(shared[Int(phase)])
        }
    }

    /// Copies a message's bytes over all of `bytes`.
    func copy(_ phase: Phase, to bytes: inout [UInt8]) {
        bytes.replaceSubrange(0..., with: table[Int(phase)..<(Int(phase) + messageBytes)])
    }

    struct Difference {
        /// From the message's first byte.
        let position: Int
        let expected, found: UInt8

        var words: String { "is \(found) instead of \(expected)" }
    }

    /// Compares bytes with the message's from `position` on: nil, or the first difference.
    func difference(_ bytes: RawSpan, _ phase: Phase, at position: Int) -> Difference? {
        let start = Int(phase) + position
        let expected = unsafe table.span.bytes.extracting(start..<(start + bytes.byteCount))
        return unsafe bytes.withUnsafeBytes { bytes in
            unsafe expected.withUnsafeBytes { expected in
                if unsafe memcmp(bytes.baseAddress!, expected.baseAddress!, bytes.count) == 0 { return nil }
                guard let offset = unsafe zip(bytes, expected).enumerated().first(where: { $1.0 != $1.1 })?.offset
                else { return nil }
                return unsafe Difference(
                    position: position + offset, expected: expected[offset], found: bytes[offset])
            }
        }
    }

    /// SplitMix64 from a fixed seed.
    private static func pseudoRandomBytes(count: Int) -> [UInt8] {
        var state: UInt64 = 0x4666
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            state &+= 0x9e37_79b9_7f4a_7c15
            var word = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
            word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
            word ^= word >> 31
            for _ in 0..<8 {
                bytes.append(UInt8(truncatingIfNeeded: word))
                word >>= 8
            }
        }
        return bytes
    }
}
#endif
