#if Command
/// What a look at the machine brought: a value, or the reason why there is none. Nothing unreadable ends the doctor.
enum Reading<Value> {
    case found(Value)
    case unknown(String)

    var value: Value? {
        switch self {
        case .found(let value): value
        case .unknown: nil
        }
    }

    func map<Other>(_ transform: (Value) -> Other) -> Reading<Other> {
        switch self {
        case .found(let value): .found(transform(value))
        case .unknown(let reason): .unknown(reason)
        }
    }

    func flatMap<Other>(_ transform: (Value) -> Reading<Other>) -> Reading<Other> {
        switch self {
        case .found(let value): transform(value)
        case .unknown(let reason): .unknown(reason)
        }
    }
}

/// Reads numbers out of files that may hold anything.
enum Number {
    /// What is larger stands for "no limit". The bound keeps every product that the doctor forms within 64 bits.
    static let most = 1 << 48

    /// A decimal number of at least 0; a large one becomes `most`.
    static func parse(_ text: some StringProtocol) -> Int? {
        let digits = String(text.filter { !$0.isWhitespace })
        guard !digits.isEmpty, digits.count <= 20, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return min(Int(digits) ?? most, most)
    }

    /// Exactly `count` numbers between blanks.
    static func parse(_ text: String, count: Int) -> [Int]? {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count == count else { return nil }
        let numbers = words.compactMap { parse($0) }
        return numbers.count == count ? numbers : nil
    }
}

/// Lists of CPUs and nodes as the kernel writes them: "0-3,8".
enum NumberList {
    /// The largest CPU number that Linux can be built for is 8,191.
    private static let most = 8_191

    static func parse(_ text: String) -> [Int]? {
        var numbers: Set<Int> = []
        for part in text.filter({ !$0.isWhitespace }).split(separator: ",") {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Number.parse($0) }
            guard let first = ends[0], let last = ends.count == 1 ? first : ends.last ?? nil, ends.count <= 2,
                first <= last, last <= most
            else { return nil }
            numbers.formUnion(first...last)
        }
        return numbers.isEmpty ? nil : numbers.sorted()
    }

    /// The reverse of `parse`.
    static func text(_ numbers: [Int]) -> String {
        var ranges: [ClosedRange<Int>] = []
        for number in numbers {
            if let last = ranges.last, last.upperBound + 1 == number {
                ranges[ranges.count - 1] = last.lowerBound...number
            } else {
                ranges.append(number...number)
            }
        }
        return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ",")
    }
}
#endif
