import CIOCPInternals
import Glibc
import IOCP
import Testing

extension RealSockets.Faults {
    /// What a port and its workers ask of the system while they open, refused: by the right name, with nothing left.
    @Suite struct Opening {
        struct Refusal {
            let result: Int32
            let failure: iocp_failure
            let struck: Bool
        }

        /// Creates, listens and attaches with a point failing; the first refusal, if any, and whether it was struck.
        private func open(
            _ driver: Driver, failing point: internals_fault_point, _ error: Errno, passing: UInt32 = 0,
            _ configure: (inout iocp_port_config) -> Void = { _ in }
        ) -> Refusal {
            // What is asked once per process is not what is tried here.
            _ = iocp_capabilities_get()
            _ = iocp_node_count()
            var configuration = FaultyWorker.configuration(driver)
            configure(&configuration)
            var failure = iocp_failure()
            var port: OpaquePointer?
            var worker: OpaquePointer?
            internals_fault_arm(point, error.code, passing, 1)
            internals_faults_inside(true)
            var result = iocp_port_create(&configuration, &port, &failure)
            if result == 0 {
                var address = FaultyWorker.loopback(port: 0)
                var bound = iocp_address()
                result = iocp_port_listen(port, &address, &bound, &failure)
                if result == 0 { result = internals_port_attach(port, &worker, &failure) }
            }
            internals_faults_inside(false)
            let struck = internals_faults_struck(point) > 0
            internals_faults_end()
            if result == 0 { iocp_worker_close(worker) }
            if let port {
                #expect(result == 0 || worker == nil)
                iocp_port_destroy(port)
            }
            return Refusal(result: result, failure: failure, struck: struck)
        }

        private func expectRefused(
            _ driver: Driver, _ point: internals_fault_point, _ error: Errno, passing: UInt32 = 0, at stage: iocp_stage,
            sourceLocation: SourceLocation = #_sourceLocation, _ configure: (inout iocp_port_config) -> Void = { _ in }
        ) {
            let before = openDescriptors()
            let refusal = open(driver, failing: point, error, passing: passing, configure)
            #expect(refusal.struck && refusal.result == -error.code, sourceLocation: sourceLocation)
            #expect(
                refusal.failure.code == -error.code && refusal.failure.stage == stage, sourceLocation: sourceLocation)
            #expect(refusal.failure.detail != nil, sourceLocation: sourceLocation)
            #expect(openDescriptors() <= before, "descriptors leaked", sourceLocation: sourceLocation)
        }

        @Test("a port that gets no descriptor or CPU", arguments: testedDrivers, Errors.socket)
        func port(driver: Driver, error: Errno) {
            expectRefused(driver, INTERNALS_FAULT_MEMFD, error, at: IOCP_STAGE_STATS)
            expectRefused(driver, INTERNALS_FAULT_EVENTFD, error, at: IOCP_STAGE_MEMORY)
            expectRefused(driver, INTERNALS_FAULT_AFFINITY, error, at: IOCP_STAGE_THREAD)
        }

        @Test("a socket that cannot listen", arguments: testedDrivers, Errors.listen)
        func listener(driver: Driver, error: Errno) {
            for point in [INTERNALS_FAULT_SOCKET, INTERNALS_FAULT_BIND, INTERNALS_FAULT_LISTEN]
            where error.code != EADDRINUSE {
                expectRefused(driver, point, error, at: IOCP_STAGE_LISTEN)
                // The first is the claim; the second a worker's own.
                expectRefused(driver, point, error, passing: 1, at: IOCP_STAGE_LISTEN)
            }
            expectRefused(driver, INTERNALS_FAULT_NAME, Errno(ENOBUFS), at: IOCP_STAGE_LISTEN)
            // Those of the claim, of the socket that keeps the address, and of the worker's own.
            for passing: UInt32 in 0..<10 {
                expectRefused(
                    driver, INTERNALS_FAULT_OPTION, Errno(ENOPROTOOPT), passing: passing, at: IOCP_STAGE_LISTEN)
            }
        }

        @Test("a free port that is taken meanwhile is chosen anew", arguments: testedDrivers)
        func takenPort(driver: Driver) {
            let refusal = open(driver, failing: INTERNALS_FAULT_BIND, Errno(EADDRINUSE), passing: 1)
            #expect(refusal.struck && refusal.result == 0)
        }

