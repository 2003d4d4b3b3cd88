import CIOCPInternals
import Dispatch
import Glibc
import IOCP
import Testing

/// How many CPUs the calling thread has.
private func cpuCount() -> Int {
    var first: UInt32 = 0
    return Int(iocp_cpus_allowed(&first, 1))
}

/// A worker that unbound its thread is bound again after its next wait.
private struct BoundAgain: ConnectionHandler, Handles.Stopping {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) {}

    func stopping(_ connections: borrowing ConnectionPool<Void>, on worker: Worker) {
        precondition(cpuCount() == 1)
    }
}

extension RealSockets {
    /// Which CPUs workers are bound to, and what they say of it.
    @Suite struct Pinning {
        private static let allowed: Int = {
            var first: UInt32 = 0
            return Int(iocp_cpus_allowed(&first, 1))
        }()

        /// The CPUs of each worker, as it says and as its thread has them.
        private func cpus(_ driver: Driver, workers: Int, _ placement: WorkerPlacement) throws -> [(
            said: Int?, allowed: Int
        )] {
            let seen = Locked<[(said: Int?, allowed: Int)]>([])
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = workers
            configuration.connectionsPerWorker = 16
            configuration.workerPlacement = placement
            let server = try IOCPServer(configuration) { worker in
                var first: UInt32 = 0
                let count = Int(iocp_cpus_allowed(&first, 1))
                if let cpu = worker.cpu {
                    #expect(Int(first) == cpu && worker.node == Int(iocp_cpu_node(first)))
                } else {
                    #expect(worker.node < Int(iocp_node_count()))
                }
                seen.withLock { $0.append((worker.cpu, count)) }
                return Quiet()
            }
            let stats = (0..<workers).map { server.port.stats(ofWorker: $0).core }
            server.stop()
            try server.wait()
            #expect(stats.compactMap(\.self).sorted() == seen.withLock { $0 }.compactMap(\.said).sorted())
            return seen.withLock { $0 }
        }

        @Test(
            "fewer workers than CPUs are not bound", .enabled(if: allowed > 1, "needs two CPUs"),
            arguments: testedDrivers)
        func fewer(driver: Driver) throws {
            let seen = try cpus(driver, workers: 1, .automatic)
            #expect(seen.allSatisfy { $0.said == nil && $0.allowed == Self.allowed })
        }

        @Test("as many workers as CPUs are bound to one each", arguments: testedDrivers)
        func asMany(driver: Driver) throws {
            let seen = try cpus(driver, workers: Self.allowed, .automatic)
            #expect(Set(seen.compactMap(\.said)).count == Self.allowed && seen.allSatisfy { $0.allowed == 1 })
        }

        @Test("more workers than CPUs are not bound", arguments: testedDrivers)
        func more(driver: Driver) throws {
            let seen = try cpus(driver, workers: Self.allowed + 1, .automatic)
            #expect(seen.allSatisfy { $0.said == nil && $0.allowed == Self.allowed })
        }

        @Test("workers have the listed CPUs, in that order, and share them in turn", arguments: testedDrivers)
        func listed(driver: Driver) throws {
            var all = [UInt32](repeating: 0, count: Self.allowed)
            _ = iocp_cpus_allowed(&all, UInt32(all.count))
            let last = Int(all[all.count - 1])
            let seen = try cpus(driver, workers: 3, .cpus([last]))
            #expect(seen.allSatisfy { $0.said == last && $0.allowed == 1 })
            let twice = refusal { () throws(IOCPError) in
                var configuration = PortConfiguration()
                configuration.workerPlacement = .cpus([last, last])
                _ = try CompletionPort(configuration)
            }
            #expect(twice?.detail == "workerPlacement (CPUs that the process may run on, each once)")
        }

        @Test("one CPU of each core; without a number there is a worker for each", arguments: testedDrivers)
        func cores(driver: Driver) throws {
            var all = [UInt32](repeating: 0, count: Self.allowed)
            _ = iocp_cpus_allowed(&all, UInt32(all.count))
            let cores = Int(iocp_cpus_one_per_core("", &all, UInt32(all.count)))
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workerPlacement = .physicalCores
            #expect(try CompletionPort(configuration).workerCount <= cores)
            let seen = try cpus(driver, workers: cores, .physicalCores)
            #expect(Set(seen.map(\.said)) == Set(all.prefix(cores).map { Int($0) }))
        }

        @Test("none is bound where none shall be, whatever their number", arguments: testedDrivers)
        func unbound(driver: Driver) throws {
            let seen = try cpus(driver, workers: Self.allowed, .unbound)
            #expect(seen.allSatisfy { $0.said == nil && $0.allowed == Self.allowed })
        }

