/// The two tables of a workload: how fast, and what holding the connections costs.
extension Report.Section {
    var speed: Table {
        var table = Table(headers: [
            "server", "connections", "throughput", "iocp/this", "CPU/message", "lowest-highest",
            "this/epoll", "p50", "p99", "p99.9", "max", "server core", "load core",
        ])
        for row in rows {
            guard let median = row.median else {
                table.append(failedCells(row, columns: table.headers.count))
                continue
            }
            table.append([
                row.contender,
                Figure.count(median.connectionsAccepted),
                Figure.rate(median.messagesPerSecond),
                Figure.ratio(row.subjectThroughputOverThis),
                Figure.microseconds(median.serverCPUMicrosecondsPerMessage),
                cpuRange(row.rounds),
                Figure.ratio(row.cpuOverReference),
                Figure.latency(median.latencyP50Microseconds),
                Figure.latency(median.latencyP99Microseconds),
                Figure.latency(median.latencyP999Microseconds),
                Figure.latency(median.latencyMaxMicroseconds),
                Figure.percent(median.serverCoreBusy),
                Figure.percent(median.loadCoreBusy),
            ])
        }
        return table
    }

    var holding: Table {
        var table = Table(headers: [
            "server", "connections", "user memory/connection",
            "kernel memory/connection, both ends", "open descriptors", "threads",
        ])
        for row in rows {
            guard let median = row.median else {
                table.append(failedCells(row, columns: table.headers.count))
                continue
            }
            table.append([
                row.contender,
                Figure.count(median.connectionsAccepted),
                Figure.bytes(median.userBytesPerConnection),
                Figure.bytes(median.kernelBytesPerConnection),
                Figure.count(median.serverOpenDescriptors),
                Figure.count(median.serverThreads),
            ])
        }
        return table
    }

    /// The reason stands in the notes below the table.
    private func failedCells(_ row: Report.Row, columns: Int) -> [String] {
        let state = row.failures.isEmpty ? "not run" : "failed"
        return [row.contender, state] + Array(repeating: "-", count: columns - 2)
    }

    private func cpuRange(_ rounds: [Measurement]) -> String {
        let figures = rounds.map(\.serverCPUMicrosecondsPerMessage)
        guard let lowest = figures.min(), let highest = figures.max() else { return "-" }
        return "\(Figure.microseconds(lowest)) - \(Figure.microseconds(highest))"
    }
}
