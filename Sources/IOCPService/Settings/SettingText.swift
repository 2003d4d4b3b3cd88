#if Service
import IOCP

/// What an operator may write for a value.
enum SettingForm: Equatable, Sendable {
    case number
    /// Bytes: "65536", "64KiB", "1MiB", "1GiB".
    case size
    /// "10us", "250ms", "30s", "5m", "12h", "1d".
    case duration
    case flag
    case words([String])
    case text
    /// Separated by commas.
    case list
    case address
    case unixSocket
    /// Octal, as chmod(1) has it.
    case permissions
    /// As `taskset -c` has them: "0,2,8-11"; or words.
    case cpus

    /// Whether true and false may be values.
    var takesFlags: Bool {
        switch self {
        case .flag: true
        case .words(let words): words.contains("true")
        default: false
        }
    }

    /// As it stands behind "and may be".
    var description: String {
        switch self {
        case .number: "a number"
        case .size: "bytes: 65536, 64KiB, 1MiB"
        case .duration: "a time: 250ms, 30s, 5m, 1h"
        case .flag: "true or false"
        case .words(let words): words.joined(separator: ", ")
        case .text: "a text"
        case .list: "texts, separated by commas"
        case .address: "HOST:PORT, [IPv6]:PORT, unix:PATH or unix:@NAME"
        case .unixSocket: "unix:PATH or unix:@NAME"
        case .permissions: "octal permissions: 660"
        case .cpus: "automatic, every-cpu, cores, unbound, or CPUs: 0,2,8-11"
        }
    }
}

/// A text that is no such value.
struct NoSuchValue: Error {}

/// How values are written.
protocol SettingValue: Sendable {
    init(setting text: String) throws(NoSuchValue)
    var asSetting: String { get }
}

/// One way to write a value.
struct Notation<Value>: Sendable {
    let read: @Sendable (String) throws(NoSuchValue) -> Value
    let write: @Sendable (Value) -> String
}

extension Notation where Value: SettingValue & SendableMetatype {
    static var plain: Notation {
        Notation(
            read: { (text) throws(NoSuchValue) in try Value(setting: text) }, write: { $0.asSetting })
    }
}

extension Int: SettingValue {
    init(setting text: String) throws(NoSuchValue) {
        guard let value = Int(text) else { throw NoSuchValue() }
        self = value
    }

    var asSetting: String { String(self) }
}

extension Bool: SettingValue {
    init(setting text: String) throws(NoSuchValue) {
        switch text.lowercased() {
        case "true", "yes", "on", "1": self = true
        case "false", "no", "off", "0": self = false
        default: throw NoSuchValue()
        }
    }

    var asSetting: String { self ? "true" : "false" }
}

extension String: SettingValue {
    init(setting text: String) throws(NoSuchValue) {
        if text.isEmpty { throw NoSuchValue() }
        self = text
    }

    var asSetting: String { self }
}

extension Duration: SettingValue {
    private static let units: [(suffix: String, nanoseconds: Int64)] = [
        ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
        ("h", 3_600_000_000_000), ("d", 86_400_000_000_000),
    ]

    /// A number without a unit is refused: it is seconds here and milliseconds there.
    init(setting text: String) throws(NoSuchValue) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int64(digits), let unit = Self.units.first(where: { $0.suffix == text[digits.endIndex...] })
        else { throw NoSuchValue() }
        let (product, overflows) = count.multipliedReportingOverflow(by: unit.nanoseconds)
        if overflows { throw NoSuchValue() }
        self = .nanoseconds(product)
    }

    var asSetting: String {
        let nanoseconds = components.seconds &* 1_000_000_000 &+ components.attoseconds / 1_000_000_000
        let unit = Self.units.last { nanoseconds % $0.nanoseconds == 0 } ?? Self.units[0]
        return nanoseconds == 0 ? "0s" : "\(nanoseconds / unit.nanoseconds)\(unit.suffix)"
    }
}

extension Notation<Int> {
    private static let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]

    /// Bytes.
    static let size = Notation(
        read: { (text) throws(NoSuchValue) in
            let digits = text.prefix { $0.isASCII && $0.isNumber }
            let suffix = String(text[digits.endIndex...])
            let unit = suffix.isEmpty || suffix == "B" ? 1 : units.first { $0.0 == suffix }?.1
            guard let count = Int(digits), let unit else { throw NoSuchValue() }
            let (product, overflows) = count.multipliedReportingOverflow(by: unit)
            if overflows { throw NoSuchValue() }
            return product
        },
        write: { bytes in
            guard let unit = units.last(where: { bytes != 0 && bytes % $0.1 == 0 }) else { return String(bytes) }
            return "\(bytes / unit.1)\(unit.0)"
        })
}

extension WorkerPlacement: SettingValue {
    init(setting text: String) throws(NoSuchValue) {
        guard let placement = WorkerPlacement(text) else { throw NoSuchValue() }
        self = placement
    }

    var asSetting: String { description }
}

extension ListenAddress: SettingValue {
    init(setting text: String) throws(NoSuchValue) {
        guard let address = ListenAddress(text) else { throw NoSuchValue() }
        self = address
    }

    var asSetting: String { description }
}

extension UnixAddress: SettingValue {
    init(setting text: String) throws(NoSuchValue) {
        guard case .unix(let address)? = ListenAddress(text) else { throw NoSuchValue() }
        self = address
    }

    var asSetting: String { "unix:\(self)" }
}
#endif
