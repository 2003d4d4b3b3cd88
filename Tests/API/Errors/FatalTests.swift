import CIOCPInternals
import Glibc
import IOCP
import Testing

extension RealSockets.Faults {
    /// What a worker cannot go on after ends its connections and itself, by name, and not the process. Only a broken
    /// rule of the program's does that.
    @Suite struct Fatal {
        /// Every connection ends once, what was asked is answered, and the worker says what happened from there on.
        private func expectEnded(_ worker: FaultyWorker, _ error: Errno, _ body: () throws -> Void = {}) throws {
            try worker.until("closed") { worker.closed.count == worker.opened.count }
            #expect(worker.closed.allSatisfy { $0.detail == IOCP_CLOSE_FAILED.rawValue && $0.result == -error.code })
            #expect(Set(worker.closed.map(\.connection)) == Set(worker.opened))
            try body()
            for _ in 0..<3 { #expect(worker.turn() == -error.code) }
            #expect(iocp_port_post(worker.port, 0, 0, 1) == -ESHUTDOWN && worker.connect() == -ESHUTDOWN)
            let held = worker.holdings
            #expect(held.connections == 0 && held.leases == 0 && held.send_nodes == 0 && held.send_chunks == 0)
            #expect(held.deadlines == 0 && held.driver_handles == 0)
            #expect(worker.stats.connections == 0 && worker.stats.unsent_bytes == 0)
        }

        private func failAtWait(_ driver: Driver, _ error: Errno) throws {
            let worker = try FaultyWorker(driver)
            let (peer, connection) = try worker.open()
            #expect(worker.connect(key: 3) == 0)
            #expect(worker.send(connection, [1]) == 0 && worker.notify(connection, key: 5) == 0)
            #expect(iocp_port_post(worker.port, 0, 0, 1) == 0)
            worker.fail(INTERNALS_FAULT_WAIT, with: error)
            try expectEnded(worker, error) {
                #expect(worker.sent.map(\.key) == [5] && worker.sent[0].result == -error.code)
                #expect(worker.failed.map(\.key) == [3] && worker.failed[0].result == -error.code)
            }
            #expect([.finished, .reset, .bytes].contains(peer.end()))
        }

        @Test("a ring that cannot be relied on", arguments: Errors.enterFatal)
        func enter(error: Errno) throws { try failAtWait(.uring, error) }

        @Test("an epoll set that cannot be waited for", arguments: Errors.epollFatal)
        func epollWait(error: Errno) throws { try failAtWait(.epoll, error) }

        @Test("a full submission queue of which nothing is taken for a second")
        func nothingIsTaken() throws {
            let worker = try FaultyWorker(.uring) {
                $0.connections_per_worker = 128
                $0.completion_queue_entries = 64
            }
            let peers = try (0..<100).map { _ in try worker.open() }
            for _ in 0..<3 { worker.turn() }
            for (_, connection) in peers { _ = worker.send(connection, [7]) }
            worker.fail(INTERNALS_FAULT_WAIT, with: Errno(EAGAIN), times: .max)
            try expectEnded(worker, Errno(ENOMEM))
        }

        /// The handler arms the fault on its own thread, so that the wait after it fails.
        private struct FailsAtFirstBytes: ConnectionHandler {
            let closed: Locked<[CloseReason]>
            func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) {
                internals_faults_inside(true)
                internals_fault_arm(INTERNALS_FAULT_WAIT, EBADF, 0, .max)
            }
            func closed(_ connection: IocpContext<Void>, reason: CloseReason) {
                closed.withLock { $0.append(reason) }
            }
        }

        @Test("a server whose worker failed stops, and says why", arguments: testedDrivers)
        func serverSaysWhy(driver: Driver) async throws {
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 2
            let closed = Locked<[CloseReason]>([])
            let server = try IOCPServer(configuration) { _ throws(IOCPError) in FailsAtFirstBytes(closed: closed) }
            let address = try server.listen(host: "127.0.0.1", port: 0).address!
            let peer = try Peer.connect(port: Int(address.port))
            try peer.send([1])
            let failure = Locked<IOCPError?>(nil)
            try await onThreads(1) { _ in
                do throws(IOCPError) { try server.wait() } catch { failure.withLock { $0 = error } }
            }
            #expect(failure.withLock { $0 }?.code == EBADF)
            #expect(closed.withLock { $0.count } == 1)
        }

        @Test("a worker that another thread waits on")
        func foreignThread() async {
            let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
                let worker = try FaultyWorker(.uring)
                worker.turn()
                worker.fail(INTERNALS_FAULT_WAIT, with: Errno(EEXIST))
                worker.turn()
            }
            let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
            #expect(said.contains("from another thread than its own"))
        }
    }
}
