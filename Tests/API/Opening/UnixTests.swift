import Foundation
import IOCP
import Testing

extension RealSockets {
    /// Unix sockets: the same connections as TCP's, behind a path or an abstract name.
    @Suite struct Unix {
        @Test("2,000 connections of a path are echoed by both workers", arguments: testedDrivers)
        func echoed(driver: Driver) async throws {
            let folder = try TemporaryFolder()
            let address = try UnixAddress(path: folder.path + "/echo.sock")
            try await withServer(driver) { server, _, ledger in
                try server.listen(unix: address)
                #expect(server.listeners.last?.endpoints == [.unix(address)])
                try await onThreads(4) { thread in
                    let peers = try (0..<500).map { _ in try Peer.connect(unix: address) }
                    for (index, peer) in peers.enumerated() { try peer.send(pattern(300, seed: UInt64(thread * 500 + index))) }
                    for (index, peer) in peers.enumerated() {
                        #expect(try peer.receive(300) == pattern(300, seed: UInt64(thread * 500 + index)))
                    }
                }
                try await eventually("2,000 closed") { ledger.snapshot.closed.count == 2000 }
            }
            #expect(folder.isEmpty, "the path is removed at the end")
        }

        @Test("8 MiB come back over an abstract name", arguments: testedDrivers)
        func abstract(driver: Driver) async throws {
            let address = try UnixAddress(abstract: "iocp-test-\(getpid())-\(driver)")
            try await withServer(driver) { server, _, _ in
                try server.listen(unix: address)
                #expect("\(address)" == "@iocp-test-\(getpid())-\(driver)")
                try await onThreads(2) { thread in
                    let peer = try Peer.connect(unix: address)
                    let bytes = pattern(8 << 20, seed: UInt64(thread))
                    let half = bytes.count / 2
                    for part in [bytes[..<half], bytes[half...]] {
                        let writer = Thread { try? peer.send(part) }
                        writer.start()
                        #expect(try peer.receive(part.count)[...] == part)
                    }
                }
            }
        }

        @Test("a stale path is replaced, one in use and a file are not", arguments: testedDrivers)
        func takenPaths(driver: Driver) async throws {
            let folder = try TemporaryFolder()
            let stale = try UnixAddress(path: folder.path + "/stale.sock")
            let file = try UnixAddress(path: folder.path + "/file")
            try Data("kept".utf8).write(to: URL(fileURLWithPath: folder.path + "/file"))
            try Peer.leaveStale(stale)
            try await withServer(driver) { server, _, _ in
                try server.listen(unix: stale)
                let peer = try Peer.connect(unix: stale)
                try peer.send([1, 2, 3])
                #expect(try peer.receive(3) == [1, 2, 3])
                for taken in [stale, file] {
                    let error = refusal { () throws(IOCPError) in try server.listen(unix: taken) }
                    #expect(error?.name == "EADDRINUSE" && error?.operation == .listenUnix)
                }
                let error = refusal { () throws(IOCPError) in
                    try server.listen(unix: UnixAddress(path: folder.path + "/no/such.sock"))
                }
                #expect(error?.name == "ENOENT" && error?.operation == .listenUnix)
            }
            #expect(try Data(contentsOf: URL(fileURLWithPath: folder.path + "/file")) == Data("kept".utf8))
        }

        @Test("permissions are those asked for, and the path of another server is left alone", arguments: testedDrivers)
        func files(driver: Driver) async throws {
            let folder = try TemporaryFolder()
            let path = folder.path + "/mode.sock"
            let address = try UnixAddress(path: path)
            try await withServer(driver) { server, _, _ in
                var options = ListenOptions()
                options.permissions = 0o640
                try server.listen(unix: address, options: options)
                #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o640)
                // Another server takes the path over: the first one must not remove what is not its own.
                try FileManager.default.removeItem(atPath: path)
                try Peer.leaveStale(address)
            }
            #expect(FileManager.default.fileExists(atPath: path))
        }

        @Test("after the end of listening nobody connects, and the path is gone; then it can be listened on again", arguments: testedDrivers)
        func ended(driver: Driver) async throws {
            let folder = try TemporaryFolder()
            let address = try UnixAddress(path: folder.path + "/ended.sock")
            try await withServer(driver) { server, _, _ in
                try server.listen(unix: address)
                let peer = try Peer.connect(unix: address)
                try peer.send([6])
                #expect(try peer.receive(1) == [6])  // accepted: in the backlog it would be reset
                server.stopListening()
                #expect(folder.isEmpty)
                #expect((try? Peer.connect(unix: address, expecting: ENOENT)) == nil)
                try peer.send([7])
                #expect(try peer.receive(1) == [7], "what is open goes on")
                try server.listen(unix: address)
                let again = try Peer.connect(unix: address)
                try again.send([8])
                #expect(try again.receive(1) == [8])
            }
        }

