import CIOCPInternals
import Glibc
import Testing

/// The sim as a driver of a port: what it stands on, and what it refuses. How it plays is `iocp-sim`'s.
@Suite struct SimDriverTests {
    /// A sim of this thread's while the body runs.
    private func withSim(_ body: () -> Void) {
        var observer = iocp_sim_observer()
        let sim = iocp_sim_create(1, false, &observer)
        #expect(sim != nil)
        iocp_sim_use(sim)
        body()
        iocp_sim_destroy(sim)  // and the thread uses none
    }

    private func attach(_ change: (inout iocp_port_config) -> Void = { _ in }) -> (result: Int32, failure: iocp_failure)
    {
        var configuration = iocp_port_config_default()
        configuration.driver = IOCP_DRIVER_SIM
        configuration.worker_count = 2
        configuration.connections_per_worker = 4
        configuration.worker_placement = IOCP_PLACE_UNBOUND
        change(&configuration)
        var port: OpaquePointer?
        var worker: OpaquePointer?
        var second: OpaquePointer?
        var failure = iocp_failure()
        var result = iocp_port_create(&configuration, &port, &failure)
        guard result == 0 else { return (result, failure) }
        result = internals_port_attach(port, &worker, &failure)
        if result == 0 {
            result = internals_port_attach(port, &second, &failure)
            iocp_worker_close(worker)
        }
        iocp_port_destroy(port)
        return (result, failure)
    }

    @Test func withoutASimThereIsNoDriver() {
        let (result, failure) = attach()
        #expect(result == -ENOSYS && failure.stage == IOCP_STAGE_CONFIGURATION)
        withSim {}
        #expect(attach().result == -ENOSYS)
    }

    @Test func oneWorkerStandsOnASim() {
        withSim {
            let (result, failure) = attach()
            #expect(result == -EBUSY && failure.stage == IOCP_STAGE_STATE)
        }
    }

    @Test func aSimHasSoManySockets() {
        withSim {
            let (result, failure) = attach { $0.connections_per_worker = 1025 }
            #expect(result == -EINVAL && failure.stage == IOCP_STAGE_CONFIGURATION)
        }
    }

    @Test func streamsDiffer() {
        var bytes = [UInt8](repeating: 0, count: 200_000)
        iocp_sim_stream_copy(3, 1000, &bytes, UInt32(bytes.count))
        #expect(iocp_sim_stream_matches(3, 1000, bytes, UInt32(bytes.count)))
        #expect(!iocp_sim_stream_matches(4, 1000, bytes, UInt32(bytes.count)))
        #expect(!iocp_sim_stream_matches(3, 1001, bytes, UInt32(bytes.count)))
        bytes[bytes.count - 1] ^= 1
        #expect(!iocp_sim_stream_matches(3, 1000, bytes, UInt32(bytes.count)))
    }

    @Test(.enabled(if: internals_faults_reach_the_allocator(), "a sanitizer has an allocator of its own"))
    func withoutMemoryItIsRefused() {
        var observer = iocp_sim_observer()
        func refusing<Result>(passing: UInt32 = 0, _ call: () -> Result) -> Result {
            internals_fault_arm(INTERNALS_FAULT_ALLOCATE, ENOMEM, passing, 1)
            internals_faults_inside(true)
            defer {
                internals_faults_inside(false)
                internals_faults_end()
            }
            return call()
        }
        #expect(refusing { iocp_sim_create(1, false, &observer) } == nil)
        #expect(refusing { iocp_shared_bytes_create(10) } == nil)
    }
}
