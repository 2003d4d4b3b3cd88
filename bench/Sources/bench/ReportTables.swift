/// The tables of a workload: how fast, how iocp compares, and what holding the connections costs.
extension Report.Section {
    var speed: Table {
        var headers = [
            "server", "connections", "throughput", "quartiles", "CPU/\(noun)", "quartiles",
            "p50", "p99", "p99.9", "max",
        ]
        if let besides { headers += ["p50", "p99", "p99.9"].map { "\(besides) \($0)" } }
        var table = Table(headers: headers + ["server core", "load core"])
        for row in rows {
            guard let figures = row.figures, let holding = row.holding else {
                table.append(failedCells(row, columns: table.headers.count))
                continue
            }
            let (cpu, rate) = (figures.serverCPUMicrosecondsPerMessage, figures.messagesPerSecond)
            var cells = [
                row.contender,
                Figure.count(holds ? holding.connectionsAccepted : holding.connectionsEstablished),
                Figure.rate(rate.median, unit), "\(Figure.count(rate.lower)) - \(Figure.count(rate.upper))",
                Figure.microseconds(cpu.median),
                "\(Figure.microseconds(cpu.lower)) - \(Figure.microseconds(cpu.upper))",
            ]
            let latency = figures.latencyMicroseconds
            cells += [latency.p50, latency.p99, latency.p999, latency.max].map(Figure.latency)
            if let besides = figures.besidesMicroseconds {
                cells += [besides.p50, besides.p99, besides.p999].map(Figure.latency)
            }
            table.append(
                cells + [Figure.percent(figures.serverCoreBusy.median), Figure.percent(figures.loadCoreBusy.median)])
        }
        return table
    }

    /// Medians with quartiles; `nil` when there is nobody to compare with.
    var comparison: Table? {
        var table = Table(headers: ["iocp over", "pairs", "CPU/\(noun)", "throughput", "p50", "p99", "p99.9"])
        for row in rows {
            guard let ratios = row.subjectOverThis else { continue }
            table.append(
                [row.contender, "\(ratios.cpu.count)"]
                    + [ratios.cpu, ratios.throughput, ratios.latencyP50, ratios.latencyP99, ratios.latencyP999]
                    .map(Figure.difference))
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
            guard let holding = row.holding else {
                table.append(failedCells(row, columns: table.headers.count))
                continue
            }
            table.append([
                row.contender,
                Figure.count(holding.connectionsAccepted),
                Figure.bytes(holding.userBytesPerConnection),
                Figure.bytes(holding.kernelBytesPerConnection),
                Figure.count(holding.openDescriptors),
                Figure.count(holding.threads),
            ])
        }
        return table
    }

    /// The reason stands in the notes below the table.
    private func failedCells(_ row: Report.Row, columns: Int) -> [String] {
        let state = !row.isBuilt ? "not built" : row.failure == nil ? "not run" : "failed"
        return [row.contender, state] + Array(repeating: "-", count: columns - 2)
    }
}
