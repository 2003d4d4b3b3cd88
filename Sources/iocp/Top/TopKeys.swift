#if Command
/// What a key asks for.
enum TopKey: Equatable {
    case quit, pause, help, nextSort
    case sort(TopSort)
    case scroll(TopScroll)
    /// The next process that has a port, or the one before.
    case process(forward: Bool)
    /// A key that has no meaning.
    case other

    /// The keys in what a terminal sent. A sequence that was cut at the end of a read counts as another key: it is asked for
    /// again by pressing it again.
    static func keys(in bytes: [UInt8]) -> [TopKey] {
        var keys: [TopKey] = []
        var rest = bytes[...]
        while let first = rest.popFirst() {
            guard first == 0x1b, let second = rest.first, second == UInt8(ascii: "[") || second == UInt8(ascii: "O")
            else {
                keys.append(key(first))
                continue
            }
            // ESC [ parameters letter: ECMA-48. A letter, or "~", ends it.
            rest.removeFirst()
            let parameters = rest.prefix { (0x20...0x3f).contains($0) }
            rest = rest.dropFirst(parameters.count)
            guard let last = rest.popFirst() else { return keys + [.other] }
            keys.append(sequence(last, parameters))
        }
        return keys
    }

    private static func key(_ byte: UInt8) -> TopKey {
        switch byte {
        case UInt8(ascii: "q"), UInt8(ascii: "Q"): .quit
        case UInt8(ascii: "p"), UInt8(ascii: " "): .pause
        case UInt8(ascii: "h"), UInt8(ascii: "?"): .help
        case UInt8(ascii: "s"): .nextSort
        case UInt8(ascii: "j"): .scroll(.rows(1))
        case UInt8(ascii: "k"): .scroll(.rows(-1))
        case UInt8(ascii: "\t"): .process(forward: true)
        default: TopSort.allCases.first { $0.key.asciiValue == byte }.map(TopKey.sort) ?? .other
        }
    }

    private static func sequence(_ last: UInt8, _ parameters: ArraySlice<UInt8>) -> TopKey {
        switch (last, String(decoding: parameters, as: UTF8.self)) {
        case (UInt8(ascii: "A"), _): .scroll(.rows(-1))
        case (UInt8(ascii: "B"), _): .scroll(.rows(1))
        case (UInt8(ascii: "C"), _): .process(forward: true)
        case (UInt8(ascii: "D"), _), (UInt8(ascii: "Z"), _): .process(forward: false)
        case (UInt8(ascii: "H"), _), (UInt8(ascii: "~"), "1"), (UInt8(ascii: "~"), "7"): .scroll(.start)
        case (UInt8(ascii: "F"), _), (UInt8(ascii: "~"), "4"), (UInt8(ascii: "~"), "8"): .scroll(.end)
        case (UInt8(ascii: "~"), "5"): .scroll(.pages(-1))
        case (UInt8(ascii: "~"), "6"): .scroll(.pages(1))
        default: .other
        }
    }
}

enum TopScroll: Equatable {
    case rows(Int)
    case pages(Int)
    case start, end
}

/// What the workers are ordered by. All but the worker's own number begin with the largest.
enum TopSort: String, CaseIterable {
    case worker, connections, messages, busy, unsent
    case received = "in"
    case sent = "out"

    /// The key that chooses it.
    var key: Character { rawValue.first! }

    var next: TopSort {
        let all = TopSort.allCases
        return all[(all.firstIndex(of: self)! + 1) % all.count]
    }
}
#endif
