import Glibc
import IOCP
import Testing

/// One worker echoes on its own thread and counts what it opened, until `body` ends on another. Then the port stops, and
/// nothing is held.
func withEcho(on port: CompletionPort, _ body: @escaping @Sendable (Locked<Int>) throws -> Void) async throws {
    let opened = Locked(0)
    let ready = Locked(false)
    try await onThreads(2) { thread in
        if thread == 0 {
            let worker = try port.attachWorker()
            ready.withLock { $0 = true }
            var batch = CompletionBatch()
            while let count = try? worker.wait(into: &batch) {
                for index in 0..<count {
                    if case .opened = batch[index].event { opened.withLock { $0 += 1 } }
                    if let bytes = batch.takeBytes(at: index) {
                        try worker.send(bytes, to: batch[index].connection!)
                    }
                }
            }
            #expect(worker.holdings.isEmpty)
        } else {
            defer { port.stop() }
            while !ready.withLock({ $0 }) { sched_yield() }
            try body(opened)
        }
    }
}
