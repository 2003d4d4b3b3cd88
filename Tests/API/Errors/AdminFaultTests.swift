import CIOCPInternals
import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Questions of an administrator's, at sockets that cannot be asked.
    @Suite struct AdminFaults {
        /// The addresses that a survey tells; nil for one that it does not know.
        private func peers(of worker: FaultyWorker, _ change: (inout iocp_survey_query) -> Void = { _ in }) throws -> [UInt16?] {
            var query = iocp_survey_query()
            query.limit = 16
            query.order = IOCP_SURVEY_OLD
            change(&query)
            let survey = try #require(iocp_survey_create(&query))
            defer { iocp_survey_release(survey) }
            try #require(iocp_port_survey(worker.port, 0, survey, false) == 0)
            #expect(iocp_survey_wait(survey, 0) == -ETIME)
            try worker.until("answered") { iocp_survey_wait(survey, 0) == 0 }
            var count: UInt32 = 0
            let entries = iocp_survey_entries(survey, &count)
            return UnsafeBufferPointer(start: entries, count: Int(count)).map {
                $0.address_result == 0 ? UInt16(bigEndian: $0.peer.port_be) : nil
            }
        }

        @Test("a socket that cannot be asked now is asked again", arguments: testedDrivers, Errors.askAgain)
        func later(driver: Driver, error: Errno) throws {
            let worker = try FaultyWorker(driver)
            let clients = try (0..<3).map { _ in try worker.open() }
            let ports = Set(clients.map { Optional($0.peer.localPort) })
            worker.fail(INTERNALS_FAULT_PEER, with: error, times: 3)
            #expect(Set(try peers(of: worker)) == ports)
            #expect(worker.struck(INTERNALS_FAULT_PEER) == 3)
            worker.fail(INTERNALS_FAULT_PEER, with: error, times: 3)
            let found = try peers(of: worker) {
                $0.filter.by_peer = true
                $0.filter.prefix_bits = 8
                $0.filter.peer = FaultyWorker.loopback(port: 0)
            }
            #expect(Set(found) == ports)
        }

        @Test("a socket that cannot be asked is told of without what it would have said", arguments: testedDrivers)
        func never(driver: Driver) throws {
            let worker = try FaultyWorker(driver)
            let client = try worker.open()
            for error in Errors.peer + Errors.askAgain {
                worker.fail(INTERNALS_FAULT_PEER, with: error, times: .max)
                #expect(try peers(of: worker) == [nil], "\(error)")
            }
            withExtendedLifetime(client) {}
        }

        @Test("a connection that cannot be asked now is captured from its next bytes on", arguments: testedDrivers, Errors.askAgain)
        func captured(driver: Driver, error: Errno) throws {
            let worker = try FaultyWorker(driver)
            let (peer, _) = try worker.open()
            var query = iocp_capture_query()
            query.ring_bytes = 65_536
            query.filter.by_peer = true
            query.filter.prefix_bits = 8
            query.filter.peer = FaultyWorker.loopback(port: 0)
            let capture = try #require(iocp_capture_create(&query))
            defer { iocp_capture_release(capture) }
            try #require(iocp_port_capture(worker.port, 0, capture) == 0)
            worker.turn()
            worker.fail(INTERNALS_FAULT_PEER, with: error, times: 2)
            for byte in UInt8(1)...4 {
                try peer.send([byte])
                try worker.until("received") { worker.received.count == Int(byte) }
            }
            // The first two found no answer: for whether it is meant.
            #expect(iocp_capture_totals_of(capture).connections == 1)
            #expect(iocp_capture_totals_of(capture).records == 3, "its ends, and two bytes")
        }
    }
}
