#if Command
import ArgumentParser

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct SlowClose: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "slow-close",
        abstract: "Peers that read slowly get everything that was sent before a close, and FIN (G7).",
        discussion: """
            The server sends megabytes and closes. Its peers read at 10 to 500 kB/s for several times the linger \
            timeout, then as fast as they can. Half of the connections are closed only once they are read, under a \
            send timeout instead.
            """)

    @OptionGroup var options: ScenarioOptions
    @Option(help: "Peers, their rates spread evenly over the powers of two.") var peers = 48
    @Option(help: "MiB for each.") var mebibytes = 8
    @Option(help: "Seconds of slow reading.") var seconds = 25.0

    private static let rates = 10_000...500_000
    private static let steps = 10.0  // per second

    private struct Reader {
        let peer: Peer
        let bytesPerStep: Int
        var read = 0
        var end: Peer.Step?
    }

    func run() throws {
        var verdict = Verdict("slow-close \(options.driver)")
        for wish in [Wish.farewell, .flood] { try play(&verdict, wish) }
        try verdict.report()
    }

    private func play(_ verdict: inout Verdict, _ wish: Wish) throws {
        let bytes = mebibytes << 20
        let server = try ServerProcess(
            options.driver,
            [
                "flood-bytes": bytes, "high-watermark": bytes, "send-chunks": peers * (bytes >> 14) * 2,
                "send-timeout": wish == .flood ? 5 : 0,
            ])
        let idle = try server.openDescriptors()
        var cut = 0
        do {
            var readers = try (0..<peers).map { index in
                let share = Double(index) / Double(max(1, peers - 1))
                let ratio = Double(SlowClose.rates.upperBound) / Double(SlowClose.rates.lowerBound)
                let rate = Double(SlowClose.rates.lowerBound) * pow(ratio, share)
                // Small, so that what a peer reads shows in what it acknowledges within a second or two.
                let peer = try Peer(port: server.port, receiveBufferBytes: 16 << 10)
                _ = [wish.rawValue].withUnsafeBytes { peer.send($0, waiting: true) }
                return Reader(peer: peer, bytesPerStep: max(1, Int(rate / SlowClose.steps)))
            }
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 8)
            defer { buffer.deallocate() }
            let end = ContinuousClock.now + .seconds(seconds)
            while ContinuousClock.now < end {
                for index in readers.indices { try SlowClose.read(&readers[index], most: bytes, buffer) }
                usleep(UInt32(1e6 / SlowClose.steps))
            }
            cut = readers.count { $0.end != nil && ($0.end != .finished || $0.read < bytes) }
            let slowly = readers.map(\.read).reduce(0, +)
            for index in readers.indices { try SlowClose.readAll(&readers[index], of: bytes, wish, buffer) }
            let whole = readers.count { $0.read == bytes && (wish == .flood || $0.end == .finished) }
            let name = wish == .farewell ? "closed" : "under a send timeout"
            verdict.require(cut == 0, "\(cut) \(name) were cut")
            verdict.require(whole == peers, "\(peers - whole) \(name) lack bytes or FIN")
            verdict.add(
                "\(name): \(whole) of \(peers) whole, \(self.mebibytes) MiB each, \(slowly >> 10) KiB read slowly")
            if wish == .flood { for reader in readers { try reader.peer.resetsOnClose() } }
        }
        try verdict.requireNothingHeld(by: server, descriptors: idle)
    }

    /// One step of a slow reader.
    private static func read(_ reader: inout Reader, most: Int, _ buffer: UnsafeMutableRawBufferPointer) throws {
        guard reader.end == nil, reader.read < most else { return }
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(reader.bytesPerStep, buffer.count)])
        try take(reader.peer.receive(into: room), &reader, buffer)
    }

    /// Everything that is left, as it comes.
    private static func readAll(
        _ reader: inout Reader, of bytes: Int, _ wish: Wish, _ buffer: UnsafeMutableRawBufferPointer
    ) throws {
        while reader.end == nil, wish == .farewell || reader.read < bytes {
            let step = reader.peer.receive(into: buffer, waiting: true)
            if step == .wouldBlock { return }  // 30 s without a byte
            try take(step, &reader, buffer)
        }
    }

    private static func take(_ step: Peer.Step, _ reader: inout Reader, _ buffer: UnsafeMutableRawBufferPointer) throws
    {
        switch step {
        case .bytes(let count):
            let expected = Pattern.bytes(at: reader.read, count: count)
            guard memcmp(buffer.baseAddress!, expected.baseAddress!, count) == 0 else {
                throw Failure("bytes from \(reader.read) on differ")
            }
            reader.read += count
        case .wouldBlock: break
        case .finished, .failed: reader.end = step
        }
    }
}
#endif
