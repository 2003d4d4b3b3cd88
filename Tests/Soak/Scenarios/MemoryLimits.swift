#if Command
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Limits of a worker's memory: receive buffers, the completion queue, send chunks.
extension Limits {
    /// Handlers keep every lease; then they let go.
    func reachReceiveBuffers(_ verdict: inout Verdict) throws {
        let server = try ServerProcess(options.driver, ["receive-buffers": 2, "receive-buffer-bytes": 4096])
        let idle = try server.openDescriptors()
        do {
            let holding = try Crowd(port: server.port, count: clients / 2, wish: .hold)
            let waiting = try Crowd(port: server.port, count: clients / 2)
            try holding.send()
            verdict.require(wait(within: .seconds(10)) { server.counters.starvedReceives > 0 } != nil, "never starved")
            try waiting.send()
            requireRest(&verdict, of: server)
            verdict.require(
                try waiting.awaitAnswers(within: .zero) == nil && waiting.answered == 0,
                "\(waiting.answered) were served without a buffer")
            verdict.add("\(clients) clients for 2 buffers of 4 KiB, \(try server.report()["leases"] ?? 0) leases held")
            try server.release()
            requireRelief(&verdict, try waiting.awaitAnswers(within: Limits.relief), "all that waited")
            requireRelief(&verdict, try holding.awaitAnswers(within: Limits.relief), "all that held")
            requireRelief(&verdict, try waiting.ask(within: Limits.relief), "all")
            verdict.require(waiting.lost + holding.lost == 0, "\(waiting.lost + holding.lost) clients were lost")
        }
        verdict.add("\(server.counters.starvedReceives) receives starved")
        try verdict.requireNothingHeld(by: server, descriptors: idle)
    }

    /// Every client busy at once, with room for 64 completions.
    func reachCompletionQueue(_ verdict: inout Verdict) throws {
        let server = try ServerProcess(options.driver, ["queue-entries": 64])
        let idle = try server.openDescriptors()
        do {
            let crowd = try Crowd(port: server.port, count: clients)
            let echoes = try crowd.run(for: .seconds(seconds), interval: .zero)
            let overflows = server.counters.queueOverflows
            verdict.require((overflows > 0) == (options.driver == .uring), "\(overflows) overflows")
            verdict.add("\(clients) busy clients, 64 entries, \(echoes.count) echoes, \(overflows) overflows")
            requireRelief(&verdict, try crowd.ask(within: Limits.relief), "all")
            verdict.require(crowd.lost == 0, "\(crowd.lost) clients were lost")
        }
        try verdict.requireNothingHeld(by: server, descriptors: idle)
    }

    /// Floods nobody reads take every chunk; then they are read to their end. Echoes go on beside them.
    func reachSendChunks(_ verdict: inout Verdict) throws {
        let floodBytes = 1 << 20
        let server = try ServerProcess(
            options.driver,
            ["send-chunks": 16, "send-cap": 1 << 20, "high-watermark": 256 << 10, "flood-bytes": floodBytes])
        let idle = try server.openDescriptors()
        do {
            let crowd = try Crowd(port: server.port, count: clients / 2)
            verdict.require(try crowd.ask(within: .seconds(10)) != nil, "no echo at first")
            let floods = try (0..<clients / 20).map { _ in
                let peer = try Peer(port: server.port, receiveBufferBytes: 16 << 10)
                _ = [Wish.flood.rawValue].withUnsafeBytes { peer.send($0, waiting: true) }
                return peer
            }
            verdict.require(wait(within: .seconds(10)) { server.counters.refusedSends > 0 } != nil, "nothing refused")
            let echoes = try crowd.run(for: .seconds(seconds), interval: .milliseconds(20))
            let refused = server.counters.refusedSends
            verdict.add("\(floods.count) floods of \(mebibytes(floodBytes)) for 16 chunks of 16 KiB")
            verdict.add("\(refused) sends refused")
            verdict.add("\(echoes.count) echoes meanwhile")
            let start = ContinuousClock.now
            var read = 0
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 8)
            defer { buffer.deallocate() }
            for peer in floods where try Limits.reads(peer, floodBytes, buffer) { read += 1 }
            verdict.require(read == floods.count, "\(floods.count - read) floods differ or end early")
            verdict.add("every flood read to its end in \((ContinuousClock.now - start).text)")
            requireRelief(&verdict, try crowd.ask(within: Limits.relief), "all")
            verdict.require(crowd.lost == 0, "\(crowd.lost) clients were lost")
        }
        try verdict.requireNothingHeld(by: server, descriptors: idle)
    }

    /// Whether a flood arrives whole.
    private static func reads(_ peer: Peer, _ count: Int, _ buffer: UnsafeMutableRawBufferPointer) throws -> Bool {
        var received = 0
        while received < count {
            guard case .bytes(let step) = peer.receive(into: buffer, waiting: true), received + step <= count else {
                return false
            }
            let expected = Pattern.bytes(at: received, count: step)
            if memcmp(buffer.baseAddress!, expected.baseAddress!, step) != 0 { return false }
            received += step
        }
        return true
    }
}
#endif
