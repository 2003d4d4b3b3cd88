import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Counters and gauges that the application names.
    @Suite struct OwnCounters {
        private static func counts() throws -> [OwnCount] { try PortStats(processID: getpid()).ownCounts }

        @Test("they are counted on workers and elsewhere, and read from outside", arguments: testedDrivers)
        func counted(driver: Driver) async throws {
            let (orders, depth) = (Locked<OwnCounter?>(nil), Locked<OwnGauge?>(nil))
            var behaviour = Behaviour()
            behaviour.posted = { value, _, worker throws(IOCPError) in
                orders.withLock { $0 }?.add(value, on: worker)
                depth.withLock { $0 }?.add(-1, on: worker)
            }
            try await withServer(driver, { _ in }, behaviour) { server, _, _ in
                let (made, gauge) = (try server.port.counter("orders"), try server.port.gauge("depth"))
                orders.withLock { $0 = made }
                depth.withLock { $0 = gauge }
                try await onThreads(8) { thread in
                    for _ in 0..<1_000 { made.add() }
                    gauge.add(Int64(thread))
                }
                for post in 1...100 { try server.port.post(UInt64(post), toWorker: post % 2) }
                try await eventually("all are counted") { made.value == 8_000 + 5_050 }
                try await eventually("and all are taken") { gauge.value == 28 - 100 }
                // The same name is the same counter.
                try server.port.counter("orders").add(2)
                #expect(made.value == 8_000 + 5_050 + 2)
                let page = try Self.counts()
                #expect(
                    page == [
                        OwnCount(name: "orders", kind: .counter, value: 13_052),
                        OwnCount(name: "depth", kind: .gauge, value: -72),
                    ])
                // They keep the port, whose descriptors are counted at the end.
                orders.withLock { $0 = nil }
                depth.withLock { $0 = nil }
            }
        }

        @Test("what is no name, has another kind, or is one too many, is refused")
        func refused() throws {
            let port = try CompletionPort(oneWorker(.epoll))
            func code(_ call: () throws(IOCPError) -> Void) -> Int32? { refusal(call)?.code }
            for name in ["", "Orders", "or ders", "order\u{e4}", "a\0b", String(repeating: "a", count: 32)] {
                #expect(code { () throws(IOCPError) in _ = try port.counter(name) } == EINVAL, "\(name)")
            }
            _ = try port.counter("orders")
            #expect(code { () throws(IOCPError) in _ = try port.gauge("orders") } == EEXIST)
            for index in 1..<64 { _ = try port.gauge("g\(index)") }
            #expect(code { () throws(IOCPError) in _ = try port.counter("more") } == ENOSPC)
            _ = try port.counter("orders")
        }
    }
}
