import IOCP
import Testing

/// What the text holds that other tests do not reach: names that become one, and numbers of any size.
@Suite struct PrometheusTextTests {
    private static func lines(_ text: String, beginning start: String) -> [String] {
        text.split(separator: "\n").map(String.init).filter { $0.hasPrefix(start) }
    }

    private static func numbers(_ text: String, beginning start: String) -> [String] {
        lines(text, beginning: start).map { String($0.split(separator: " ").last!) }
    }

    /// A worker of this build whose histograms have values.
    private static func worker() throws -> WorkerStats {
        let port = try CompletionPort(oneWorker(.epoll))
        let worker = try port.attachWorker()
        var batch = CompletionBatch()
        for _ in 0..<3 {
            try port.post(1, toWorker: 0)
            _ = try worker.wait(into: &batch, timeout: .seconds(5))
        }
        return port.stats(ofWorker: 0)
    }

    @Test func ofNamesThatBecomeOneTheFirstCounts() {
        var text = PrometheusText()
        text.add([
            OwnCount(name: "orders", kind: .counter, value: 1), OwnCount(name: "orders_total", kind: .gauge, value: 2),
            OwnCount(name: "orders_total", kind: .counter, value: 3), OwnCount(name: "depth", kind: .gauge, value: -4),
        ])
        #expect(Self.lines(text.text, beginning: "iocp_own") == ["iocp_own_orders_total 1", "iocp_own_depth -4"])
        #expect(Self.lines(text.text, beginning: "# TYPE").count == 2)
    }

    @Test func aHistogramIsOfAllWorkersAndCumulative() throws {
        let worker = try Self.worker()
        let waits = try #require(worker.histograms.first { $0.name == "wait_completions" })
        #expect(waits.count == 3 && waits.sum == 3)
        var text = PrometheusText()
        text.add([worker, worker], driver: "epoll", at: .zero)
        let buckets = Self.numbers(text.text, beginning: "iocp_wait_completions_bucket").map { UInt64($0)! }
        #expect(buckets.count == 32 && buckets == buckets.sorted() && buckets.last == 6)
        #expect(Self.lines(text.text, beginning: "iocp_wait_completions_sum") == ["iocp_wait_completions_sum 6"])
        #expect(Self.lines(text.text, beginning: "iocp_wait_completions_count") == ["iocp_wait_completions_count 6"])
        #expect(Self.lines(text.text, beginning: "# TYPE iocp_turn_seconds") == ["# TYPE iocp_turn_seconds histogram"])
    }

    @Test func aSecondProcessHasItsOwnSamplesInTheSameMetrics() throws {
        let worker = try Self.worker()
        var text = PrometheusText()
        for process: Int32 in [7, 8] {
            text.add([worker], driver: "epoll", processID: process, at: .zero)
            text.add([OwnCount(name: "orders", kind: .counter, value: 5)], processID: process)
        }
        let types = Self.lines(text.text, beginning: "# TYPE")
        #expect(Set(types).count == types.count)
        #expect(Self.lines(text.text, beginning: "iocp_own") == [#"iocp_own_orders_total{pid="7"} 5"#, #"iocp_own_orders_total{pid="8"} 5"#])
        #expect(Self.lines(text.text, beginning: "iocp_wait_events_count").count == 2)
    }
}