        @Test("a client connects to a path, knows why it cannot, and the server who it is", arguments: testedDrivers)
        func connects(driver: Driver) async throws {
            let folder = try TemporaryFolder()
            let address = try UnixAddress(path: folder.path + "/client.sock")
            let credentials = Locked<[PeerCredentials]>([])
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in
                let found = try connection.peerCredentials()
                credentials.withLock { $0.append(found) }
            }
            let answers = Locked<[String]>([])
            try await withServer(driver, { _ in }, behaviour) { server, _, _ in
                try server.listen(unix: address)
                var configuration = PortConfiguration()
                configuration.driver = driver
                configuration.workers = 1
                let client = try IOCPClient(configuration) { _ in UnixClient(answers: answers) }
                try client.connect(to: .unix(address), key: 1)
                try client.connect(to: .unix(UnixAddress(path: folder.path + "/nobody.sock")), key: 2)
                try await eventually("both told") { answers.withLock { $0.count } == 2 }
                client.stop()
                try await client.wait()
            }
            #expect(answers.withLock { $0.sorted() } == ["1 hello", "2 ENOENT"])
            let found = credentials.withLock { $0 }
            #expect(found.count == 1 && found[0].process == getpid() && found[0].user == getuid() && found[0].group == getgid())
        }

        @Test("a descriptor that was bound elsewhere is listened on, and stays its owner's", arguments: testedDrivers)
        func inherited(driver: Driver) async throws {
            let folder = try TemporaryFolder()
            let address = try UnixAddress(path: folder.path + "/inherited.sock")
            let unix = try Peer.bound(address)
            defer { close(unix) }
            try await withServer(driver) { server, _, _ in
                #expect(try server.listen(onDescriptor: unix).endpoint == .unix(address))
                let peer = try Peer.connect(unix: address)
                try peer.send([1])
                #expect(try peer.receive(1) == [1])
                let error = refusal { () throws(IOCPError) in try server.listen(onDescriptor: 0x7fff) }
                #expect(error?.name == "EBADF" && error?.operation == .listen)
            }
            #expect(!folder.isEmpty, "the path is not the server's to remove")
        }

        @Test("names that are none are refused", arguments: ["", String(repeating: "x", count: 108), "a\0b"])
        func names(path: String) {
            let error = refusal { () throws(IOCPError) in _ = try UnixAddress(path: path) }
            #expect(error?.operation == .listenUnix && ["EINVAL", "ENAMETOOLONG"].contains(error?.name))
        }

        @Test("options out of bounds name their bounds", arguments: testedDrivers)
        func options(driver: Driver) async throws {
            try await withServer(driver) { server, _, _ in
                func refused(_ change: (inout ListenOptions) -> Void) -> IOCPError? {
                    var options = ListenOptions()
                    change(&options)
                    return refusal { () throws(IOCPError) in try server.listen(host: "127.0.0.1", port: 0, options: options) }
                }
                #expect(refused { $0.backlog = 0 }?.detail == "backlog is 0, and may be 1 to 65536")
                #expect(refused { $0.keepAlive = .init(idle: .milliseconds(1)) }?.name == "ERANGE")
                #expect(refused { $0.congestionControl = "no-such" }?.name == "ENOENT")
                #expect(refused { $0.device = "no-such" }?.name == "ENODEV")
                #expect(refused { $0.device = String(repeating: "d", count: 16) }?.name == "ERANGE")
                #expect(
                    refused {
                        $0.keepAlive = .init(idle: .seconds(60))
                        $0.sendBufferBytes = 1 << 16
                        $0.receiveBufferBytes = 1 << 16
                        $0.fastOpenQueue = 16
                        $0.deferAccept = .seconds(1)
                        $0.congestionControl = "cubic"
                        $0.noDelay = false
                        $0.device = "lo"
                    } == nil)
            }
        }
    }
}

private struct UnixClient: ConnectionHandler {
    let answers: Locked<[String]>

    func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
        try connection.send([104, 101, 108, 108, 111])
    }

    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        let text = unsafe bytes.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
        answers.withLock { $0.append("\(connection.key) \(text)") }
        connection.close()
    }

    func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {
        answers.withLock { $0.append("\(key) \(error.name)") }
    }
}
