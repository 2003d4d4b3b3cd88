import IOCP
import Testing

/// One call that sends, in both styles, and the bytes that it sends.
struct Way: Sendable, CustomTestStringConvertible {
    typealias Context = IocpContext<Counted>

    let name: String
    let bytes: [UInt8]
    /// Whether it is written piece by piece, and its count is not known before.
    var grows = false
    let onContext: @Sendable (Context) throws(IOCPError) -> Void
    let onWorker: @Sendable (Worker, Connection) throws(IOCPError) -> Void
    var testDescription: String { "\(name) of \(bytes.count) B" }

    /// Every way to send `count` bytes as copies.
    static func all(_ count: Int, seed: UInt64 = 1) -> [Way] {
        let bytes = pattern(count, seed: seed)
        return whole(bytes) + sequences(bytes) + inParts(bytes) + written(bytes)
    }

    private static func whole(_ bytes: [UInt8]) -> [Way] {
        let text = String(decoding: bytes.map { $0 % 26 + 97 }, as: UTF8.self)
        return [
            Way(
                name: "a raw span", bytes: bytes,
                onContext: { (to: Context) throws(IOCPError) in try to.send(bytes.span.bytes) },
                onWorker: { (worker: Worker, to: Connection) throws(IOCPError) in
                    try worker.send(bytes.span.bytes, to: to)
                }),
            Way(
                name: "a span", bytes: bytes,
                onContext: { (to: Context) throws(IOCPError) in try to.send(bytes.span) },
                onWorker: { (worker: Worker, to: Connection) throws(IOCPError) in try worker.send(bytes.span, to: to) }
            ),
            Way(
                name: "an array", bytes: bytes,
                onContext: { (to: Context) throws(IOCPError) in try to.send(bytes) },
                onWorker: { (worker: Worker, to: Connection) throws(IOCPError) in try worker.send(bytes, to: to) }),
            Way(
                name: "a string", bytes: Array(text.utf8),
                onContext: { (to: Context) throws(IOCPError) in try to.send(text) },
                onWorker: { (worker: Worker, to: Connection) throws(IOCPError) in try worker.send(text, to: to) }),
        ]
    }

    private static func sequence(_ name: String, _ bytes: some Sequence<UInt8> & Sendable, grows: Bool) -> Way {
        Way(
            name: name, bytes: Array(bytes), grows: grows,
            onContext: { (to: Context) throws(IOCPError) in try to.send(bytes) },
            onWorker: { (worker: Worker, to: Connection) throws(IOCPError) in try worker.send(bytes, to: to) })
    }

    private static func sequences(_ bytes: [UInt8]) -> [Way] {
        [
            sequence("a slice", bytes[...], grows: false),
            sequence("what cannot be copied at once", OneByOne(bytes: bytes), grows: true),
            sequence("what does not tell its count", OneByOne(bytes: bytes, tellsCount: false), grows: true),
        ]
    }

    private static func inParts(_ bytes: [UInt8]) -> [Way] {
        func quarter(_ part: Int) -> [UInt8] { Array(bytes[bytes.count * part / 4..<bytes.count * (part + 1) / 4]) }
        let first = quarter(0), second = quarter(1), third = quarter(2), fourth = quarter(3)
        let framing = LengthPrefixed(.varint)
        return [
            Way(
                name: "two parts", bytes: first + second,
                onContext: { (to: Context) throws(IOCPError) in
                    try to.send(first.span.bytes, second.span.bytes)
                },
                onWorker: { (worker: Worker, to: Connection) throws(IOCPError) in
                    try worker.send(first.span.bytes, second.span.bytes, to: to)
                }),
            Way(
                name: "three parts", bytes: first + second + third,
                onContext: { (to: Context) throws(IOCPError) in
                    try to.send(first.span.bytes, second.span.bytes, third.span.bytes)
                },
                onWorker: { (worker: Worker, to: Connection) throws(IOCPError) in
                    try worker.send(first.span.bytes, second.span.bytes, third.span.bytes, to: to)
                }),
            Way(
                name: "four parts", bytes: bytes,
                onContext: { (to: Context) throws(IOCPError) in
                    try to.send(first.span.bytes, second.span.bytes, third.span.bytes, fourth.span.bytes)
                },
                onWorker: { (worker: Worker, to: Connection) throws(IOCPError) in
                    try worker.send(
                        first.span.bytes, second.span.bytes, third.span.bytes, fourth.span.bytes, to: to)
                }),
            Way(
                name: "a frame", bytes: varint(bytes.count) + bytes,
                onContext: { (to: Context) throws(IOCPError) in try to.send(framed: bytes, by: framing) },
                onWorker: { (worker: Worker, to: Connection) throws(IOCPError) in
                    try worker.send(framed: bytes, by: framing, to: to)
                }),
        ]
    }

    private static func varint(_ count: Int) -> [UInt8] {
        count < 128 ? [UInt8(count)] : [UInt8(count % 128 + 128)] + varint(count / 128)
    }

    /// What a closure writes: in place as far as that goes, then in parts of every kind.
    private static func written(_ bytes: [UInt8]) -> [Way] {
        let first = Array(bytes.prefix(16_384)), rest = Array(bytes.dropFirst(16_384))
        @Sendable func build(_ parts: inout SendParts) throws(IOCPError) {
            try parts.append(capacity: first.count) { output in for byte in first { output.append(byte) } }
            try parts.append(rest.span.bytes)
            try parts.append("and a string")
            try parts.append(OneByOne(bytes: first))
            try parts.append(rest.span)
            try parts.append(capacity: 100) { $0.append(33) }
        }
        return [
            Way(
                name: "written in place", bytes: first,
                onContext: { (to: Context) throws(IOCPError) in
                    try to.send(capacity: first.count) { output in for byte in first { output.append(byte) } }
                },
                onWorker: { (worker: Worker, to: Connection) throws(IOCPError) in
                    try worker.send(capacity: first.count, to: to) { output in
                        for byte in first { output.append(byte) }
                    }
                }),
            Way(
                name: "many parts", bytes: first + rest + Array("and a string".utf8) + first + rest + [33], grows: true,
                onContext: { (to: Context) throws(IOCPError) in try to.send(build) },
                onWorker: { (worker: Worker, to: Connection) throws(IOCPError) in try worker.send(to: to, build) }),
        ]
    }
}

/// Bytes without storage of their own to copy from.
struct OneByOne: Sequence, Sendable {
    let bytes: [UInt8]
    var tellsCount = true
    var underestimatedCount: Int { tellsCount ? bytes.count : 0 }
    func makeIterator() -> AnyIterator<UInt8> {
        var rest = bytes.makeIterator()
        return AnyIterator { rest.next() }
    }
}