        @Test("placements have texts, and other texts are none")
        func texts() {
            for text in ["automatic", "every-cpu", "cores", "unbound", "0", "3,1", "0,2,8,9,10,11"] {
                #expect(WorkerPlacement(text)?.description == text)
            }
            #expect(WorkerPlacement("0,2,8-11") == .cpus([0, 2, 8, 9, 10, 11]))
            for text in [
                "", "all", "1-", "-1", "1-0", "1,", ",1", "1--2", "1-2-3", "8192", "0-8191,0", "+1", "١", " 1",
                "9999999999999999999",
            ] {
                #expect(WorkerPlacement(text) == nil, "\(text)")
            }
        }

        @Test(
            "a thread of several workers gets its CPUs back with the last, in whatever order they go",
            arguments: testedDrivers)
        func severalOnOneThread(driver: Driver) async throws {
            try await onThreads(1) { _ in
                var configuration = PortConfiguration()
                configuration.driver = driver
                configuration.workers = 1
                configuration.connectionsPerWorker = 16
                configuration.workerPlacement = .everyCPU
                var first: UInt32 = 0
                let before = iocp_cpus_allowed(&first, 1)
                var workers = [
                    try CompletionPort(configuration).attachWorker(), try CompletionPort(configuration).attachWorker(),
                ]
                #expect(iocp_cpus_allowed(&first, 1) == 1)
                workers.removeFirst()
                workers.removeAll()
                #expect(iocp_cpus_allowed(&first, 1) == before)
            }
        }

        /// In a process of its own: the pool's threads of this one were created by others. Each priority has its own threads.
        @Test("what a bound worker's thread starts has every CPU", .enabled(if: allowed > 1, "needs two CPUs"))
        func startsElsewhere() async {
            await #expect(processExitsWith: .success) {
                let starts = 32
                let seen = Locked<[Int]>([])
                @Sendable func note() {
                    let cpus = cpuCount()
                    usleep(1_000)
                    seen.withLock { $0.append(cpus) }
                }
                let all = cpuCount()
                var configuration = PortConfiguration()
                configuration.driver = .epoll
                configuration.workers = 1
                configuration.connectionsPerWorker = 16
                configuration.workerPlacement = .everyCPU
                let server = try IOCPServer(configuration) { _ in
                    precondition(cpuCount() == 1)
                    let priorities: [TaskPriority] = [.background, .utility, .medium, .high]
                    for start in 0..<starts {
                        Task(priority: priorities[start % 4]) { note() }
                        Task.detached(priority: priorities[start % 4]) {
                            try await Task.sleep(for: .milliseconds(1))
                            note()
                        }
                        Worker.unbindThread()
                        DispatchQueue.global().async { note() }
                    }
                    return BoundAgain()
                }
                while seen.withLock({ $0.count }) < 3 * starts { usleep(1_000) }
                server.stop()
                try await server.wait()
                precondition(seen.withLock { $0 }.allSatisfy { $0 == all }, "\(seen.withLock { $0 })")
            }
        }

        @Test(
            "each worker's memory lies on its node, on every node",
            .enabled(if: iocp_node_count() > 1, "needs two NUMA nodes: make test-numa"), arguments: testedDrivers)
        func nodes(driver: Driver) async throws {
            let found = Locked<[(node: Int, resident: Int, onNode: Int)]>([])
            var behaviour = Behaviour()
            behaviour.posted = { _, _, worker throws(IOCPError) in
                let (resident, onNode) = try worker.arenaPages()
                #expect(worker.cpu.map { worker.node == Int(iocp_cpu_node(UInt32($0))) } == true)
                found.withLock { $0.append((worker.node, resident, onNode)) }
            }
            try await withServer(driver, { $0.workers = Self.allowed }, behaviour) { server, port, _ in
                let peers = try (0..<Self.allowed * 16).map { _ in try Peer.connect(port: port) }
                let bytes = pattern(50_000)
                for peer in peers {
                    try peer.send(bytes)
                    #expect(try peer.receive(bytes.count) == bytes)
                }
                for index in 0..<Self.allowed { try server.port.post(0, toWorker: index) }
                try await eventually("every worker was asked") { found.withLock { $0.count } == Self.allowed }
            }
            let all = found.withLock { $0 }
            #expect(Set(all.map(\.node)).count == Int(iocp_node_count()))
            for worker in all { #expect(worker.resident > 0 && worker.onNode == worker.resident, "\(worker)") }
        }

        @Test("fewer workers than CPUs are bound where that is asked for", arguments: testedDrivers)
        func asked(driver: Driver) throws {
            #expect(try cpus(driver, workers: 1, .everyCPU).allSatisfy { $0.said != nil && $0.allowed == 1 })
        }
    }
}
