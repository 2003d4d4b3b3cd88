import CIOCPInternals
import Glibc
import Testing

@Suite struct ConfigurationTests {
    /// One field at one value.
    struct Setting: CustomTestStringConvertible, Sendable {
        let field: String
        let value: UInt64
        let set: @Sendable (inout iocp_port_config) -> Void
        var testDescription: String { "\(field) = \(value)" }

        init<Value: FixedWidthInteger & Sendable>(
            _ field: String, _ value: UInt64, _ path: WritableKeyPath<iocp_port_config, Value> & Sendable
        ) {
            self.field = field
            self.value = value
            set = { $0[keyPath: path] = Value(value) }
        }
    }

    private static let day: UInt64 = 86_400_000_000_000

    /// A field's bounds, each side of each; the bounds of one that depends on others, beside their defaults.
    private static func settings(inside: Bool) -> [Setting] {
        var all: [Setting] = []
        func add<Value: FixedWidthInteger & Sendable>(
            _ field: String, _ path: WritableKeyPath<iocp_port_config, Value> & Sendable, good: [UInt64], bad: [UInt64]
        ) {
            all += (inside ? good : bad).map { Setting(field, $0, path) }
        }
        add("worker_count", \.worker_count, good: [1, 1024], bad: [1025, .init(UInt32.max)])
        add(
            "connections_per_worker", \.connections_per_worker, good: [1, 1 << 20],
            bad: [1 << 20 + 1, .init(UInt32.max)])
        add("connections", \.connections, good: [1, 1 << 30], bad: [1 << 30 + 1, .init(UInt32.max)])
        add(
            "receive_buffer_bytes", \.receive_buffer_bytes, good: [4096, 1 << 20],
            bad: [0, 1, 2048, 4095, 4097, 6144, 1 << 20 + 1, 1 << 21, 1 << 31])
        add(
            "receive_buffers_per_worker", \.receive_buffers_per_worker, good: [2, 1 << 14],
            bad: [0, 1, 3, 100, 1 << 15 + 1, 1 << 16, 1 << 31])
        add(
            "send_chunks_per_worker", \.send_chunks_per_worker, good: [4, 5, 1 << 20],
            bad: [0, 3, 1 << 20 + 1, .init(UInt32.max)])
        add(
            "completion_queue_entries", \.completion_queue_entries, good: [64, 1 << 16],
            bad: [0, 32, 63, 65, 96, 1 << 17, 1 << 31])
        add("mailbox_entries", \.mailbox_entries, good: [16, 1 << 20], bad: [0, 8, 15, 17, 24, 1 << 21, 1 << 31])
        add("listen_backlog", \.listen_backlog, good: [1, 1 << 16], bad: [0, 1 << 16 + 1, .init(UInt32.max)])
        add(
            "linger_timeout_ns", \.linger_timeout_ns, good: [1, day],
            bad: [0, day + 1, .max])
        add(
            "send_cap_bytes", \.send_cap_bytes, good: [1 << 20, 0x7fff_ffff], bad: [0, 0x8000_0000, .init(UInt32.max)])
        add("send_high_bytes", \.send_high_bytes, good: [256 * 1024 + 1, 64 << 20], bad: [0, 64 << 20 + 1])
        add("send_low_bytes", \.send_low_bytes, good: [0, 1 << 20 - 1], bad: [1 << 20, .init(UInt32.max)])
        add("worker_unsent_bytes", \.worker_unsent_bytes, good: [1 << 20, .max], bad: [0, 1 << 20 - 1])
        add("idle_timeout_ns", \.idle_timeout_ns, good: [0, 1, day], bad: [day + 1, .max])
        add("receive_timeout_ns", \.receive_timeout_ns, good: [0, 1, day], bad: [day + 1, .max])
        add("send_timeout_ns", \.send_timeout_ns, good: [0, 1, day], bad: [day + 1, .max])
        add("receive_progress_bytes", \.receive_progress_bytes, good: [1, .init(UInt32.max)], bad: [0])
        add("timers_per_worker", \.timers_per_worker, good: [0, 1, 1 << 20], bad: [1 << 20 + 1, .init(UInt32.max)])
        add("offload_threads", \.offload_threads, good: [0, 1, 4096], bad: [4097, .init(UInt32.max)])
        add("offload_queue_entries", \.offload_queue_entries, good: [1, 1 << 20], bad: [0, 1 << 20 + 1, .init(UInt32.max)])
        add("offload_idle_ns", \.offload_idle_ns, good: [0, 1, day], bad: [day + 1, .max])
        add("connections_per_address", \.connections_per_address, good: [0, .init(UInt32.max)], bad: [])
        add(
            "accepts_per_second", \.accepts_per_second, good: [0, 1, 10_000_000], bad: [10_000_001, .init(UInt32.max)])
        add("spin_ns", \.spin_ns, good: [0, 1, 10_000_000], bad: [10_000_001, .max])
        add("busy_poll_us", \.busy_poll_us, good: [0, 1, 10_000], bad: [10_001, .init(UInt32.max)])
        return all
    }

