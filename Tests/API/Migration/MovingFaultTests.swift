import CIOCPInternals
import Glibc
import IOCP
import Testing

/// Two workers of a port on the test's own thread, whose connections move while the kernel refuses something.
private final class TwoWorkers {
    let port: OpaquePointer
    let workers: [OpaquePointer]
    private let listeningPort: Int
    /// What each of the two was told.
    private(set) var told: [[iocp_completion]] = [[], []]

    init(_ kind: Driver) throws {
        (port, listeningPort) = try FaultyWorker.createPort(kind) { $0.worker_count = 2 }
        var workers: [OpaquePointer] = []
        for _ in 0..<2 {
            var failure = iocp_failure()
            var worker: OpaquePointer?
            try #require(internals_port_attach(port, &worker, &failure) == 0)
            workers.append(try #require(worker))
        }
        self.workers = workers
        for worker in workers { iocp_worker_take_part_in_moves(worker, 1) }
        turn(0)
        turn(1)
    }

    deinit {
        internals_faults_end()
        for worker in workers { iocp_worker_close(worker) }
        iocp_port_destroy(port)
    }

    func turn(_ index: Int) {
        var batch = [iocp_completion](repeating: iocp_completion(), count: 64)
        internals_faults_inside(true)
        let count = iocp_worker_wait(workers[index], &batch, 64, 0)
        internals_faults_inside(false)
        for completion in batch.prefix(Int(max(0, count))) {
            told[index].append(completion)
            if completion.kind == IOCP_COMPLETION_RECEIVED { iocp_lease_return(workers[index], completion.detail) }
        }
    }

    func until(
        _ what: String, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () -> Bool
    ) throws {
        let end = iocp_clock_ns() + 10_000_000_000
        while !condition() {
            turn(0)
            turn(1)
            try #require(iocp_clock_ns() < end, "not within 10 s: \(what)", sourceLocation: sourceLocation)
        }
    }

    func first(_ kind: iocp_completion_kind, on index: Int) -> iocp_completion? { told[index].first { $0.kind == kind } }

    /// A client, its connection and the worker that has it, which the kernel chose.
    func open() throws -> (peer: Peer, connection: iocp_token, worker: Int) {
        let before = told
        let peer = try Peer.connect(port: listeningPort)
        func opened(_ index: Int) -> iocp_completion? {
            told[index].dropFirst(before[index].count).first { $0.kind == IOCP_COMPLETION_OPENED }
        }
        try until("opened") { opened(0) != nil || opened(1) != nil }
        let index = opened(0) != nil ? 0 : 1
        return (peer, opened(index)!.connection, index)
    }

    /// Bytes pass in both directions.
    func expectAlive(
        _ connection: iocp_token, on index: Int, _ peer: Peer, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let before = told[index].count
        try peer.send([1, 2, 3])
        try until("received", sourceLocation: sourceLocation) {
            told[index].dropFirst(before).contains { $0.kind == IOCP_COMPLETION_RECEIVED && $0.connection == connection }
        }
        let reply: [UInt8] = [4, 5]
        #expect(iocp_send(workers[index], connection, reply, reply.count) == 0, sourceLocation: sourceLocation)
        try until("sent", sourceLocation: sourceLocation) {
            iocp_connection_unsent_bytes(workers[index], connection) == 0
        }
        #expect(try peer.receive(2) == [4, 5], sourceLocation: sourceLocation)
    }
}

extension RealSockets {
    @Suite struct MovingFaults {
        @Test("a socket that cannot leave now leaves later", .enabled(if: hasDirectDescriptors, "needs direct descriptors"))
        func leavesLater() throws {
            for error in Errors.packLater {
                let pair = try TwoWorkers(.uring)
                let (peer, connection, from) = try pair.open()
                internals_fault_arm(INTERNALS_FAULT_INSTALL, error.code, 0, 3)
                #expect(iocp_connection_move(pair.workers[from], connection, UInt32(1 - from)) == 0)
                try pair.until("arrived") { pair.first(IOCP_COMPLETION_ARRIVED, on: 1 - from) != nil }
                #expect(internals_faults_struck(INTERNALS_FAULT_INSTALL) == 3)
                let here = pair.first(IOCP_COMPLETION_ARRIVED, on: 1 - from)!.connection
                #expect(iocp_connection_name(pair.workers[1 - from], here) == connection)
                try pair.expectAlive(here, on: 1 - from, peer)
            }
        }

