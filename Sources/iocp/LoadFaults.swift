import IOCP

/// What went wrong, counted, with the first of each kind in words.
struct LoadFaults: Sendable {
    private(set) var errors = 0
    private(set) var mismatches = 0
    private var firstError = ""
    private var firstMismatch = ""

    mutating func addError(_ words: String) {
        if errors == 0 { firstError = words }
        errors += 1
    }

    mutating func addMismatch(_ words: String) {
        if mismatches == 0 { firstMismatch = words }
        mismatches += 1
    }

    var isEmpty: Bool { errors == 0 && mismatches == 0 }

    /// One line, or nil when nothing went wrong.
    var description: String? {
        var parts: [String] = []
        if mismatches > 0 {
            parts.append(Figure.counted(mismatches, "mismatch", plural: "mismatches") + ", first " + firstMismatch)
        }
        if errors > 0 { parts.append(firstError + (errors > 1 ? " (and \(errors - 1) more)" : "")) }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }
}

extension CloseReason {
    /// In words, for a connection that was not to be closed.
    var explanation: String {
        switch self {
        case .peer: "it sent FIN"
        case .reset(let error), .failed(let error): "\(error)"
        case .local, .aborted, .stopped: "it was closed here"
        case .idleTimeout, .receiveTimeout, .sendTimeout: "it was silent for too long"
        case .sendOverflow: "it does not read"
        }
    }
}
