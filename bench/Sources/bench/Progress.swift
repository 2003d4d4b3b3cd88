import Foundation

/// One line on stderr for every step, so that nobody wonders what the bench is doing.
final class Progress {
    private var steps = 0
    private var step = 0
    private let started = ContinuousClock.now

    func begin(steps: Int) {
        self.steps = steps
    }

    func step(_ text: String) {
        step += 1
        let elapsed = Int((ContinuousClock.now - started).seconds)
        write("[\(step)/\(steps)] \(elapsed) s  \(text): ")
    }

    func measured(_ measurement: Measurement, _ kind: Workload.Kind) {
        let connections = Figure.count(measurement.connectionsAccepted)
        let throughput = Figure.rate(measurement.messagesPerSecond, kind.unit)
        let cpu = Figure.microseconds(measurement.serverCPUMicrosecondsPerMessage)
        write("\(connections) connections, \(throughput), \(cpu) CPU/\(kind.noun)\n")
    }

    func note(_ words: String) {
        write(words + "\n")
    }

    func failed(_ failure: Failure) {
        write("FAILED: \(failure)\n")
    }

    func skipped(_ reason: String) {
        write("skipped, \(reason)\n")
    }

    private func write(_ text: String) {
        FileHandle.standardError.write(Data(text.utf8))
    }
}
