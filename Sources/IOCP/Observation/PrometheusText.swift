/// Workers' counters in Prometheus' text exposition format, version 0.0.4: what `iocp stats --prometheus` prints and
/// ``MetricsEndpoint`` serves.
///
/// Every field is one metric: `iocp_` and the field's name. A counter ends in `_total`. A time is in seconds. Each worker is
/// one sample, with the label `worker`; so a sum over workers is the reader's to make. Two metrics come from no field:
/// `iocp_worker_info` tells a worker's driver, CPU and node by labels, and `iocp_since_wait_seconds` is
/// ``WorkerStats/busy(at:)``.
///
/// A metric's samples have to stand together, so several processes are added to one value.
///
/// The fields may come from another process' page: whatever numbers it has, and whatever fields, the text keeps to the format.
public struct PrometheusText: Sendable {
    /// The `Content-Type` of the text.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// One metric with its samples.
    private struct Family {
        let type: String
        let help: String
        var samples = ""
    }
    private var families: [(name: String, family: Family)] = []
    private var places: [String: Int] = [:]

    /// Without metrics.
    public init() {}

    /// Adds the workers of one process.
    /// - Parameters:
    ///   - fields: the fields of the page that the workers come from.
    ///   - driver: the driver's name.
    ///   - processID: becomes the label `pid` of every sample; give it where several processes are added.
    ///   - now: the monotonic clock at the reading.
    /// - Complexity: O(workers * fields).
    public mutating func add(
        _ workers: [WorkerStats], fields: [StatsField] = WorkerStats.fields, driver: String, processID: Int32? = nil,
        at now: Duration
    ) {
        let labels = workers.indices.map { index in
            (processID.map { "pid=\"\($0)\"," } ?? "") + "worker=\"\(index)\""
        }
        let info = place(
            of: "iocp_worker_info", "gauge", "Always 1: the labels tell the worker's driver, CPU and node.")
        for (worker, labels) in zip(workers, labels) {
            let core = worker.core.map(String.init) ?? ""
            append(to: info, "\(labels),driver=\"\(driver)\",core=\"\(core)\",node=\"\(worker.node)\"", "1")
        }
        let wait = place(
            of: "iocp_since_wait_seconds", "gauge", "Time that handlers run since the latest wait; 0 while it sleeps.")
        for (worker, labels) in zip(workers, labels) where worker[.heartbeat] != nil && worker[.asleep] != nil {
            append(to: wait, labels, Self.seconds(worker.busy(at: now).wholeNanoseconds))
        }
        // Two fields of another build may have names that become one here. A metric has one type, so the first counts.
        var taken: Set<String> = ["iocp_worker_info", "iocp_since_wait_seconds"]
        for field in fields where taken.insert(field.metricName).inserted {
            add(field, of: workers, labels)
        }
        for (worker, labels) in zip(workers, labels) {
            for histogram in worker.histograms { add(histogram, labels) }
        }
    }

    /// The application's own counters of a process, each with the prefix `iocp_own_`.
    public mutating func add(_ counts: [OwnCount], processID: Int32? = nil) {
        for count in counts {
            let isCounter = count.kind == .counter
            let suffix = isCounter && !count.name.hasSuffix("_total") ? "_total" : ""
            let place = place(
                of: "iocp_own_\(count.name)\(suffix)", isCounter ? "counter" : "gauge", "The application's own.")
            append(to: place, processID.map { "pid=\"\($0)\"" } ?? "", isCounter ? "\(UInt64(bitPattern: count.value))" : "\(count.value)")
        }
    }

    /// Cumulative, as the format asks for it: bucket by bucket up to what values may be at most.
    private mutating func add(_ histogram: StatsHistogram, _ labels: String) {
        let isTime = histogram.unit == .nanoseconds
        var name = "iocp_" + histogram.name
        if isTime {
            if name.hasSuffix("_ns") { name.removeLast(3) }
            name += "_seconds"
        }
        let help = histogram.summary.isEmpty ? "A histogram that only the build of the process knows." : histogram.summary
        let place = place(of: name, "histogram", help)
        var count: UInt64 = 0
        for (index, bucket) in histogram.buckets.enumerated() {
            count &+= bucket
            let bound = histogram.upperBound(ofBucket: index).map { isTime ? Self.seconds($0) : String($0) } ?? "+Inf"
            append(to: place, suffix: "_bucket", "\(labels),le=\"\(bound)\"", String(count))
        }
        append(to: place, suffix: "_sum", labels, isTime ? Self.seconds(histogram.sum) : String(histogram.sum))
        append(to: place, suffix: "_count", labels, String(count))
    }

