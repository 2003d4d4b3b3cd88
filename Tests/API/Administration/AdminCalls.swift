import CIOCPInternals
import Foundation
import IOCP
import Testing

/// What an admin socket answers to one line.
func ask(_ address: UnixAddress, _ request: String) throws -> [String] {
    let call = try AdminCall(address, request: request)
    var bytes: [UInt8] = []
    while try call.read(onto: &bytes) {}
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
}

/// Sends back what comes, and is not audited: for servers that end before what is left of their admin socket does.
struct PlainEcho: ConnectionHandler {
    func makeState() {}

    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) { try connection.send(bytes) }

    static func server(_ driver: Driver) throws -> IOCPServer<PlainEcho> {
        var configuration = PortConfiguration()
        configuration.driver = driver
        configuration.workers = 2
        return try IOCPServer(configuration) { _ throws(IOCPError) in PlainEcho() }
    }
}

/// The answer to "connections": values by their names.
struct AnsweredList {
    typealias Values = [String: String]
    let workers: [Values]
    let connections: [Values]

    init(_ lines: [String]) throws {
        try #require(lines.first?.hasPrefix("ok 1 ") == true && lines.last == "end", "\(lines)")
        let parts = lines.map { $0.split(separator: " ") }
        func values(of word: String) -> [Values] {
            parts.filter { $0.first == word[...] }.map { words in
                words.dropFirst().reduce(into: [:]) { values, pair in
                    let halves = pair.split(separator: "=", maxSplits: 1).map(String.init)
                    values[halves[0]] = halves.count > 1 ? halves[1] : ""
                }
            }
        }
        workers = values(of: "worker")
        connections = values(of: "connection")
    }

    func sum(_ name: String) -> Int { workers.reduce(0) { $0 + (Int($1[name] ?? "") ?? 0) } }
}

extension UnixAddress {
    /// One that no other test has.
    static func forAdmin() throws -> UnixAddress {
        try UnixAddress(abstract: "iocp-admin-\(getpid())-\(UInt64.random(in: 0..<UInt64.max))")
    }
}

extension Peer {
    /// A client of ::1.
    static func connectV6(port: Int) throws -> Peer {
        var endpoint = iocp_endpoint()
        try #require(iocp_address_resolve("::1", UInt16(port), &endpoint.address) == 0)
        let fd = iocp_side_connect(&endpoint)
        try #require(fd >= 0)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        return Peer(fd)
    }
}

/// An answer to "capture", read by a thread.
final class Captured {
    private let call: AdminCall
    private let bytes = Locked<[UInt8]>([])
    private let ended = DispatchSemaphore(value: 0)

    /// What one connection said.
    struct Talk {
        var received: [UInt8] = [], sent: [UInt8] = []
        /// Every record began where the one before it in its direction had ended.
        var isWhole = true
        var closeReason: UInt16?
        var peerPort: UInt16 = 0
    }

    /// Begins, and waits until every worker does capture: a question that was asked behind it is answered.
    init(_ address: UnixAddress, _ settings: String = "") throws {
        let call = try AdminCall(address, request: "capture \(settings)")
        self.call = call
        let (bytes, ended) = (bytes, ended)
        let thread = Thread {
            while true {
                var more: [UInt8] = []
                let goesOn = (try? call.read(onto: &more)) ?? false
                bytes.withLock { $0 += more }
                if !goesOn { break }
            }
            ended.signal()
        }
        thread.start()
        let limit = ContinuousClock.now + .seconds(10)
        while !bytes.withLock { $0.contains(UInt8(ascii: "\n")) }, .now < limit { usleep(1_000) }
        _ = try ask(address, "connections order=old limit=1")
    }

    /// Ends it, or waits until it has ended by itself.
    func end(byItself: Bool = false) throws -> (talks: [UInt64: Talk], totals: iocp_capture_totals) {
        if !byItself { call.finish() }
        try #require(ended.wait(timeout: .now() + 20) == .success, "the capture does not end")
        let all = bytes.withLock { $0 }
        let head = try #require(all.firstIndex(of: UInt8(ascii: "\n")))
        try #require(String(decoding: all[..<head], as: UTF8.self).hasPrefix("ok 1 "))
        return try Captured.read(all[(head + 1)...])
    }

    private static func read(_ records: ArraySlice<UInt8>) throws -> (talks: [UInt64: Talk], totals: iocp_capture_totals) {
        var talks: [UInt64: Talk] = [:]
        var rest = records
        while let record = try next(&rest) {
            let name = record.header.connection
            switch record.header.kind {
            case IOCP_CAPTURE_OPENED:
                let ends = record.bytes.withUnsafeBytes { $0.loadUnaligned(as: iocp_capture_ends.self) }
                talks[name] = Talk(peerPort: UInt16(bigEndian: ends.peer.port_be))
            case IOCP_CAPTURE_RECEIVED:
                if record.header.offset != UInt64(talks[name]!.received.count) { talks[name]!.isWhole = false }
                talks[name]!.received += record.bytes.prefix(Int(record.header.count_bytes))
            case IOCP_CAPTURE_SENT:
                if record.header.offset != UInt64(talks[name]!.sent.count) { talks[name]!.isWhole = false }
                talks[name]!.sent += record.bytes.prefix(Int(record.header.count_bytes))
            case IOCP_CAPTURE_CLOSED: talks[name]!.closeReason = record.header.detail
            default:
                try #require(record.header.kind == IOCP_CAPTURE_TOTALS && rest.isEmpty)
                return (talks, record.bytes.withUnsafeBytes { $0.loadUnaligned(as: iocp_capture_totals.self) })
            }
        }
        throw Failure(description: "the capture has no totals")
    }

    private static func next(_ rest: inout ArraySlice<UInt8>) throws -> (header: iocp_capture_record, bytes: ArraySlice<UInt8>)? {
        let size = MemoryLayout<iocp_capture_record>.size
        guard rest.count >= size else { return nil }
        let header = rest.withUnsafeBytes { $0.loadUnaligned(as: iocp_capture_record.self) }
        try #require(header.record_bytes % 8 == 0 && Int(header.record_bytes) <= rest.count, "a record was cut off")
        let record = rest.prefix(Int(header.record_bytes))
        rest = rest.dropFirst(record.count)
        return (header, record.dropFirst(size))
    }

    struct Failure: Error, CustomStringConvertible { let description: String }
}
