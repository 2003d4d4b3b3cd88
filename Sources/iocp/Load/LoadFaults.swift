#if Command
import IOCP

/// What went wrong, counted, with one of each kind in words: that of the connection with the lowest number, so that two
/// runs of the same failure say the same.
struct LoadFaults: Sendable {
    private(set) var errors = 0
    private(set) var mismatches = 0
    private var firstError = First()
    private var firstMismatch = First()

    private struct First: Sendable {
        var number = Int.max
        var words = ""

        mutating func see(_ other: String, of number: Int) {
            guard number < self.number || words.isEmpty else { return }
            (self.number, words) = (number, other)
        }
    }

    /// - Parameter number: of the connection among all; the largest for what belongs to none.
    mutating func addError(_ words: String, of number: Int) {
        firstError.see(words, of: number)
        errors += 1
    }

    mutating func addMismatch(_ words: String, of number: Int) {
        firstMismatch.see(words, of: number)
        mismatches += 1
    }

    var isEmpty: Bool { errors == 0 && mismatches == 0 }

    /// One line, or nil when nothing went wrong.
    var description: String? {
        var parts: [String] = []
        if mismatches > 0 {
            parts.append(
                Figure.counted(mismatches, "mismatch", plural: "mismatches") + ", first " + firstMismatch.words)
        }
        if errors > 0 { parts.append(firstError.words + (errors > 1 ? " (and \(errors - 1) more)" : "")) }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }
}

extension CloseReason {
    /// In words, for a connection that was not to be closed.
    var explanation: String {
        switch self {
        case .peer: "it sent FIN"
        case .reset(let error), .failed(let error), .handlerThrew(let error): "\(error)"
        case .local, .aborted, .stopped: "it was closed here"
        case .idleTimeout, .receiveTimeout, .sendTimeout: "it was silent for too long"
        case .sendOverflow: "it does not read"
        }
    }
}
#endif
