import IOCP
import Testing

/// The code of docs/STATS.md, in a program that runs it.
private func count(on port: CompletionPort, _ worker: Worker) throws {
    let orders = try port.counter("orders")
    orders.add()
    orders.add(2, on: worker)
}

extension RealSockets.OwnCounters {
    @Test("the example of the documents counts", arguments: testedDrivers)
    func example(driver: Driver) throws {
        let port = try CompletionPort(oneWorker(driver))
        let worker = try port.attachWorker()
        try count(on: port, worker)
        #expect(try port.counter("orders").value == 3)
    }
}
