import CIOCPInternals
import IOCP

extension PlayedConnection {
    private var limit: Duration? { play.dice.happens(oneIn: 4) ? play.dice.time() : nil }

    /// One read, in one of the ways that there are. Returns false at the end of the input.
    nonisolated(nonsending) func read() async throws -> Bool {
        await play.yields()
        let found: Bool
        switch play.dice.below(9) {
        case 0, 1: found = try await next()
        case 2: found = try await receive()
        case 3: found = try await frame("a line", terminated: true) { try await $0.line(within: $1).map { Array($0.utf8) } }
        case 4: found = try await frame("bytes to a delimiter", terminated: true) { try await $0.readUntil([10], within: $1) }
        case 5:
            let count = play.dice.magnitude(upTo: 6000)
            found = try await frame("an exact count") { try await $0.readExactly(count, within: $1) }
        case 6: found = try await prefixed()
        case 7:
            let count = 1 + play.dice.below(64)
            found = try await frame("a frame lent") { connection, limit in
                try await connection.withFrame(FixedSize(count), within: limit) { $0.withUnsafeBytes { [UInt8]($0) } }
            }
        default: found = try await skip()
        }
        if !found { ledger.foundEnd(of: record) }
        return found
    }

    private nonisolated(nonsending) func next() async throws -> Bool {
        let limit = limit
        let mark = begin("next", limit)
        let bytes: ReceivedBytes?
        do { bytes = try await connection.next(within: limit) } catch {
            end(mark, error)
            throw error
        }
        end(mark)
        guard let bytes else { return false }
        bytes.withBytes { span in ledger.read(span.withUnsafeBytes { [UInt8]($0) }, of: record) }
        if play.dice.happens(oneIn: 4) { await play.yields() }
        return true
    }

    private nonisolated(nonsending) func receive() async throws -> Bool {
        let limit = limit
        return try await awaiting("receive", limit) {
            try await connection.receive(within: limit) { span in
                ledger.read(span.withUnsafeBytes { [UInt8]($0) }, of: record)
            }
        }
    }

    /// A frame of the stream's own bytes. One that ends in a line feed is as long as the stream says.
    private nonisolated(nonsending) func frame(
        _ what: String, terminated: Bool = false,
        _ read: nonisolated(nonsending) (AsyncConnection, Duration?) async throws -> [UInt8]?
    ) async throws -> Bool {
        let limit = limit
        guard let bytes = try await awaiting(what, limit, { try await read(connection, limit) }) else { return false }
        if record.isReadLost { return true }
        if terminated {
            // What is no UTF-8 was replaced in a line, so the stream tells where it ends.
            let line = line()
            ledger.expect(
                bytes == line || bytes == Array(String(decoding: unended(line), as: UTF8.self).utf8), "\(what) is another one",
                record.token)
            ledger.read(line + [10], of: record)
        } else {
            ledger.read(bytes, of: record)
        }
        return true
    }

    private func unended(_ line: [UInt8]) -> ArraySlice<UInt8> { line.last == 13 ? line.dropLast() : line[...] }

    private func line() -> [UInt8] {
        var length = 512
        while true {
            let bytes = ledger.expected(length, of: record)
            if let end = bytes.firstIndex(of: 10) { return Array(bytes[..<end]) }
            length *= 2
        }
    }

    private nonisolated(nonsending) func prefixed() async throws -> Bool {
        let limit = limit
        let framing = LengthPrefixed(.one)
        guard let bytes = try await awaiting("a frame", limit, { try await connection.frame(framing, within: limit) })
        else { return false }
        ledger.read([UInt8(bytes.count)] + bytes, of: record)
        return true
    }

    private nonisolated(nonsending) func skip() async throws -> Bool {
        let limit = limit
        let count = play.dice.magnitude(upTo: 5000)
        do {
            let all = try await awaiting("skip", limit) { try await connection.skip(count, within: limit) }
            if all { record.readByteCount += UInt64(count) } else { record.isReadLost = true }
            return all
        } catch {
            record.isReadLost = true
            throw error
        }
    }

    /// What comes next goes back to the peer.
    nonisolated(nonsending) func echo() async throws -> Bool { try await forward(to: self) }

    /// What comes next goes to another connection. Returns false at the end of the input.
    nonisolated(nonsending) func forward(to other: PlayedConnection) async throws -> Bool {
        let mark = begin("next", nil)
        let bytes: ReceivedBytes?
        do { bytes = try await connection.next() } catch {
            end(mark, error)
            throw error
        }
        end(mark)
        guard let bytes else { return false }
        let copy = bytes.withBytes { $0.withUnsafeBytes { [UInt8]($0) } }
        ledger.read(copy, of: record)
        guard !other.record.isSendCut, !other.record.hasFinished else { return true }
        other.record.sent += copy
        let sending = other.begin("send of received bytes", nil, isSend: true)
        do { try await other.connection.send(bytes) } catch {
            other.end(sending, error)
            throw error
        }
        other.end(sending)
        return true
    }
}
