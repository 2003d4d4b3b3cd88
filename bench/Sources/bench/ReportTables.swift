/// The tables of a workload: how fast, how iocp compares, and what holding the connections costs.
extension Report.Section {
    var speed: Table {
        var headers = [
            "server", "connections", "throughput", "CPU/\(noun)", "lowest-highest",
            "p50", "p99", "p99.9", "max",
        ]
        if let besides { headers += ["p50", "p99", "p99.9"].map { "\(besides) \($0)" } }
        var table = Table(headers: headers + ["server core", "load core"])
        for row in rows {
            guard let median = row.median else {
                table.append(failedCells(row, columns: table.headers.count))
                continue
            }
            var cells = [
                row.contender,
                Figure.count(holds ? median.connectionsAccepted : median.connectionsEstablished),
                Figure.rate(median.messagesPerSecond, unit),
                Figure.microseconds(median.serverCPUMicrosecondsPerMessage),
                cpuRange(row.rounds),
                Figure.latency(median.latencyP50Microseconds),
                Figure.latency(median.latencyP99Microseconds),
                Figure.latency(median.latencyP999Microseconds),
                Figure.latency(median.latencyMaxMicroseconds),
            ]
            if besides != nil {
                cells += [
                    Figure.latency(median.besidesP50Microseconds),
                    Figure.latency(median.besidesP99Microseconds),
                    Figure.latency(median.besidesP999Microseconds),
                ]
            }
            table.append(
                cells + [Figure.percent(median.serverCoreBusy), Figure.percent(median.loadCoreBusy)])
        }
        return table
    }

    /// `nil` when there is nobody to compare with.
    var comparison: Table? {
        var table = Table(headers: [
            "iocp over", "rounds", "CPU/\(noun)", "lowest-highest", "throughput", "p50", "p99", "p99.9",
        ])
        for row in rows {
            guard let ratios = row.subjectOverThis else { continue }
            table.append([
                row.contender, "\(ratios.rounds)", Figure.ratio(ratios.cpu),
                "\(Figure.ratio(ratios.cpuLowest)) - \(Figure.ratio(ratios.cpuHighest))",
                Figure.ratio(ratios.throughput), Figure.ratio(ratios.latencyP50),
                Figure.ratio(ratios.latencyP99), Figure.ratio(ratios.latencyP999),
            ])
        }
        return table.rows.isEmpty ? nil : table
    }

    /// The tables in their order.
    var tables: [Table] { [speed] + (comparison.map { [$0] } ?? []) + (holds ? [holding] : []) }

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
        let state = !row.isBuilt ? "not built" : row.failures.isEmpty ? "not run" : "failed"
        return [row.contender, state] + Array(repeating: "-", count: columns - 2)
    }

    private func cpuRange(_ rounds: [Measurement]) -> String {
        let figures = rounds.map(\.serverCPUMicrosecondsPerMessage)
        guard let lowest = figures.min(), let highest = figures.max() else { return "-" }
        return "\(Figure.microseconds(lowest)) - \(Figure.microseconds(highest))"
    }
}
