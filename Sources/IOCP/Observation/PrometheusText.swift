/// Workers' counters in Prometheus' text exposition format, version 0.0.4: what `iocp stats --prometheus` prints and
/// ``MetricsEndpoint`` serves.
///
/// Every field is one metric: `iocp_` and the field's name. A counter ends in `_total`. A time is in seconds. Each worker is
/// one sample, with the label `worker`; so a sum over workers is the reader's to make. A histogram is of all workers together. Two
/// metrics come from no field: `iocp_worker_info` tells a worker's driver, CPU and node by labels, and `iocp_since_wait_seconds`
/// is ``WorkerStats/busy(at:)``.
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
    /// Which metric a series' name belongs to.
    private var owners: [String: String] = [:]

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
            (processID.map { Self.label($0) + "," } ?? "") + "worker=\"\(index)\""
        }
        let info = place(
            of: "iocp_worker_info", "gauge", "Always 1: the labels tell the worker's driver, CPU and node.")
        for (worker, labels) in zip(workers, labels) {
            let core = worker.core.map(String.init) ?? ""
            append(to: info, "\(labels),driver=\"\(driver)\",core=\"\(core)\",node=\"\(worker.node)\"", "1")
        }
        let features = place(
            of: "iocp_feature_info", "gauge", "Always 1: the label feature names one that the worker's driver uses.")
        for (worker, labels) in zip(workers, labels) {
            for feature in worker.driverFeatures { append(to: features, "\(labels),feature=\"\(feature.name)\"", "1") }
        }
        let wait = place(
            of: "iocp_since_wait_seconds", "gauge", "Time that handlers run since the latest wait; 0 while it sleeps.")
        for (worker, labels) in zip(workers, labels) where worker[.heartbeat] != nil && worker[.asleep] != nil {
            append(to: wait, labels, Self.seconds(worker.busy(at: now).wholeNanoseconds))
        }
        var taken: Set<String> = ["iocp_worker_info", "iocp_feature_info", "iocp_since_wait_seconds"]
        for field in fields where field.unit != .set { add(field, of: workers, labels, &taken) }
        for histogram in WorkerStats.total(of: workers).histograms { add(histogram, processID.map(Self.label), &taken) }
    }

    /// Adds the application's own counters of one process, with the prefix `iocp_own_`. Of two names that become one metric, as
    /// `orders` and `orders_total` of counters, the first counts.
    public mutating func add(_ counts: [OwnCount], processID: Int32? = nil) {
        var taken: Set<String> = []
        for count in counts {
            let isCounter = count.kind == .counter
            let name = Self.metricName("own_" + count.name, isCounter: isCounter)
            guard let place = place(of: name, isCounter ? "counter" : "gauge", "The application's own.", &taken) else { continue }
            let value = isCounter ? String(UInt64(bitPattern: count.value)) : String(count.value)
            append(to: place, processID.map(Self.label) ?? "", value)
        }
    }

    private static func label(_ processID: Int32) -> String { "pid=\"\(processID)\"" }

    /// Of all workers together: for each worker there would be 170 samples. Cumulative, as the format asks for it.
    private mutating func add(_ histogram: StatsHistogram, _ label: String?, _ taken: inout Set<String>) {
        let isTime = histogram.unit == .nanoseconds
        let name = Self.metricName(histogram.name, isTime: isTime)
        let help = histogram.summary.isEmpty ? "A histogram that only the build of the process knows." : histogram.summary
        guard let place = place(of: name, "histogram", help, &taken, series: ["_bucket", "_sum", "_count"]) else { return }
        let labels = label.map { $0 + "," } ?? ""
        var count: UInt64 = 0
        for (index, bucket) in histogram.buckets.enumerated() {
            // A page has any numbers, and the samples must not fall.
            let (sum, isTooLarge) = count.addingReportingOverflow(bucket)
            count = isTooLarge ? .max : sum
            let bound = histogram.upperBound(ofBucket: index).map { isTime ? Self.seconds($0) : String($0) } ?? "+Inf"
            append(to: place, suffix: "_bucket", "\(labels)le=\"\(bound)\"", String(count))
        }
        append(to: place, suffix: "_sum", label ?? "", isTime ? Self.seconds(histogram.sum) : String(histogram.sum))
        append(to: place, suffix: "_count", label ?? "", String(count))
    }

    /// The samples of one field.
    private mutating func add(
        _ field: StatsField, of workers: [WorkerStats], _ labels: [String], _ taken: inout Set<String>
    ) {
        let help = field.summary.isEmpty ? "A field that only the build of the process knows." : field.summary
        guard let place = place(of: field.metricName, field.metricType, help, &taken) else { return }
        for (worker, labels) in zip(workers, labels) {
            guard let value = worker[field] else { continue }
            append(to: place, labels, field.unit == .nanoseconds ? Self.seconds(value) : String(value))
        }
    }

    private mutating func append(to place: Int, suffix: String = "", _ labels: String, _ value: String) {
        let braces = labels.isEmpty ? "" : "{\(labels)}"
        families[place].family.samples += "\(families[place].name)\(suffix)\(braces) \(value)\n"
    }

    /// Where a metric's samples go; nil where its name, or that of one of its series, is another metric's. A page of another build
    /// may have names that become one here, and a metric has one type, so the first counts.
    /// - Parameter taken: the names that the process at hand has so far.
    private mutating func place(
        of name: String, _ type: String, _ help: String, _ taken: inout Set<String>, series: [String] = []
    ) -> Int? {
        let names = [name] + series.map { name + $0 }
        guard taken.isDisjoint(with: names), names.allSatisfy({ owners[$0] ?? name == name }) else { return nil }
        if let known = places[name], families[known].family.type != type { return nil }
        taken.formUnion(names)
        for each in names { owners[each] = name }
        return place(of: name, type, help)
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

extension PrometheusText {
    /// "iocp_received_bytes_total" of "received_bytes", "iocp_heartbeat_seconds" of "heartbeat_ns".
    fileprivate static func metricName(_ name: String, isCounter: Bool = false, isTime: Bool = false) -> String {
        var metric = "iocp_" + name
        if isTime {
            if metric.hasSuffix("_ns") { metric.removeLast(3) }
            metric += "_seconds"
        }
        return isCounter && !metric.hasSuffix("_total") ? metric + "_total" : metric
    }
}

extension StatsField {
    fileprivate var metricName: String {
        PrometheusText.metricName(name, isCounter: kind == .counter, isTime: unit == .nanoseconds)
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
