import CIOCPInternals
import Glibc
import Testing

/// How many workers hold a number of connections.
@Suite struct CapacityTests {
    private static func derive(_ connections: UInt32, _ workers: ClosedRange<UInt32>, each places: UInt32)
        -> (result: Int32, capacity: iocp_capacity)
    {
        var capacity = iocp_capacity()
        let result = iocp_capacity_derive(connections, workers.lowerBound, workers.upperBound, places, &capacity)
        return (result, capacity)
    }

    @Test func oneWorkerHasNoNeighbourToShareWith() {
        let (result, capacity) = Self.derive(20_000, 1...1024, each: 20_000)
        #expect(result == 0 && capacity.worker_count == 1 && capacity.connections_per_worker == 20_000)
    }

    @Test func listenersHavePlacesBesideTheConnections() {
        let (result, capacity) = Self.derive(20_000, 1...1024, each: 1 << 20)
        #expect(result == 0 && capacity.worker_count == 1 && capacity.connections_per_worker == 20_064)
    }

    @Test func aMillionOnTablesOfTwentyThousand() {
        let (result, capacity) = Self.derive(1_000_000, 2...1024, each: 20_000)
        #expect(result == 0 && capacity.worker_count == 53 && capacity.connections_per_worker == 19_776)
    }

    @Test func asManyAsAskedForWhereTheirTablesAreLargeEnough() {
        let (result, capacity) = Self.derive(1_000_000, 16...1024, each: 1 << 20)
        #expect(result == 0 && capacity.worker_count == 16)
        #expect((62_500...65_000).contains(capacity.connections_per_worker))
    }

    /// The share of one worker is by chance: the table has room for six standard deviations above it.
    @Test(arguments: [1_000, 39_000, 100_000, 1_000_000, 10_000_000] as [UInt32])
    func everyWorkerHasRoomForChance(connections: UInt32) {
        let (result, capacity) = Self.derive(connections, 2...1024, each: 20_000)
        #expect(result == 0 && capacity.connections_per_worker <= 20_000)
        let share = Double(connections) / Double(capacity.worker_count)
        #expect(Double(capacity.connections_per_worker) >= share + 6 * share.squareRoot())
    }

    @Test func noMorePlacesThanConnectionsAndListeners() {
        let (result, capacity) = Self.derive(3, 8...8, each: 20_000)
        #expect(result == 0 && capacity.worker_count == 8 && capacity.connections_per_worker == 67)
    }

    @Test func tooFewWorkersAreRefused() {
        #expect(Self.derive(40_000, 2...2, each: 20_000).result == -EMFILE)
        #expect(Self.derive(1 << 30, 1...1024, each: 1 << 20).result == -EMFILE)
        #expect(Self.derive(0, 1...1024, each: 1).result == -EINVAL)
        #expect(Self.derive(1, 0...1024, each: 1).result == -EINVAL)
        #expect(Self.derive(1, 1...1025, each: 1).result == -EINVAL)
    }

    // MARK: Of a port

    private static func port(_ change: (inout iocp_port_config) -> Void)
        -> (result: Int32, failure: iocp_failure, workers: UInt32, each: UInt32)
    {
        var configuration = iocp_port_config_default()
        change(&configuration)
        var port: OpaquePointer?
        var failure = iocp_failure()
        let result = iocp_port_create(&configuration, &port, &failure)
        guard result == 0, let port else { return (result, failure, 0, 0) }
        defer { iocp_port_destroy(port) }
        let settled = iocp_port_configuration(port)!.pointee
        return (result, failure, settled.worker_count, settled.connections_per_worker)
    }

    private static var files: UInt32 {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return UInt32(clamping: min(limit.rlim_cur, 1 << 20))
    }

    @Test(.enabled(if: iocp_capabilities_get()!.pointee.uring_result == 0, "io_uring is refused here"))
    func aPortHasTheWorkersThatItsConnectionsNeed() {
        // A worker holds them all, on several rings.
        var cpu: UInt32 = 0
        let connections = Self.files * 5
        let workers = UInt32(iocp_cpus_allowed(&cpu, 1))
        let granted = iocp_cpus_granted("")
        let expected = Self.derive(connections, (granted > 0 ? min(granted, workers) : workers)...1024, each: 1 << 20).capacity
        let found = Self.port {
            $0.driver = IOCP_DRIVER_URING
            $0.connections = connections
        }
        #expect(found.result == 0 && found.workers == expected.worker_count)
        #expect(found.each == expected.connections_per_worker)
    }

    @Test(.enabled(if: iocp_capabilities_get()!.pointee.uring_result == 0, "io_uring is refused here"))
    func whatIsGivenIsKeptOrRefused() {
        let kept = Self.port {
            $0.driver = IOCP_DRIVER_URING
            ($0.connections, $0.worker_count, $0.connections_per_worker) = (1_000, 3, 900)
        }
        #expect(kept.result == 0 && kept.workers == 3 && kept.each == 900)
        let refused = Self.port {
            $0.driver = IOCP_DRIVER_URING
            ($0.connections, $0.worker_count, $0.connections_per_worker) = (1_000, 3, 300)
        }
        #expect(refused.result == -EMFILE && refused.failure.stage == IOCP_STAGE_CONFIGURATION)
        #expect(String(cString: refused.failure.detail).hasPrefix("connections (more"))
    }

    @Test func onEpollDescriptorsBoundTheSum() {
        let refused = Self.port {
            $0.driver = IOCP_DRIVER_EPOLL
            $0.connections = Self.files
        }
        #expect(refused.result == -EMFILE)
        #expect(String(cString: refused.failure.detail).hasPrefix("connections (on epoll"))
        let held = Self.port {
            $0.driver = IOCP_DRIVER_EPOLL
            ($0.connections, $0.worker_count) = (Self.files / 2, 2)
        }
        #expect(held.result == 0 && held.workers == 2 && held.each >= Self.files / 4)
    }
}