    /// The samples of one field. A field that is more than one number per worker has its own way here.
    private mutating func add(_ field: StatsField, of workers: [WorkerStats], _ labels: [String]) {
        let help = field.summary.isEmpty ? "A field that only the build of the process knows." : field.summary
        let place = place(of: field.metricName, field.metricType, help)
        for (worker, labels) in zip(workers, labels) {
            guard let value = worker[field] else { continue }
            append(to: place, labels, field.unit == .nanoseconds ? Self.seconds(value) : String(value))
        }
    }

    private mutating func append(to place: Int, suffix: String = "", _ labels: String, _ value: String) {
        let braces = labels.isEmpty ? "" : "{\(labels)}"
        families[place].family.samples += "\(families[place].name)\(suffix)\(braces) \(value)\n"
    }

    private mutating func place(of name: String, _ type: String, _ help: String) -> Int {
        if let place = places[name] { return place }
        places[name] = families.count
        families.append((name, Family(type: type, help: help)))
        return families.count - 1
    }

    /// The whole text. A metric without a sample is left out.
    public var text: String {
        families.reduce(into: "") { text, entry in
            guard !entry.family.samples.isEmpty else { return }
            let help = entry.family.help.map { character -> String in
                switch character {
                case "\\": "\\\\"
                case "\n": "\\n"
                default: String(character)
                }
            }.joined()
            text += "# HELP \(entry.name) \(help)\n# TYPE \(entry.name) \(entry.family.type)\n"
            text += entry.family.samples
        }
    }

    /// 1500000000 as "1.5": to the nanosecond, which a floating-point number is not.
    static func seconds(_ nanoseconds: UInt64) -> String {
        let (whole, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        if rest == 0 { return String(whole) }
        var digits = String(rest + 1_000_000_000).dropFirst()
        while digits.last == "0" { digits.removeLast() }
        return "\(whole).\(digits)"
    }
}

extension StatsField {
    /// The field's metric: "iocp_received_bytes_total", "iocp_heartbeat_seconds".
    var metricName: String {
        var metric = "iocp_" + name
        if unit == .nanoseconds {
            if metric.hasSuffix("_ns") { metric.removeLast(3) }
            metric += "_seconds"
        }
        return kind == .counter && !metric.hasSuffix("_total") ? metric + "_total" : metric
    }

    fileprivate var metricType: String {
        switch kind {
        case .counter: "counter"
        case .gauge: "gauge"
        case .unknown: "untyped"
        }
    }
}

extension PrometheusText {
    /// Adds another process, as of its latest reading.
    /// - Parameter namesProcess: whether the samples have the label `pid`.
    public mutating func add(_ stats: borrowing PortStats, namesProcess: Bool) {
        var workers: [WorkerStats] = []
        for index in 0..<stats.workerCount { workers.append(stats[index]) }
        add(
            workers, fields: stats.fields, driver: stats.driver, processID: namesProcess ? stats.processID : nil,
            at: .onMonotonicClock)
        add(stats.ownCounts, processID: namesProcess ? stats.processID : nil)
    }
}

extension PortStats {
    /// The counters as Prometheus reads them.
    public func prometheusText() -> String {
        var text = PrometheusText()
        text.add(self, namesProcess: false)
        return text.text
    }
}

extension CompletionPort {
    /// The counters of this port as Prometheus reads them. ``serveMetrics(on:)`` serves them.
    public func prometheusText() -> String {
        var text = PrometheusText()
        text.add((0..<workerCount).map(stats(ofWorker:)), driver: "\(driver)", at: .onMonotonicClock)
        text.add(ownCounts)
        return text.text
    }
}