        @Test("a socket that can never leave comes back", .enabled(if: hasDirectDescriptors, "needs direct descriptors"))
        func neverLeaves() throws {
            for error in [Errno(EINVAL), Errno(EBADF), Errno(ENOMEM)] {
                let pair = try TwoWorkers(.uring)
                let (peer, connection, from) = try pair.open()
                internals_fault_arm(INTERNALS_FAULT_INSTALL, error.code, 0, 1)
                #expect(iocp_connection_move(pair.workers[from], connection, UInt32(1 - from)) == 0)
                try pair.until("came back") { pair.first(IOCP_COMPLETION_ARRIVED, on: from) != nil }
                let back = pair.first(IOCP_COMPLETION_ARRIVED, on: from)!
                #expect(back.connection == connection && Int(back.detail) == from)
                try pair.expectAlive(connection, on: from, peer)
            }
        }

        @Test("a socket that cannot be placed now is placed later", arguments: testedDrivers)
        func placedLater(driver: Driver) throws {
            let point = driver == .uring ? INTERNALS_FAULT_PLACE : INTERNALS_FAULT_ADD
            for error in driver == .uring ? Errors.placeLater + Errors.place : Errors.place {
                let pair = try TwoWorkers(driver)
                let (peer, connection, from) = try pair.open()
                internals_fault_arm(point, error.code, 0, 3)
                #expect(iocp_connection_move(pair.workers[from], connection, UInt32(1 - from)) == 0)
                try pair.until("arrived") { pair.first(IOCP_COMPLETION_ARRIVED, on: 1 - from) != nil }
                #expect(driver == .epoll || !hasDirectDescriptors || internals_faults_struck(point) == 3)
                let here = pair.first(IOCP_COMPLETION_ARRIVED, on: 1 - from)!.connection
                try pair.expectAlive(here, on: 1 - from, peer)
            }
        }

        /// A descriptor of the process has its place already.
        @Test(
            "a socket that is never placed is lost, and its end is told behind its arrival",
            arguments: testedDrivers.filter { $0 == .epoll || hasDirectDescriptors })
        func neverPlaced(driver: Driver) throws {
            let point = driver == .uring ? INTERNALS_FAULT_PLACE : INTERNALS_FAULT_ADD
            let pair = try TwoWorkers(driver)
            let (peer, connection, from) = try pair.open()
            let there = 1 - from
            internals_fault_arm(point, ENFILE, 0, 1_000_000)
            #expect(iocp_connection_move(pair.workers[from], connection, UInt32(there)) == 0)
            try pair.until("lost") { pair.first(IOCP_COMPLETION_CLOSED, on: there) != nil }
            let arrived = pair.first(IOCP_COMPLETION_ARRIVED, on: there)
            let closed = pair.first(IOCP_COMPLETION_CLOSED, on: there)!
            #expect(arrived?.connection == closed.connection && closed.detail == IOCP_CLOSE_FAILED.rawValue)
            #expect(closed.result == -ENFILE && peer.end() == .reset)
            internals_faults_end()
            try pair.until("its home has heard") {
                iocp_worker_hold(pair.workers[from]).connections == 0 && iocp_worker_hold(pair.workers[there]).connections == 0
            }
        }

        @Test("a connection that comes behind STOPPING loses its timers, and closes", arguments: testedDrivers)
        func behindStopping(driver: Driver) throws {
            let pair = try TwoWorkers(driver)
            // One that keeps the other worker from its end.
            var clients: [(peer: Peer, connection: iocp_token, worker: Int)] = []
            while !clients.contains(where: { $0.worker == 0 }) || !clients.contains(where: { $0.worker == 1 }) {
                clients.append(try pair.open())
            }
            let moved = clients.first { $0.worker == 0 }!
            let kept = clients.first { $0.worker == 1 }!
            #expect(iocp_connection_stay(pair.workers[1], kept.connection, true) == 0)
            var timer = iocp_timer()
            #expect(iocp_timer_start(pair.workers[0], moved.connection, 60_000_000_000, 77, &timer) == 0)
            #expect(iocp_connection_move(pair.workers[0], moved.connection, 1) == 0)
            while pair.first(IOCP_COMPLETION_LEAVING, on: 0) == nil { pair.turn(0) }
            #expect(iocp_worker_leave(pair.workers[1], 5_000_000_000) == 0)
            while pair.first(IOCP_COMPLETION_STOPPING, on: 1) == nil { pair.turn(1) }
            pair.turn(1)
            try pair.until("arrived") { pair.first(IOCP_COMPLETION_ARRIVED, on: 1) != nil }
            let here = pair.first(IOCP_COMPLETION_ARRIVED, on: 1)!.connection
            try pair.until("its timer ended") { pair.first(IOCP_COMPLETION_TIMER, on: 1) != nil }
            let fired = pair.first(IOCP_COMPLETION_TIMER, on: 1)!
            #expect(fired.key == 77 && fired.result == -ECANCELED)
            moved.peer.finishSending()
            try pair.until("closed") {
                pair.told[1].contains { $0.kind == IOCP_COMPLETION_CLOSED && $0.connection == here }
            }
            #expect(moved.peer.sawFinish())
        }
    }
}
