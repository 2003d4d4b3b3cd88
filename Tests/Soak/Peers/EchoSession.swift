#if Command
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One peer of an echo server, from connect to its end: writes messages in random pieces and compares every byte that
/// comes back.
struct EchoSession {
    enum Kind: CaseIterable {
        /// Reads everything, then closes.
        case steady
        /// Reads little at a time, with pauses, behind a small receive buffer.
        case slow
        /// Sends FIN behind its last byte, then expects all of it and the server's FIN.
        case halfClosing
        /// Sends RST in the middle.
        case resetting
    }

    struct Outcome: Sendable {
        var verified = 0
        var mismatch: String?
    }

    static let messageBytesMax = 1 << 20
    private static let patience: Int32 = 30_000

    let kind: Kind
    private let base: Int
    private let messageEnds: [Int]
    /// Waits for a message's echo before the next one.
    private let takesTurns: Bool
    private var random: Randomness

    init(_ random: inout Randomness) {
        switch Int.random(in: 0..<100, using: &random) {
        case ..<55: kind = .steady
        case ..<70: kind = .slow
        case ..<85: kind = .halfClosing
        default: kind = .resetting
        }
        base = Int.random(in: 0..<Pattern.period, using: &random)
        takesTurns = random.happens(50)
        var end = 1  // the wish
        var ends: [Int] = []
        for _ in 0..<Int.random(in: 1...12, using: &random) {
            end += random.spread(upTo: EchoSession.messageBytesMax)
            ends.append(end)
            if kind == .slow && end > 256 << 10 { break }
        }
        messageEnds = ends
        self.random = Randomness(seed: random.next())
    }

    /// - Throws: when the server does anything but echo: closes, resets, or stalls.
    mutating func run(port: Int, _ buffer: UnsafeMutableRawBufferPointer) throws -> Outcome {
        let receiveBufferBytes = kind == .slow ? Int32(2048 << Int.random(in: 0...3, using: &random)) : nil
        let peer = try Peer(port: port, receiveBufferBytes: receiveBufferBytes)
        let total = messageEnds[messageEnds.count - 1]
        let resetAt = kind == .resetting ? Int.random(in: 0..<total, using: &random) : Int.max
        var outcome = Outcome()
        var sent = 0
        var message = 0
        while outcome.verified < total {
            if outcome.verified >= resetAt || (sent >= resetAt && random.happens(30)) {
                try peer.resetsOnClose()
                return outcome
            }
            if takesTurns, message + 1 < messageEnds.count, outcome.verified == messageEnds[message] { message += 1 }
            let mayWriteTo = takesTurns ? messageEnds[message] : total
            let ready = peer.poll(sent < mayWriteTo ? POLLIN | POLLOUT : POLLIN, milliseconds: EchoSession.patience)
            guard ready != 0 else { throw Failure("no echo for 30 s, \(sent) sent, \(outcome.verified) back") }
            if ready & POLLOUT != 0 {
                try write(peer, &sent, upTo: mayWriteTo)
                if sent == total, kind == .halfClosing { peer.finishSending() }
            }
            if ready & ~POLLOUT != 0 {
                try read(peer, buffer, sent, &outcome)
                if outcome.mismatch != nil { return outcome }
            }
        }
        if kind == .halfClosing, peer.receive(into: buffer, waiting: true) != .finished {
            throw Failure("no FIN after a half-close")
        }
        return outcome
    }

    private mutating func write(_ peer: Peer, _ sent: inout Int, upTo end: Int) throws {
        let count = min(random.spread(upTo: 128 << 10), end - sent)
        let wish: [UInt8] = [Wish.echo.rawValue]
        let step = sent == 0 ? wish.withUnsafeBytes { peer.send($0) } : peer.send(expected(at: sent, count))
        switch step {
        case .bytes(let taken): sent += taken
        case .wouldBlock: break
        case .finished, .failed: throw Failure("the server ended a connection while it was written to: \(step)")
        }
    }

    private mutating func read(
        _ peer: Peer, _ buffer: UnsafeMutableRawBufferPointer, _ sent: Int, _ outcome: inout Outcome
    ) throws {
        var room = buffer.count
        if kind == .slow {
            usleep(UInt32(Int.random(in: 0...2000, using: &random)))
            room = random.spread(upTo: 16 << 10)
        }
        let step = peer.receive(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<room]))
        switch step {
        case .bytes(let count):
            outcome.mismatch = difference(UnsafeRawBufferPointer(rebasing: buffer[..<count]), outcome.verified, sent)
            outcome.verified += count
        case .wouldBlock: break
        case .finished, .failed:
            throw Failure("\(kind): the server ended it after \(outcome.verified) of \(sent) bytes: \(step)")
        }
    }

    private func expected(at position: Int, _ count: Int) -> UnsafeRawBufferPointer {
        Pattern.bytes(at: base + position, count: count)
    }

    private func difference(_ bytes: UnsafeRawBufferPointer, _ position: Int, _ sent: Int) -> String? {
        guard position + bytes.count <= sent else { return "more came back than was sent" }
        var rest = bytes[...]
        if position == 0 {
            guard rest.removeFirst() == Wish.echo.rawValue else { return "byte 0 differs" }
        }
        let start = position + bytes.count - rest.count
        let same =
            rest.isEmpty
            || memcmp(
                UnsafeRawBufferPointer(rebasing: rest).baseAddress!, expected(at: start, rest.count).baseAddress!,
                rest.count) == 0
        return same ? nil : "a byte from \(start) on differs"
    }
}
#endif
