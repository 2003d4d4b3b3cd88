import CIOCPInternals
import Glibc
import IOCP
import Testing

extension RealSockets.Faults {
    /// What a worker cannot go on after ends the process with a message, instead of losing completions in silence.
    @Suite struct Fatal {
        /// What a process said that ended as a wait failed.
        private func saidAtFailingWait(_ driver: Driver, _ error: Errno) async -> String {
            let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
                [uring = (driver == .uring) as Bool, code = error.code as Int32] in
                let worker = try FaultyWorker(uring ? .uring : .epoll)
                worker.turn()
                worker.fail(INTERNALS_FAULT_WAIT, with: Errno(code))
                worker.turn()
            }
            return String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        }

        @Test("a ring that cannot be relied on", arguments: Errors.enterFatal)
        func enter(error: Errno) async {
            let said = await saidAtFailingWait(.uring, error)
            #expect(said.contains(error.code == EBADR ? "a completion was lost" : "the ring cannot be used"))
            #expect(said.contains(String(cString: strerror(error.code))))
        }

        @Test("an epoll set that cannot be waited for", arguments: Errors.epollFatal)
        func epollWait(error: Errno) async {
            let said = await saidAtFailingWait(.epoll, error)
            #expect(said.contains("epoll_wait failed"))
        }

        @Test("a full submission queue of which nothing is taken for a second")
        func nothingIsTaken() async {
            let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
                let worker = try FaultyWorker(.uring) {
                    $0.connections_per_worker = 128
                    $0.completion_queue_entries = 64
                }
                let open = try (0..<100).map { _ in try worker.open() }
                for _ in 0..<3 { worker.turn() }
                for (_, connection) in open { _ = worker.send(connection, [7]) }
                worker.fail(INTERNALS_FAULT_WAIT, with: Errno(EAGAIN), times: .max)
                for _ in 0..<3 { worker.turn() }
            }
            let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
            #expect(said.contains("it is out of memory"))
        }
    }
}
