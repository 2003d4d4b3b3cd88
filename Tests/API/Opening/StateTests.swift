import CIOCPInternals
import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Calls that do not fit the state of a port or worker, or name what is none: refused, and nothing else happens.
    @Suite struct States {
        @Test("a worker is opened once, and not after a stop", arguments: testedDrivers)
        func openedOnce(driver: Driver) throws {
            let (port, _) = try FaultyWorker.createPort(driver) { $0.worker_count = 3 }
            defer { iocp_port_destroy(port) }
            var failure = iocp_failure()
            var first: OpaquePointer?
            var second: OpaquePointer?
            var none: OpaquePointer?
            #expect(
                iocp_port_spawn(port, 3, { _, _ in }, nil, &failure) == -EINVAL && failure.stage == IOCP_STAGE_STATE)
            #expect(iocp_port_join(port, 3) == -EINVAL && iocp_port_join(port, 2) == 0)  // nothing to wait for
            #expect(internals_port_attach(port, &first, &failure) == 0)
            #expect(internals_port_attach(port, &second, &failure) == 0)
            #expect(iocp_worker_index(first) == 0 && iocp_worker_index(second) == 1)
            #expect(iocp_port_spawn(port, 1, { _, _ in }, nil, &failure) == -EBUSY && failure.stage == IOCP_STAGE_STATE)
            iocp_port_stop(port, 0)
            #expect(iocp_port_spawn(port, 2, { _, _ in }, nil, &failure) == -ESHUTDOWN)
            #expect(internals_port_attach(port, &none, &failure) == -ESHUTDOWN && none == nil)
            iocp_worker_close(first)
            iocp_worker_close(second)
        }

        @Test("every worker is taken", arguments: testedDrivers)
        func taken(driver: Driver) throws {
            let (port, _) = try FaultyWorker.createPort(driver) { _ in }
            defer { iocp_port_destroy(port) }
            var failure = iocp_failure()
            var worker: OpaquePointer?
            var none: OpaquePointer?
            #expect(internals_port_attach(port, &worker, &failure) == 0)
            #expect(internals_port_attach(port, &none, &failure) == -EBUSY && failure.stage == IOCP_STAGE_STATE)
            iocp_worker_close(worker)
            let held = iocp_worker_hold(worker)
            #expect(held.connections == 0 && held.driver_handles == 0 && held.deadlines == 0)
        }

        @Test("a worker says which it is, and its thread is where it says", arguments: testedDrivers)
        func identity(driver: Driver) async throws {
            try await onThreads(1) { _ in
                let (port, _) = try FaultyWorker.createPort(driver) {
                    $0.worker_placement = IOCP_PLACE_EVERY_CPU
                }
                defer { iocp_port_destroy(port) }
                var failure = iocp_failure()
                var worker: OpaquePointer?
                try #require(iocp_port_attach(port, &worker, &failure) == 0)
                defer { iocp_worker_close(worker) }
                var cpu: UInt32 = .max
                #expect(iocp_cpus_allowed(&cpu, 1) == 1 && iocp_worker_cpu(worker) == cpu)
                #expect(iocp_worker_node(worker) == iocp_cpu_node(cpu))
                #expect(String(cString: iocp_worker_driver_name(worker)) == (driver == .uring ? "uring" : "epoll"))
                #expect(iocp_worker_slot_count(worker) == 64 && iocp_worker_port(worker) == port)
            }
        }

        @Test("what names nothing is refused", arguments: testedDrivers)
        func namesOfNothing(driver: Driver) throws {
            let worker = try FaultyWorker(driver)
            let (_, connection) = try worker.open()
            #expect(worker.waitTooSmall() == -EINVAL)
            #expect(iocp_port_post(worker.port, 1, 0, 5) == -EINVAL)
            #expect(iocp_port_stats(worker.port, 1).accepted == 0 && iocp_port_stats(worker.port, 0).accepted == 1)
            var counters = iocp_connection_counters()
            for stale in [connection + 1, connection + 1 << 28, 0] {
                #expect(worker.counters(stale, &counters) == -ENOTCONN)
                #expect(worker.peer(stale) == -ENOTCONN && worker.close(stale) == -ENOTCONN)
            }
            #expect(worker.counters(connection, &counters) == 0)
            try worker.expectNothingHeld()
        }

        @Test("a port listens on 64 addresses and no more")
        func listeners() throws {
            let (port, _) = try FaultyWorker.createPort(.epoll) { _ in }
            defer { iocp_port_destroy(port) }
            var failure = iocp_failure()
            var address = FaultyWorker.loopback(port: 0)
            var bound = iocp_address()
            for _ in 1..<64 { #expect(iocp_port_listen(port, &address, &bound, &failure) == 0) }
            #expect(iocp_port_listen(port, &address, &bound, &failure) == -ENOSPC && failure.stage == IOCP_STAGE_LISTEN)
        }

        @Test("a connect that nobody answers ends when it is given up", arguments: testedDrivers)
        func pendingConnect(driver: Driver) throws {
            // A backlog that is full: further SYNs are dropped.
            let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(listener) }
            #expect(listen(listener, 0) == 0)
            var name = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            withUnsafeMutablePointer(to: &name) {
                _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &length) }
            }
            let worker = try FaultyWorker(driver)
            for key in 1...5 {
                #expect(worker.connect(port: Int(UInt16(bigEndian: name.sin_port)), key: UInt64(key)) == 0)
            }
            for _ in 0..<20 { worker.turn() }
            let pending = worker.connecting.filter { !worker.opened.contains($0) }
            #expect(pending.count >= 2 && worker.failed.isEmpty, "the backlog took all")
            for connection in pending { #expect(worker.close(connection) == 0) }
            try worker.until("given up") { worker.failed.count == pending.count }
            #expect(worker.failed.allSatisfy { $0.result == -ECANCELED })
            try worker.expectNothingHeld()
        }

        /// In a process of its own, as the limit is the process'.
        @Test("what RLIMIT_NOFILE does not allow is refused by name")
        func fileLimit() async {
            await #expect(processExitsWith: .success) {
                var failure = iocp_failure()
                let (port, _) = try FaultyWorker.createPort(.uring) { _ in }
                // Nothing can be opened any more: the worker's own thread fails, and says so here.
                try limitOpenFiles(to: 0)
                let refused = iocp_port_spawn(port, 0, { _, _ in }, nil, &failure)
                try #require(refused == -EMFILE && failure.stage == IOCP_STAGE_RING && failure.code == -EMFILE)
                iocp_port_join(port, 0)
                // Nothing of it is left, so it may be tried again.
                try limitOpenFiles(to: 256)
                try #require(iocp_port_spawn(port, 0, { _, _ in }, nil, &failure) == 0)
                iocp_port_join(port, 0)
                iocp_port_destroy(port)

                guard hasDirectDescriptors else { return }  // without, accepting says it: EMFILE
                var configuration = FaultyWorker.configuration(.uring)
                try limitOpenFiles(to: 1)  // 1,024 rings of one connection each are a worker's most
                configuration.connections_per_worker = 1025
                var none: OpaquePointer?
                try #require(iocp_port_create(&configuration, &none, &failure) == -EMFILE)
                try #require(failure.stage == IOCP_STAGE_CONFIGURATION)
                try #require(String(cString: failure.detail).hasPrefix("connections_per_worker"))
            }
        }
    }
}