        @Test("memory that is refused, whichever it is", arguments: testedDrivers)
        func memory(driver: Driver) { expectEachRefused(driver, INTERNALS_FAULT_MAP) }

        @Test(
            "an allocation that is refused, whichever it is",
            .enabled(if: internals_faults_reach_the_allocator(), "a sanitizer has an allocator of its own"),
            arguments: testedDrivers)
        func allocation(driver: Driver) { expectEachRefused(driver, INTERNALS_FAULT_ALLOCATE) }

        private func expectEachRefused(_ driver: Driver, _ point: internals_fault_point) {
            let before = openDescriptors()
            var refusals = 0
            for passing: UInt32 in 0..<64 {
                let refusal = open(driver, failing: point, Errno(ENOMEM), passing: passing) {
                    $0.connections_per_address = 1
                }
                if !refusal.struck { break }
                refusals += 1
                #expect(refusal.result == -ENOMEM, "of \(passing)")
                let stages = [
                    IOCP_STAGE_MEMORY, IOCP_STAGE_STATS, IOCP_STAGE_RING_BUFFERS, IOCP_STAGE_LISTEN, IOCP_STAGE_THREAD,
                ]
                #expect(stages.contains(refusal.failure.stage) && refusal.failure.detail != nil)
            }
            #expect((5..<64).contains(refusals), "each memory was refused once")
            #expect(openDescriptors() <= before)
        }

        @Test("a ring that is refused", arguments: Errors.ring)
        func ring(error: Errno) {
            expectRefused(.uring, INTERNALS_FAULT_RING_SETUP, error, at: IOCP_STAGE_RING)
            if hasDirectDescriptors {
                expectRefused(.uring, INTERNALS_FAULT_RING_FILES, error, at: IOCP_STAGE_RING_FILES)
            }
            expectRefused(.uring, INTERNALS_FAULT_RING_BUFFERS, error, at: IOCP_STAGE_RING_BUFFERS)
        }

        @Test("a ring that cannot be locked down")
        func lockdown() {
            for passing: UInt32 in 0...1 {
                expectRefused(
                    .uring, INTERNALS_FAULT_RING_REGISTER, Errno(EINVAL), passing: passing, at: IOCP_STAGE_RING_LOCKDOWN
                ) { $0.lockdown = true }
            }
            expectRefused(.uring, INTERNALS_FAULT_OPEN, Errno(EPERM), at: IOCP_STAGE_RING_LOCKDOWN) {
                $0.lockdown = true
            }
        }

        @Test("busy polling that is refused", arguments: testedDrivers)
        func busyPoll(driver: Driver) {
            let point = driver == .uring ? INTERNALS_FAULT_RING_REGISTER : INTERNALS_FAULT_BUSY_POLL
            let error = Errno(driver == .uring ? EINVAL : ENOTTY)
            expectRefused(driver, point, error, at: IOCP_STAGE_BUSY_POLL) { $0.busy_poll_us = 50 }
        }

        @Test("an epoll set that is refused", arguments: [EMFILE, ENFILE, ENOMEM].map(Errno.init))
        func epoll(error: Errno) {
            expectRefused(.epoll, INTERNALS_FAULT_EPOLL_CREATE, error, at: IOCP_STAGE_EPOLL)
            expectRefused(.epoll, INTERNALS_FAULT_ADD, error, at: IOCP_STAGE_EPOLL)
        }

        @Test(
            "epoll without epoll_pwait2 waits for milliseconds, and not less than was asked",
            arguments: [nil, ENOSYS, EPERM])
        func coarseWaits(error: Int32?) throws {
            if let error { internals_fault_arm(INTERNALS_FAULT_WAIT, error, 0, 1) }
            internals_faults_inside(true)
            let worker = try FaultyWorker(.epoll)
            internals_faults_inside(false)
            #expect(worker.struck(INTERNALS_FAULT_WAIT) == (error == nil ? 0 : 1))
            for _ in 0..<4 {
                var (start, result) = (ContinuousClock.now, -EINTR)
                while result == -EINTR {  // other tests' children end meanwhile
                    start = .now
                    result = worker.turn(timeoutNs: 300_000)
                }
                #expect(result == -ETIME && ContinuousClock.now - start >= .microseconds(error == nil ? 300 : 1000))
            }
            try worker.expectNothingHeld()
        }