    private static func create(_ change: (inout iocp_port_config) -> Void) -> (result: Int32, failure: iocp_failure) {
        var configuration = iocp_port_config_default()
        change(&configuration)
        var port: OpaquePointer?
        var failure = iocp_failure()
        let result = iocp_port_create(&configuration, &port, &failure)
        if result == 0 { iocp_port_destroy(port) }
        return (result, failure)
    }

    private static func detail(_ failure: iocp_failure) -> String {
        failure.detail.map { String(cString: $0) } ?? ""
    }

    @Test(arguments: settings(inside: false))
    func justOutsideItsBoundsAFieldIsNamed(setting: Setting) {
        let (result, failure) = Self.create(setting.set)
        #expect(result == -EINVAL && failure.code == -EINVAL)
        #expect(failure.stage == IOCP_STAGE_CONFIGURATION)
        #expect(Self.detail(failure).split(separator: " ").first.map(String.init) == setting.field)
    }

    @Test(arguments: settings(inside: true))
    func justInsideItsBoundsAFieldIsAccepted(setting: Setting) {
        var configuration = iocp_port_config_default()
        setting.set(&configuration)
        let broken = iocp_port_config_broken_field(&configuration).map { String(cString: $0) }
        #expect(broken == nil)
    }

    /// Every member of the structure is among the fields above, or has nothing to be bounded.
    @Test func everyFieldIsCovered() {
        let free: Set = [
            "driver", "half_close", "holds_back_receive", "deliver_after_first_bytes", "lockdown",
            "overflow_policy", "placement", "worker_placement", "worker_cpu_count", "worker_cpus",
            "cancels_offloads_at_stop", "balances_load",
        ]
        let covered = Set(Self.settings(inside: true).map(\.field))
        let members = Mirror(reflecting: iocp_port_config_default()).children.compactMap(\.label)
        #expect(members.count == covered.count + free.count)
        #expect(Set(members) == covered.union(free))
    }

    @Test func aDriverThatIsNoneIsNamed() {
        for kind: UInt8 in [4, 255] {
            let (result, failure) = Self.create { $0.driver = iocp_driver_kind(rawValue: kind) }
            #expect(result == -EINVAL && failure.stage == IOCP_STAGE_CONFIGURATION)
            #expect(Self.detail(failure) == "driver")
        }
    }

    @Test func aPolicyThatIsNoneIsNamed() {
        let (result, failure) = Self.create { $0.overflow_policy = iocp_overflow_policy(rawValue: 2) }
        #expect(result == -EINVAL && failure.stage == IOCP_STAGE_CONFIGURATION)
        #expect(Self.detail(failure) == "overflow_policy")
    }

    @Test func cpusAreListedWhereTheyCount() {
        let cpus: [UInt32] = [0, 0]
        cpus.withUnsafeBufferPointer { cpus in
            for (placement, count, pointer) in [
                (IOCP_PLACE_LISTED, 0, cpus.baseAddress), (IOCP_PLACE_LISTED, 1, nil),
                (IOCP_PLACE_LISTED, 1025, cpus.baseAddress),
                (IOCP_PLACE_AUTOMATIC, 1, cpus.baseAddress), (IOCP_PLACE_LISTED, 2, cpus.baseAddress),
            ] as [(iocp_worker_placement, UInt32, UnsafePointer<UInt32>?)] {
                let (result, failure) = Self.create {
                    $0.worker_placement = placement
                    $0.worker_cpu_count = count
                    $0.worker_cpus = pointer
                }
                #expect(result == -EINVAL && Self.detail(failure).hasPrefix("worker_cpus"))
            }
        }
        let (result, failure) = Self.create { $0.worker_placement = iocp_worker_placement(rawValue: 5) }
        #expect(result == -EINVAL && Self.detail(failure) == "worker_placement")
    }

    @Test func aPlacementThatIsNoneIsNamed() {
        let (result, failure) = Self.create { $0.placement = iocp_placement(rawValue: 3) }
        #expect(result == -EINVAL && failure.stage == IOCP_STAGE_CONFIGURATION)
        #expect(Self.detail(failure) == "placement")
    }

    /// Where a worker may run anywhere, no CPU is its own.
    @Test func placementByCPUTakesWorkersThatAreBound() {
        let (result, failure) = Self.create {
            $0.placement = IOCP_PLACEMENT_INCOMING_CPU
            $0.worker_placement = IOCP_PLACE_UNBOUND
        }
        #expect(result == -EINVAL && failure.stage == IOCP_STAGE_CONFIGURATION)
        #expect(Self.detail(failure) == "placement (incoming_cpu is for workers that are bound to CPUs)")
    }

    @Test func theDefaultsAreInsideTheirBounds() {
        var configuration = iocp_port_config_default()
        #expect(iocp_port_config_broken_field(&configuration) == nil)
    }

    /// The names of these bounds in the public header, where users read them.
    @Test func everyBoundIsDocumented() throws {
        let header = try String(decoding: SourceTree.file("CSources/CIOCP/include/iocp_port.h"), as: UTF8.self)
        for bound in ["4 KiB..1 MiB", "2..16,384", "64..65,536"] { #expect(header.contains(bound)) }
    }

    @Test func everyDriverHasAName() {
        let names = (0..<5).map { String(cString: iocp_driver_name(iocp_driver_kind(rawValue: $0))) }
        #expect(names == ["auto", "uring", "epoll", "sim", "unknown"])
    }
}
