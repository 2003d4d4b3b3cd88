import Glibc
import IOCP
import Testing

extension RealSockets.Async {
    /// Two things at a time in one body, and deadlines over several awaits.
    @Suite struct Scopes {
        private struct Oops: Error {}

        @Test("the first to fail cancels the other, and is thrown", arguments: testedDrivers)
        func failing(driver: Driver) async throws {
            let notes = BodyNotes<String>()
            try await withBodies(driver) { worker, connection in
                do {
                    try await worker.concurrently {
                        let failure = await failure { _ = try await connection.next() }
                        notes.add(failure?.name ?? "none")
                        throw IOCPError(code: EIO)
                    } and: {
                        try await Task.sleep(for: .milliseconds(20))
                        throw Oops()
                    }
                } catch {
                    notes.add("\(error)")
                }
                let pair = try await worker.concurrently({ 1 }, and: { "two" })
                notes.add("\(pair)")
                #expect(worker.now > .zero)
            } use: { _, port, _ in
                // The pool must stay free: a sleep ends there.
                try await onThreads(1) { _ in
                    let peer = try Peer.connect(port: port)
                    #expect(peer.end() == .finished)
                }
                #expect(notes.all == ["ECANCELED", "Oops()", "(1, \"two\")"])
            }
        }

        @Test("a connection that ends ends both, on the worker's thread", arguments: testedDrivers)
        func ending(driver: Driver) async throws {
            let notes = BodyNotes<Bool>()
            try await withBodies(driver) { worker, connection in
                let thread = pthread_self()
                try await worker.concurrently {
                    defer { notes.add(pthread_self() == thread) }
                    while try await connection.next() != nil {}
                    try await Task.sleep(for: .seconds(100))
                } and: {
                    defer { notes.add(pthread_self() == thread) }
                    while true {
                        try await connection.flush()
                        try await Task.sleep(for: .milliseconds(1))
                    }
                }
            } use: { _, port, ledger in
                do {
                    let peer = try Peer.connect(port: port)
                    try peer.send([1])
                    peer.resetOnClose()
                }
                try await eventually("closed") { ledger.snapshot.closed.count == 1 && notes.all.count == 2 }
                #expect(notes.all == [true, true])
            }
        }

        @Test("a deadline covers every await within it, and no other", arguments: testedDrivers)
        func deadlines(driver: Driver) async throws {
            let notes = BodyNotes<String>()
            try await withBodies(driver) { _, connection in
                let start = ContinuousClock.now
                let late = await failure {
                    try await connection.withDeadline(after: .milliseconds(150)) {
                        while try await connection.next(within: .seconds(5)) != nil {}
                    }
                }
                notes.add(late?.name ?? "none")
                #expect(ContinuousClock.now - start < .seconds(3))
                let inner = await failure {
                    try await connection.withDeadline(after: .seconds(60)) {
                        try await connection.withDeadline(after: .milliseconds(10)) {
                            while try await connection.next() != nil {}
                        }
                    }
                }
                notes.add(inner?.name ?? "none")
                connection.timeout = .milliseconds(20)
                let own = await failure {
                    try await connection.withDeadline(after: .seconds(60)) { _ = try await connection.readExactly(100) }
                }
                notes.add(own?.name ?? "none")
                connection.timeout = nil
                try await connection.send("go on\n")
                let end = try await connection.readUntil(Array("end".utf8))
                #expect(end != nil)
            } use: { _, port, _ in
                try await onThreads(1) { _ in
                    let peer = try Peer.connect(port: port)
                    for _ in 0..<30 where notes.all.isEmpty {
                        try peer.send([1])
                        usleep(10_000)
                    }
                    #expect(try peer.receive(6) == Array("go on\n".utf8))
                    try peer.send("end".utf8)
                    #expect(peer.end() == .finished)
                }
                #expect(notes.all == ["ETIMEDOUT", "ETIMEDOUT", "ETIMEDOUT"])
            }
        }
    }
}