        @Test("a thread that cannot be pinned", arguments: testedDrivers)
        func pinning(driver: Driver) {
            expectRefused(driver, INTERNALS_FAULT_PIN, Errno(EINVAL), at: IOCP_STAGE_THREAD) {
                $0.worker_placement = IOCP_PLACE_EVERY_CPU
            }
        }

        @Test("a thread that is refused, and given when asked again", arguments: testedDrivers)
        func thread(driver: Driver) throws {
            let (port, _) = try FaultyWorker.createPort(driver) { _ in }
            defer { iocp_port_destroy(port) }
            var failure = iocp_failure()
            internals_fault_arm(INTERNALS_FAULT_THREAD, EAGAIN, 0, 1)
            internals_faults_inside(true)
            let refused = iocp_port_spawn(port, 0, { _, _ in }, nil, &failure)
            internals_faults_inside(false)
            internals_faults_end()
            #expect(refused == -EAGAIN && failure.stage == IOCP_STAGE_THREAD && failure.code == -EAGAIN)
            #expect(iocp_port_spawn(port, 0, { _, _ in }, nil, &failure) == 0)
            iocp_port_join(port, 0)
        }

        /// In a process of its own, as the kernel is probed once.
        @Test("where io_uring is refused, auto is epoll and says why, and uring is refused by name")
        func fallback() async {
            await #expect(processExitsWith: .success) {
                internals_fault_arm(INTERNALS_FAULT_RING_SETUP, EPERM, 0, .max)
                internals_faults_inside(true)
                var configuration = FaultyWorker.configuration(.uring)
                var port: OpaquePointer?
                var failure = iocp_failure()
                try #require(iocp_port_create(&configuration, &port, &failure) == -EPERM)
                try #require(failure.stage == IOCP_STAGE_RING && failure.code == -EPERM)
                configuration.driver = IOCP_DRIVER_AUTO
                try #require(iocp_port_create(&configuration, &port, &failure) == 0)
                try #require(iocp_port_fallback_cause(port).code == -EPERM)
                try #require(iocp_port_configuration(port).pointee.driver == IOCP_DRIVER_EPOLL)
                internals_faults_inside(false)
                iocp_port_destroy(port)
            }
        }

        /// The probe's socket is refused, so the kernel seems to lack socket commands, as those before 6.7 do.
        @Test(
            "without socket commands a limit by address refuses the ring by name, and auto is epoll and says why",
            .enabled(if: hasDirectDescriptors, needsDirectDescriptors))
        func limitByAddress() async {
            await #expect(processExitsWith: .success) {
                internals_fault_arm(INTERNALS_FAULT_SOCKET, EAFNOSUPPORT, 0, 1)
                internals_faults_inside(true)
                _ = iocp_capabilities_get()
                internals_faults_inside(false)
                try #require(internals_faults_struck(INTERNALS_FAULT_SOCKET) == 1)
                internals_faults_end()
                var configuration = FaultyWorker.configuration(.uring)
                var port: OpaquePointer?
                var failure = iocp_failure()
                try #require(iocp_port_create(&configuration, &port, &failure) == 0)
                iocp_port_destroy(port)

                configuration.connections_per_address = 1
                try #require(iocp_port_create(&configuration, &port, &failure) == -EOPNOTSUPP)
                try #require(failure.stage == IOCP_STAGE_CONFIGURATION && failure.code == -EOPNOTSUPP)
                var swift = PortConfiguration()
                swift.driver = .uring
                swift.connectionsPerAddress = 1
                do {
                    _ = try CompletionPort(swift)
                    Issue.record("it was not refused")
                } catch {
                    try #require(
                        "\(error)"
                            == "io_uring cannot do this here (EOPNOTSUPP): connectionsPerAddress (a ring asks for a "
                            + "client's address by socket commands, since Linux 6.7): use the epoll driver, or a newer "
                            + "kernel")
                }
                swift.driver = .auto
                let fallen = try CompletionPort(swift)
                try #require(fallen.driver == .epoll && fallen.fallbackCause?.code == EOPNOTSUPP)
                swift.connectionsPerAddress = 0
                try #require(try CompletionPort(swift).driver == .uring)
            }
        }

        /// A port that chooses for itself, with one point failing while it is created and a worker attaches.
        private func chooseDriver(
            failing point: internals_fault_point, _ error: Errno, times: UInt32, passing: UInt32 = 0,
            check: (OpaquePointer) throws -> Void
        ) throws {
            _ = iocp_capabilities_get()
            let before = openDescriptors()
            var configuration = FaultyWorker.configuration(.uring)
            configuration.driver = IOCP_DRIVER_AUTO
            configuration.worker_count = 2
            var port: OpaquePointer?
            var worker: OpaquePointer?
            var failure = iocp_failure()
            internals_fault_arm(point, error.code, passing, times)
            internals_faults_inside(true)
            var result = iocp_port_create(&configuration, &port, &failure)
            if result == 0 { result = internals_port_attach(port, &worker, &failure) }
            internals_faults_inside(false)
            let struck = internals_faults_struck(point)
            internals_faults_end()
            #expect(result == 0 && struck > 0)
            if let worker { iocp_worker_close(worker) }
            if let port {
                try check(port)
                iocp_port_destroy(port)
            }
            #expect(openDescriptors() <= before, "descriptors leaked")
        }

        @Test("auto is epoll where the rings of all workers do not fit", arguments: Errors.ring, [0, 1] as [UInt32])
        func rehearsal(error: Errno, passing: UInt32) throws {
            let points: [(internals_fault_point, iocp_stage)] = [
                (INTERNALS_FAULT_RING_SETUP, IOCP_STAGE_RING), (INTERNALS_FAULT_RING_BUFFERS, IOCP_STAGE_RING_BUFFERS),
            ]
            for (point, stage) in points {
                try chooseDriver(failing: point, error, times: .max, passing: passing) { port in
                    let cause = iocp_port_fallback_cause(port)
                    #expect(cause.code == -error.code && cause.stage == stage && cause.detail != nil)
                    #expect(iocp_port_configuration(port).pointee.driver == IOCP_DRIVER_EPOLL)
                }
            }
        }

        @Test(
            "auto is epoll where there is no memory to try the rings",
            .enabled(if: internals_faults_reach_the_allocator(), "a sanitizer has an allocator of its own"))
        func rehearsalWithoutMemory() {
            _ = iocp_capabilities_get()
            _ = iocp_node_count()
            var configuration = FaultyWorker.configuration(.uring)
            configuration.driver = IOCP_DRIVER_AUTO
            var causes: [iocp_stage] = []
            for passing: UInt32 in 0..<8 {
                var port: OpaquePointer?
                var failure = iocp_failure()
                internals_fault_arm(INTERNALS_FAULT_ALLOCATE, ENOMEM, passing, 1)
                internals_faults_inside(true)
                let result = iocp_port_create(&configuration, &port, &failure)
                internals_faults_inside(false)
                internals_faults_end()
                guard result == 0, let port else { continue }
                causes.append(iocp_port_fallback_cause(port).stage)
                iocp_port_destroy(port)
            }
            #expect(causes.contains(IOCP_STAGE_MEMORY))
        }

        @Test("memory that a ring lacks for a moment is waited for, by a port that chose the ring")
        func lateMemory() throws {
            var points = [INTERNALS_FAULT_RING_SETUP, INTERNALS_FAULT_RING_BUFFERS]
            if hasDirectDescriptors { points.append(INTERNALS_FAULT_RING_FILES) }
            for point in points {  // the last is the worker's alone; the others strike the rehearsal
                try chooseDriver(failing: point, Errno(ENOMEM), times: 3) { port in
                    #expect(iocp_port_fallback_cause(port).code == 0)
                    #expect(iocp_port_configuration(port).pointee.driver == IOCP_DRIVER_URING)
                }
            }
        }

        /// In a process of its own, as the kernel is probed once.
        @Test("the probe waits for memory, too")
        func lateMemoryOfTheProbe() async {
            await #expect(processExitsWith: .success) {
                internals_fault_arm(INTERNALS_FAULT_RING_SETUP, ENOMEM, 0, 3)
                internals_faults_inside(true)
                try #require(iocp_capabilities_get().pointee.uring_result == 0)
                internals_faults_inside(false)
                try #require(internals_faults_struck(INTERNALS_FAULT_RING_SETUP) == 3)
            }
        }
    }
}
