import IOCP
import Testing

// The examples in the comments of Sources/IOCP, line for line: `DocumentedCode` looks for each of them here.

private let echoing: ConnectionBody = { worker, connection in
    while let bytes = try await connection.next() { try await connection.send(bytes) }
}

private let orders: ConnectionBody = { worker, connection in
    while let order = try await connection.frame(LengthPrefixed(.two)) { try await connection.send(order) }
}

private let notEmpty: ConnectionBody = { worker, connection in
    guard let bytes = try await connection.next() else { return }
    if bytes.withBytes({ $0.isEmpty }) { return }
    try await connection.send(bytes)
}

private func relay(to port: Int) -> ConnectionBody {
    { worker, client in
        let server = try await worker.connect(host: "127.0.0.1", port: port)
        try await worker.concurrently {
            while let bytes = try await client.next() { try await server.send(bytes) }
            try server.finishSending()
        } and: {
            while let bytes = try await server.next() { try await client.send(bytes) }
            try client.finishSending()
        }
    }
}

private let ticking: ConnectionBody = { worker, connection in
    let ticker = Task {
        _ = worker
        while true {
            try await Task.sleep(for: .seconds(1))
            try await connection.send("tick\n")
        }
    }
    defer { ticker.cancel() }
    while try await connection.next() != nil {}
}

private let asking: ConnectionBody = { worker, connection in
    let name = try await connection.withDeadline(after: .seconds(10)) {
        try await connection.send("name? ")
        return try await connection.line()
    }
    try await connection.send("hello, \(name ?? "nobody")\n")
}

final class Visits { var count = 0 }

private func counting() throws -> IOCPServer<BodyHandler> {
    let server = try IOCPServer(state: { _ in Visits() }) { worker, visits, connection in
        visits.count += 1
        try await connection.send("you are visitor \(visits.count) of worker \(worker.worker.index)\n")
    }
    return server
}

private func ask(_ client: some Connecting, _ port: Int) async throws -> String? {
    let reply = try await client.withConnection(host: "127.0.0.1", port: port) { worker, connection in
        try await connection.send("PING\r\n")
        return try await connection.line()
    }
    return reply
}

private func serve(_ configuration: PortConfiguration, _ port: Int) async throws {
    try await IOCPServer.run(configuration, port: port, onListening: { print("listening on \($0)") }) { worker, connection in
        while let line = try await connection.line() { try await connection.send(line + "\n") }
    }
}

private struct Lineman: ConnectionHandler, Handles.Opened {
    func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
        try connection.upgrade { worker, connection in
            while let line = try await connection.line() { try await connection.send(line + "\n") }
        }
    }

    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
}

private let totalling: ConnectionBody = { worker, connection in
    var total: UInt64 = 0
    while let price = try await connection.withFrame(FixedSize(8), { $0.bigEndian(UInt64.self, at: 0) }) { total += price }
    try await connection.send("\(total)\n")
}

private let lastWords: ConnectionBody = { worker, connection in
    connection.readsPastStop = .seconds(1)
    while let request = try await connection.line() {
        let isLast = connection.isStopping
        try await connection.send("\(request) was heard\(isLast ? ", good-bye" : "")\n")
        if isLast { return }
    }
}

extension RealSockets.Async {
    @Suite struct Examples {
        @Test("the examples of the comments do what they say", arguments: testedDrivers)
        func examples(driver: Driver) async throws {
            try await withBodies(driver, body: notEmpty) { _, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send([7])
                #expect(try peer.receive(1) == [7])
            }
            try await withBodies(driver, body: totalling) { _, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send([0, 0, 0, 0, 0, 0, 1, 0] + [0, 0, 0, 0, 0, 0, 0, 7])
                peer.finishSending()
                #expect(try peer.receive(100) == Array("263\n".utf8))
            }
            try await withBodies(driver, body: orders) { _, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send([0, 2, 8, 9])
                #expect(try peer.receive(2) == [8, 9])
            }
            try await withBodies(driver, body: echoing) { server, upstream, _ in
                #expect(try await ask(server, upstream) == "PING")
                try await withBodies(driver, body: relay(to: upstream)) { _, port, _ in
                    try await onThreads(1) { _ in try echo(100_000, chunk: 5_000, port: port, seed: 1) }
                }
            }
            try await withBodies(driver, body: asking) { _, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send("Ada\n".utf8)
                #expect(try peer.receive(100) == Array("name? hello, Ada\n".utf8))
            }
            let counting = try counting()
            let visited = try counting.listen(host: "127.0.0.1", port: 0).port
            var said: [String] = []
            for _ in 0..<20 { said.append(String(decoding: try Peer.connect(port: visited).receive(100), as: UTF8.self)) }
            #expect(said.allSatisfy { $0.hasPrefix("you are visitor ") } && Set(said).count == 20, "\(said)")
            counting.stop()
            let server = try IOCPServer(oneWorker(driver)) { _ in Lineman() }
            let peer = try Peer.connect(port: server.listen(host: "127.0.0.1", port: 0).address!.port)
            try peer.send("a\nb\n".utf8)
            #expect(try peer.receive(4) == Array("a\nb\n".utf8))
            server.stop()
            try await server.wait()
            let served = Task { try await serve(oneWorker(driver), 0) }
            served.cancel()
            try await served.value
        }

        @Test("a body that reads past the stop answers what was on its way, and is told so", arguments: testedDrivers)
        func pastStop(driver: Driver) async throws {
            let server = try IOCPServer(oneWorker(driver), body: lastWords)
            let port = try server.listen(host: "127.0.0.1", port: 0).port
            let (asks, idles) = (try Peer.connect(port: port), try Peer.connect(port: port))
            try asks.send("one\n".utf8)
            try idles.send("one\n".utf8)
            #expect(try asks.receive(14) == Array("one was heard\n".utf8))
            #expect(try idles.receive(14) == Array("one was heard\n".utf8))
            server.stop(drainingFor: .seconds(60))
            try await eventually("nobody listens") { Peer.isRefused(by: port) }
            try await Task.sleep(for: .milliseconds(100))
            try asks.send("two\n".utf8)
            #expect(try asks.receive(100) == Array("two was heard, good-bye\n".utf8))
            asks.finishSending()
            // One that asks nothing is waited for as long as the body says.
            let start = ContinuousClock.now
            // Its time is kept by a task on the pool, whose threads a test is not to hold meanwhile.
            try await onThreads(1) { _ in #expect(idles.end() == .finished) }
            idles.finishSending()
            try await server.wait()
            #expect(ContinuousClock.now - start < .seconds(30), "long before the drain's end")
        }
    }
}
