#if Command
import SoakSystem

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Many echo connections on one thread: each sends a message, waits for all of it, compares it.
final class Crowd {
    static let messageBytes = 64

    private struct Client {
        let peer: Peer
        let base: Int
        /// Positions in its stream; what lies between them is owed by the server.
        var sent = 0
        var verified = 0
        var sentAt: UInt64 = 0
        var isLost = false
    }

    private(set) var count: Int
    /// Clients the server closed or reset.
    private(set) var lost = 0
    private(set) var answered = 0
    private var clients: [Client] = []
    private let epoll: Int32
    private var ready = [epoll_event](repeating: epoll_event(), count: 512)
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)
    /// Clients that may send again, by the time at which they do.
    private var due: [(at: UInt64, client: Int)] = []
    private var dueHead = 0

    /// Connects `count` clients; nothing is sent yet.
    /// - Parameter wish: `.echo`, or one whose bytes come back later: `.hold`, `.stall`.
    convenience init(port: Int, count: Int, wish: Wish = .echo) throws {
        try self.init((0..<count).map { _ in try Peer(port: port) }, wish: wish)
    }

    /// - Parameter peers: connected, and none of them has sent anything.
    init(_ peers: [Peer], wish: Wish = .echo) throws {
        (self.count, self.wish) = (peers.count, wish)
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw Failure.system("epoll_create1") }
        for (index, peer) in peers.enumerated() {
            var interest = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: UInt64(index)))
            guard epoll_ctl(epoll, EPOLL_CTL_ADD, peer.fd, &interest) == 0 else { throw Failure.system("epoll_ctl") }
            clients.append(Client(peer: peer, base: index * 7919))
        }
    }
    private let wish: Wish

    deinit { close(epoll) }

    // MARK: What a scenario asks

    /// Every client that owes nothing sends a message.
    func send() throws {
        for index in clients.indices where !clients[index].isLost && clients[index].sent == clients[index].verified {
            try sendMessage(index, monotonicNanoseconds())
        }
    }

    /// Takes answers until none is owed. Returns how long that took, or nil when the time ran out first.
    func awaitAnswers(within limit: Duration) throws -> Duration? {
        try awaitAnswers(within: limit) { self.owed == 0 }
    }

    func awaitAnswers(within limit: Duration, until condition: () -> Bool) throws -> Duration? {
        let start = ContinuousClock.now
        while !condition() {
            if ContinuousClock.now - start > limit { return nil }
            try takeAnswers(milliseconds: 1) { _, _ in }
        }
        return ContinuousClock.now - start
    }

    /// Every client sends a message and gets it back.
    func ask(within limit: Duration) throws -> Duration? {
        try send()
        return try awaitAnswers(within: limit)
    }

    /// Clients that wait for an answer.
    var owed: Int { clients.count { !$0.isLost && $0.sent > $0.verified } }

    /// Closes clients, answered ones first: with RST where `resetting`.
    func leave(_ leaving: Int, resetting: Bool = false) throws {
        let order = clients.indices.sorted { clients[$0].verified > clients[$1].verified }.prefix(leaving)
        if resetting { for index in order { try clients[index].peer.resetsOnClose() } }
        let gone = Set(order)
        let kept = clients.indices.filter { !gone.contains($0) }.map { clients[$0] }
        for index in gone { epoll_ctl(epoll, EPOLL_CTL_DEL, clients[index].peer.fd, nil) }
        clients = kept
        count = kept.count
        for index in clients.indices {
            var interest = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: UInt64(index)))
            epoll_ctl(epoll, EPOLL_CTL_MOD, clients[index].peer.fd, &interest)
        }
    }

    /// Keeps every client busy: each sends its next message `interval` after an answer. Returns each answer's latency
    /// in nanoseconds; what is owed at the end is waited for, 10 s at most.
    func run(for duration: Duration, interval: Duration) throws -> [UInt64] {
        let start = monotonicNanoseconds()
        let end = start + UInt64(duration / .nanoseconds(1))
        let pause = UInt64(interval / .nanoseconds(1))
        var latencies: [UInt64] = []
        due = clients.indices.filter { !clients[$0].isLost }.enumerated().map {
            (start + pause * UInt64($0.offset) / UInt64(clients.count), $0.element)
        }
        dueHead = 0
        while true {
            let now = monotonicNanoseconds()
            if now >= end { break }
            while dueHead < due.count, due[dueHead].at <= now {
                if !clients[due[dueHead].client].isLost { try sendMessage(due[dueHead].client, now) }
                dueHead += 1
            }
            if dueHead > 1 << 16 {
                due.removeFirst(dueHead)
                dueHead = 0
            }
            let next = dueHead < due.count ? min(due[dueHead].at, end) : end
            // Rounded up: what falls due within the same millisecond leaves together.
            let sleep = next > now ? Int32((next - now + 999_999) / 1_000_000) : 0
            try takeAnswers(milliseconds: sleep) { index, now in
                latencies.append(now - clients[index].sentAt)
                due.append((now + pause, index))
            }
        }
        guard try awaitAnswers(within: .seconds(10)) != nil else {
            throw Failure("\(owed) answers are owed after 10 s")
        }
        return latencies
    }

    // MARK: Bytes

    private func sendMessage(_ index: Int, _ now: UInt64) throws {
        let position = clients[index].sent
        var message = [UInt8](Pattern.bytes(at: clients[index].base + position, count: Crowd.messageBytes))
        if position == 0 { message[0] = wish.rawValue }
        clients[index].sentAt = now
        clients[index].sent += message.count
        switch message.withUnsafeBytes({ clients[index].peer.send($0) }) {
        case .bytes(message.count): break
        case .failed: lose(index)
        case .bytes, .wouldBlock, .finished: throw Failure("64 bytes found no room on an idle connection")
        }
    }

    private func takeAnswers(milliseconds: Int32, _ complete: (Int, UInt64) -> Void) throws {
        let count = epoll_wait(epoll, &ready, Int32(ready.count), milliseconds)
        guard count > 0 else { return }
        let now = monotonicNanoseconds()
        for entry in ready[..<Int(count)] {
            let index = Int(entry.data.u64)
            switch buffer.withUnsafeMutableBytes({ clients[index].peer.receive(into: $0) }) {
            case .bytes(let count):
                try compare(index, count)
                if clients[index].verified == clients[index].sent {
                    answered += 1
                    complete(index, now)
                }
            case .wouldBlock: break
            case .finished, .failed: lose(index)
            }
        }
    }

    private func compare(_ index: Int, _ count: Int) throws {
        let position = clients[index].verified
        guard position + count <= clients[index].sent else { throw Failure("more came back than was sent") }
        let expected = Pattern.bytes(at: clients[index].base + position, count: count)
        for offset in 0..<count where buffer[offset] != expected[offset] {
            guard position + offset == 0, buffer[offset] == wish.rawValue else {
                throw Failure("byte \(position + offset) of connection \(index) differs")
            }
        }
        clients[index].verified += count
    }

    private func lose(_ index: Int) {
        guard !clients[index].isLost else { return }
        clients[index].isLost = true
        lost += 1
        epoll_ctl(epoll, EPOLL_CTL_DEL, clients[index].peer.fd, nil)
    }
}
#endif
