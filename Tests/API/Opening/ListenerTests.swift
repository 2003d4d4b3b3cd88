import CIOCPInternals
import IOCP
import SharedHarness
import Testing

extension RealSockets {
    /// One listener pauses, goes on or ends by itself, and connections know theirs.
    @Suite struct Listeners {
        @Test("while a listener pauses its clients wait, and what is open goes on", arguments: testedDrivers)
        func pauses(driver: Driver) async throws {
            try await withServer(driver, { $0.workers = 1 }) { server, _, ledger in
                let listener = try server.listen(host: "127.0.0.1", port: 0)
                let open = try Peer.connect(port: listener.address!.port)
                try expectEcho(open)  // accepted
                for round in 0..<3 {
                    listener.pause()
                    listener.pause()
                    try pauseIsSeen(by: open)
                    #expect(listener.state == .paused && server.listeners.last == listener)
                    let waiting = try waitingClients(of: listener, 20)
                    try pauseIsSeen(by: open)
                    #expect(ledger.snapshot.opened == 1 + 20 * round && !Peer.anyAnswers(waiting, within: .zero))
                    listener.resume()
                    listener.resume()
                    #expect(listener.state == .listening)
                    for peer in waiting { #expect(try peer.receive(1) == [9]) }
                }
            }
        }

        @Test("one of two listeners is closed: its clients are refused, its connections go on", arguments: testedDrivers)
        func closes(driver: Driver) async throws {
            try await withServer(driver) { server, other, _ in
                let closed = try server.listen(host: "127.0.0.1", port: 0), port = closed.address!.port
                let open = try Peer.connect(port: port)
                try expectEcho(open)
                closed.close()
                #expect(Peer.isRefused(by: port) && closed.state == .closed)
                closed.close()
                closed.resume()
                closed.pause()
                #expect(Peer.isRefused(by: port) && server.listeners.compactMap(\.address?.port) == [other])
                try expectEcho(open)
                try expectEcho(Peer.connect(port: other))
                // The name of a closed listener never means the next one, on the same address and in the same place.
                let again = try server.listen(host: "127.0.0.1", port: port)
                #expect(again != closed && again.id != closed.id && again.endpoints == closed.endpoints)
                closed.close()
                closed.pause()
                #expect(again.state == .listening)
                try expectEcho(Peer.connect(port: port))
            }
        }

        @Test("a paused listener is closed, and clients that waited are reset", arguments: testedDrivers)
        func closesPaused(driver: Driver) async throws {
            try await withServer(driver, { $0.workers = 1 }) { server, _, _ in
                let listener = try server.listen(host: "127.0.0.1", port: 0), port = listener.address!.port
                let open = try Peer.connect(port: port)
                try expectEcho(open)  // accepted
                listener.pause()
                try pauseIsSeen(by: open)
                let waiting = try waitingClients(of: listener, 10)
                listener.close()
                #expect(Peer.isRefused(by: port))
                for peer in waiting { #expect(peer.end() == .reset) }
                try expectEcho(open)
            }
        }

        @Test("connections know where they came from, to the end and behind that of the listener", arguments: testedDrivers)
        func origins(driver: Driver) async throws {
            let folder = try TemporaryFolder()
            let seen = Locked<[String: [Listener?]]>([:])
            let server = try IOCPServer(oneWorker(driver)) { _ in Origins(seen: seen) }
            let service = try server.listen(host: "127.0.0.1", port: 0)
            let control = try server.listen(unix: UnixAddress(path: folder.path + "/control.sock"))
            let peers = try [
                Peer.connect(port: service.address!.port), Peer.connect(unix: UnixAddress(path: folder.path + "/control.sock")),
            ]
            for (peer, name) in zip(peers, ["service", "control"]) {
                try peer.send(Array(name.utf8))
                #expect(try peer.receive(7) == Array(name.utf8))
            }
            server.stopListening()
            #expect(server.listeners.isEmpty)
            for peer in peers { peer.finishSending() }
            for peer in peers { #expect(peer.end() == .finished) }
            try await eventually("both closed") { seen.withLock { $0.count } == 2 }
            seen.withLock {
                #expect($0 == ["service": [service, service, service], "control": [control, control, control]])
                #expect($0["control"]?.first??.endpoint == control.endpoint)
            }
            #expect(server.port.listener(service.id) == service)
            server.stop()
            try await server.wait()
            #expect(folder.isEmpty)
        }

        @Test("a client may open before its listener is returned", arguments: testedDrivers)
        func known(driver: Driver) async throws {
            let unknown = Locked(0), opened = Locked(0)
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in
                if connection.listener == nil { unknown.withLock { $0 += 1 } }
                opened.withLock { $0 += 1 }
            }
            try await withServer(driver, { _ in }, behaviour) { server, port, _ in
                try await onThreads(2) { thread in
                    for _ in 0..<50 {
                        if thread == 0 {
                            try server.listen(host: "127.0.0.1", port: 0).close()
                        } else {
                            try expectEcho(Peer.connect(port: port))
                        }
                    }
                }
                #expect(opened.withLock { $0 } == 50 && unknown.withLock { $0 } == 0)
            }
        }

        @Test("completions name the listener, and nobody's for what connects", arguments: testedDrivers)
        func raw(driver: Driver) async throws {
            let port = try CompletionPort(oneWorker(driver))
            try await onThreads(1) { _ in
                let worker = try port.attachWorker()
                let listeners = try (0..<3).map { _ in try port.listen(host: "127.0.0.1", port: 0) }
                let peers = try listeners.map { try Peer.connect(port: $0.address!.port) }
                let own = try worker.connect(to: listeners[1].endpoint)
                var batch = CompletionBatch()
                var found: [Listener.ID] = []
                var connected = 0
                while found.count < 4 || connected < 1 {
                    for index in 0..<(try worker.wait(into: &batch, timeout: .seconds(10))) {
                        let completion = batch[index]
                        guard case .opened = completion.event else { continue }
                        if completion.connection == own {
                            #expect(completion.listener == nil)
                            connected += 1
                        } else {
                            found.append(try #require(completion.listener))
                        }
                    }
                }
                let expected = (listeners + [listeners[1]]).map(\.id)
                #expect(expected.allSatisfy { id in found.count { $0 == id } == expected.count { $0 == id } })
                #expect(port.listeners == listeners && port.listener(found[0]).map(listeners.contains) == true)
                _ = consume worker
                withExtendedLifetime(peers) {}
            }
        }

        @Test("the addresses of a name are one listener", arguments: testedDrivers)
        func names(driver: Driver) async throws {
            internals_name_set("both.test", "127.0.0.1 ::1", 0, 0)
            try await withServer(driver, { $0.workers = 1 }) { server, _, _ in
                let listener = try server.listen(host: "both.test", port: 0), port = listener.address!.port
                #expect(listener.endpoints.count == 2 && "\(listener)" == "127.0.0.1:\(port) and [::1]:\(port)")
                let open = try Peer.connect(port: port)
                try expectEcho(open)  // accepted
                listener.pause()
                try pauseIsSeen(by: open)
                let client = try IOCPClient { _ in Quiet() }
                try client.connect(to: listener.endpoints[1])
                let waiting = try waitingClients(of: listener, 5)
                try pauseIsSeen(by: open)
                #expect(!Peer.anyAnswers(waiting, within: .zero) && server.port.stats(ofWorker: 0).accepted == 1)
                listener.resume()
                for peer in waiting { #expect(try peer.receive(1) == [9]) }
                try await eventually("its clients are accepted at both") { server.port.stats(ofWorker: 0).accepted == 7 }
                listener.close()
                #expect(Peer.isRefused(by: port) && server.listeners.count == 1)
                client.stop()
                try await client.wait()
            }
        }

        @Test("a worker that attaches pauses with the others; one that leaves takes its backlog along", arguments: testedDrivers)
        func attachesAndLeaves(driver: Driver) async throws {
            var configuration = oneWorker(driver)
            configuration.workers = 2
            let port = try CompletionPort(configuration)
            let listener = try port.listen(host: "127.0.0.1", port: 0)
            try await withEcho(on: port) { opened in
                let open = try Peer.connect(port: listener.address!.port)
                try expectEcho(open)  // accepted
                listener.pause()
                try pauseIsSeen(by: open)
                let first = try waitingClients(of: listener, 8)
                let late = try port.attachWorker()
                var batch = CompletionBatch()
                let both = try waitingClients(of: listener, 40)
                #expect(try late.wait(into: &batch, timeout: .zero) == 0)
                try pauseIsSeen(by: open)
                #expect(opened.withLock { $0 } == 1)
                late.leave()
                while (try? late.wait(into: &batch)) != nil {}
                _ = consume late
                listener.resume()
                for peer in first { #expect(try peer.receive(1) == [9]) }
                // The kernel dealt them to both workers.
                let ends = both.map { $0.end() }
                #expect(ends.contains(.bytes) && ends.allSatisfy { $0 == .bytes || $0 == .reset })
            }
        }

        @Test("clients of a paused Unix socket wait, too", arguments: testedDrivers)
        func pausesUnix(driver: Driver) async throws {
            let folder = try TemporaryFolder()
            try await withServer(driver) { server, _, ledger in
                let address = try UnixAddress(path: folder.path + "/paused.sock")
                let listener = try server.listen(unix: address)
                try expectEcho(Peer.connect(unix: address))
                listener.pause()
                let peers = try (0..<20).map { _ in try Peer.connect(unix: address) }
                for peer in peers { try peer.send([9]) }
                listener.resume()
                for peer in peers { #expect(try peer.receive(1) == [9]) }
                listener.close()
                #expect(folder.isEmpty && listener.state == .closed)
                #expect(ledger.snapshot.opened == 21)
            }
        }

        @Test("behind a stop, and behind the port's own end, everything is harmless", arguments: testedDrivers)
        func afterStop(driver: Driver) throws {
            var kept: Listener
            do {
                let server = try IOCPServer(oneWorker(driver)) { _ in Quiet() }
                kept = try server.listen(host: "127.0.0.1", port: 0)
                kept.pause()
                server.stop()
                try server.wait()
                #expect(kept.state == .closed && server.listeners.isEmpty)
                kept.resume()
                kept.pause()
                kept.close()
                #expect(Peer.isRefused(by: kept.address!.port))
            }
            kept.pause()
            kept.resume()
            kept.close()
            #expect(kept.state == .closed && kept.endpoints.count == 1)
        }

        @Test("any thread pauses, resumes, closes and listens while clients come: none is lost", arguments: testedDrivers)
        func storm(driver: Driver) async throws {
            try await withServer(driver) { server, _, _ in
                let stable = try server.listen(host: "127.0.0.1", port: 0)
                let served = Locked(0)
                try await onThreads(4) { thread in
                    var random = SplitMix64(seed: UInt64(thread) + 1)
                    for round in 0..<60 {
                        switch thread {
                        case 0: round % 2 == 0 ? stable.pause() : stable.resume()
                        case 1:
                            let short = try server.listen(host: "127.0.0.1", port: 0)
                            if Bool.random(using: &random) { short.pause() }
                            _ = try? Peer.connect(port: short.address!.port)
                            short.close()
                        default:
                            let peer = try Peer.connect(port: stable.address!.port)
                            try peer.send([9])
                            if thread == 2 { stable.resume() }
                            #expect(try peer.receive(1) == [9])
                            served.withLock { $0 += 1 }
                        }
                    }
                    if thread == 0 { stable.resume() }
                }
                #expect(served.withLock { $0 } == 120)
            }
        }
    }
}

/// Writes down, for each connection, its listener in `opened`, `received` and `closed`. Its first bytes are its name.
private struct Origins: ConnectionHandler, Handles.Opened, Handles.Closed {
    let seen: Locked<[String: [Listener?]]>

    func makeState() -> (name: String, listeners: [Listener?]) { ("", []) }

    func opened(_ connection: IocpContext<(name: String, listeners: [Listener?])>) {
        connection.state.listeners.append(connection.listener)
    }

    func received(_ bytes: RawSpan, on connection: IocpContext<(name: String, listeners: [Listener?])>) throws(IOCPError) {
        connection.state.name = String(decoding: bytes)
        connection.state.listeners.append(connection.listener)
        try connection.send(bytes)
    }

    func closed(_ connection: IocpContext<(name: String, listeners: [Listener?])>, reason: CloseReason) {
        let state = connection.state
        seen.withLock { $0[state.name] = state.listeners + [connection.listener] }
    }
}

private func expectEcho(_ peer: Peer) throws {
    try peer.send([5])
    #expect(try peer.receive(1) == [5])
}

/// Two round trips of an open connection: the worker looks at its listeners before the first answer leaves, and has let the
/// accept end before the second.
private func pauseIsSeen(by open: Peer) throws {
    try expectEcho(open)
    try expectEcho(open)
}

/// Clients that connected, each with a byte on its way.
private func waitingClients(of listener: Listener, _ count: Int) throws -> [Peer] {
    try (0..<count).map { _ in
        let peer = try Peer.connect(port: listener.address!.port)
        try peer.send([9])
        return peer
    }
}
