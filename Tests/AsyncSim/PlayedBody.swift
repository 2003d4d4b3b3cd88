import CIOCPInternals
import IOCP

/// What a body throws of its own.
struct PlayedError: Error {}

extension Play {
    /// The body of an accepted connection.
    func serve(_ worker: isolated WorkerActor, _ connection: AsyncConnection) async throws {
        ledger.bodies.begun += 1
        let played = PlayedConnection(self, connection)
        played.record.isServedByBody = true
        traced("a body begins, slot \(connection.connection.slot)")
        defer {
            ledger.bodies.ended += 1
            traced("a body ends, slot \(connection.connection.slot)")
            played.record.isServedByBody = !played.willBeHandedBack
        }
        if dice.happens(oneIn: 6) { connection.timeout = dice.time() }
        let most = 1 + dice.below(12)
        for _ in 0..<most {
            await yields()
            guard try await played.goesOn({ try await self.act(worker, played) }) else { return }
        }
        if dice.happens(oneIn: 3) { while try await played.read() {} }
        if dice.happens(oneIn: 6) { try await played.flush() }
        if dice.happens(oneIn: 3) { played.handBack() }
    }

    /// Other jobs and events come between.
    nonisolated(nonsending) func yields() async {
        guard dice.happens(oneIn: 3) else { return }
        for _ in 0...dice.below(4) {
            await Task.yield()
            ledger.resumed()
        }
    }

    /// One thing that a body does. Returns whether it goes on.
    private func act(_ worker: isolated WorkerActor, _ played: PlayedConnection) async throws -> Bool {
        switch dice.below(32) {
        case 0..<9: return try await played.read()
        case 9..<16: try await played.send()
        case 16, 17: try await played.flush()
        case 18, 19: return try await played.echo()
        case 20: return try await withinDeadline(played)
        case 21, 22: try await bothWays(worker, played)
        case 23, 24: try await readBeside(worker, played)
        case 25: return try await leaveReader(worker, played)
        case 26, 27: try await relay(worker, played)
        case 28: try played.finishSending()
        case 29: try await end(worker, played)
        case 30:
            if dice.happens(oneIn: 2) { throw PlayedError() }
            played.handBack()
            return false
        default: anyReader()?.cancel()
        }
        return true
    }

    private func withinDeadline(_ played: PlayedConnection) async throws -> Bool {
        let limit = dice.time()
        let outer = played.deadline
        played.deadline = min(outer, now &+ limit.nanoseconds)
        defer { played.deadline = outer }
        return try await played.connection.withDeadline(after: limit) {
            guard try await played.read() else { return false }
            try await played.send()
            return try await played.read()
        }
    }

    private func bothWays(_ worker: isolated WorkerActor, _ played: PlayedConnection) async throws {
        let reads = dice.below(4), sends = dice.below(4)
        try await worker.concurrently {
            for _ in 0..<reads { guard try await played.read() else { break } }
        } and: {
            for _ in 0..<sends {
                await self.yields()
                try await played.send()
            }
            if self.dice.happens(oneIn: 8) { throw PlayedError() }
        }
    }

    /// A task of its own, which reads.
    private func reader(_ worker: isolated WorkerActor, _ played: PlayedConnection) -> Task<Void, any Error> {
        ledger.tasks.begun += 1
        let number = ledger.tasks.begun
        let reads = 1 + dice.below(4)
        let task = Task<Void, any Error>(executorPreference: worker.executor) {
            _ = worker
            defer {
                self.ledger.tasks.ended += 1
                self.readers[number] = nil
            }
            for _ in 0..<reads { guard try await played.read() else { break } }
        }
        readers[number] = task
        return task
    }

    private func readBeside(_ worker: isolated WorkerActor, _ played: PlayedConnection) async throws {
        let task = reader(worker, played)
        var failure: (any Error)?
        do {
            for _ in 0..<dice.below(3) {
                await yields()
                try await played.send()
            }
        } catch { failure = error }
        if dice.happens(oneIn: 3) || failure != nil { task.cancel() }
        do { try await task.value } catch { failure = failure ?? error }
        if let failure, dice.happens(oneIn: 2) { throw failure }
    }

    /// The body goes, and a task of it still reads.
    private func leaveReader(_ worker: isolated WorkerActor, _ played: PlayedConnection) async throws -> Bool {
        _ = reader(worker, played)
        for _ in 0..<dice.below(20) { await Task.yield() }
        if dice.happens(oneIn: 3) { throw PlayedError() }
        if dice.happens(oneIn: 2) {
            // What the task had read of a frame is gone with it.
            played.record.isReadLost = true
            played.handBack()
        }
        return false
    }

    private static let upstream = try! SocketAddress(host: "127.0.0.1", port: 9)

    private func relay(_ worker: isolated WorkerActor, _ played: PlayedConnection) async throws {
        let limit: Duration? = dice.happens(oneIn: 2) ? dice.time() : nil
        ledger.awaits.begun += 1
        let upstream: AsyncConnection
        do {
            upstream = try await worker.connect(to: Play.upstream, timeout: limit)
            ledger.awaits.ended += 1
        } catch {
            ledger.awaits.ended += 1
            ledger.resumed()
            return
        }
        ledger.resumed()
        let other = PlayedConnection(self, upstream)
        if dice.happens(oneIn: 4) { return }
        try await worker.concurrently {
            while try await played.forward(to: other) {}
            try other.finishSending()
        } and: {
            while try await other.forward(to: played) {}
        }
    }

    /// The body, or somebody else, ends the connection.
    private func end(_ worker: isolated WorkerActor, _ played: PlayedConnection) async throws {
        switch dice.below(4) {
        case 0: played.connection.close()
        case 1: played.connection.abort()
        default:
            let name = played.connection.connection
            let aborts = dice.happens(oneIn: 2)
            _ = try? worker.worker.schedule(after: dice.time()) {
                worker.assumeIsolated { aborts ? $0.worker.abort(name) : $0.worker.close(name) }
            }
        }
    }
}

extension PlayedConnection {
    var willBeHandedBack: Bool { isHandedBackByBody }

    func handBack() {
        isHandedBackByBody = true
        connection.handBack()
    }

    /// A body may go on behind a time that was over, or a cancellation, and so it does in half of the cases.
    nonisolated(nonsending) func goesOn(_ act: nonisolated(nonsending) () async throws -> Bool) async throws -> Bool {
        do {
            return try await act()
        } catch let error as IOCPError where !connection.isClosing && play.dice.happens(oneIn: 2) {
            traced(error)
            return true
        }
    }

    private func traced(_ error: IOCPError) { play.traced("goes on behind \(error)") }
}
