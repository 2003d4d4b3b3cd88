import Foundation

/// A target in one workload that was measured, and whether it was met.
struct TargetOutcome: Codable {
    var workload: String
    var figure: Target.Figure
    /// The other server of a ratio.
    var over: String?
    var atMost: Double
    var measured: Spread
    var isMet: Bool

    /// Those of `targets` whose workload and servers were measured, in their order.
    static func all(of targets: [Target], in entries: [Schedule.Entry]) -> [TargetOutcome] {
        targets.flatMap { target in
            target.workloads.compactMap { workload in
                outcome(of: target, in: entries.filter { $0.workload.name == workload }, workload)
            }
        }
    }

    private static func outcome(of target: Target, in entries: [Schedule.Entry], _ workload: String) -> TargetOutcome? {
        guard let subject = entries.first(where: { $0.contender.name == Contender.subject }),
            let measured = spread(of: target, subject, in: entries)
        else { return nil }
        return TargetOutcome(
            workload: workload, figure: target.figure, over: target.over, atMost: target.atMost,
            measured: measured, isMet: measured.median <= target.atMost)
    }

    private static func spread(of target: Target, _ subject: Schedule.Entry, in entries: [Schedule.Entry]) -> Spread? {
        guard let figure = target.figure.ofSlice else {
            return Spread(of: target.figure.value(in: subject).map { [$0] } ?? [])
        }
        guard let over = target.over else { return Spread(of: subject.slices.map { $0[keyPath: figure] }) }
        return entries.first { $0.contender.name == over }.flatMap { Spread(ofRatios: figure, in: $0.pairs) }
    }
}

extension Report {
    /// `nil` when no target was measured.
    var targetTable: Table? {
        var table = Table(
            headers: ["workload", "target", "at most", "measured", "quartiles", "outcome"], leading: 2)
        for outcome in targets {
            let (measured, figure) = (outcome.measured, outcome.figureText)
            table.append([
                outcome.workload,
                outcome.figure.rawValue + (outcome.over.map { " over \($0)" } ?? ""),
                figure(outcome.atMost), figure(measured.median),
                measured.count == 1 ? "-" : "\(figure(measured.lower)) - \(figure(measured.upper))",
                outcome.isMet ? "met" : "missed",
            ])
        }
        return table.rows.isEmpty ? nil : table
    }
}

extension TargetOutcome {
    fileprivate var figureText: (Double) -> String {
        // One digit more than elsewhere: 0.804 is not 0.80 at most.
        if over != nil { return { String(format: "%.3fx", $0) } }
        return switch figure {
        case .userBytesPerConnection: { Figure.bytes($0) }
        case .kernelEntriesPerMessage, .allocationsPerMessage: { Figure.fraction($0) }
        case .cpu: { Figure.microseconds($0) }
        case .latencyP99, .latencyP999: { Figure.latency($0) }
        }
    }
}
