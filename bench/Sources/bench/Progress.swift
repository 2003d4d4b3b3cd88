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

    /// A line for each server that took turns.
    func measured(_ entries: [Schedule.Entry]) {
        write("\n")
        for entry in entries {
            let name = entry.contender.name.padding(toLength: 14, withPad: " ", startingAt: 0)
            if let failure = entry.failure {
                write("    \(name)  FAILED: \(failure)\n")
            } else if let cpu = Spread(of: entry.slices.map(\.serverCPUMicrosecondsPerMessage)),
                let rate = Spread(of: entry.slices.map(\.messagesPerSecond))
            {
                let kind = entry.workload.kind
                write(
                    "    \(name)  \(Figure.spread(cpu, Figure.microseconds)) CPU/\(kind.noun), "
                        + "\(Figure.rate(rate.median, kind.unit)), \(cpu.count) slices\n")
            }
        }
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
