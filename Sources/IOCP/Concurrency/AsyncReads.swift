import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Reading a stream piece by piece. Each piece is found by a ``Framing``, as ``FrameBuffer`` finds it in a handler. What comes
/// behind a piece stays for the next call, whichever it is.
///
/// A call that fails, by its time or by a cancellation, has taken nothing: half a line that had come stays, and is read again by
/// the next call.
extension AsyncConnection {
    /// The next frame, without its header or delimiter.
    ///
    /// ```swift
    /// while let order = try await connection.frame(LengthPrefixed(.two)) { try await connection.send(order) }
    /// ```
    /// - Parameter limit: how long to wait for the whole frame; nil for ``timeout``.
    /// - Returns: nil when the peer finished between two frames, or when the port stops.
    /// - Throws: EMSGSIZE, EBADMSG or EPROTO as ``FrameBuffer/next(in:)``; ENODATA when the peer finished within a frame;
    ///   why the connection has closed, ECANCELED, or ETIMEDOUT.
    public nonisolated(nonsending) func frame(
        _ framing: some Framing, within limit: Duration? = nil
    ) async throws(IOCPError) -> [UInt8]? {
        var frame: [UInt8]?
        _ = try await takeFrame(framing, within: limit) { frame = [UInt8]($0) }
        return frame
    }

    /// Hands the next frame to `body`, lent for the call. It is not copied if it came in one receive.
    ///
    /// ```swift
    /// while let price = try await connection.withFrame(FixedSize(8), { $0.bigEndian(UInt64.self, at: 0) }) { total += price }
    /// ```
    /// - Returns: what `body` returns; nil when the peer finished between two frames: then `body` was not called.
    /// - Throws: as ``frame(_:within:)``, and what `body` throws, behind which the next frame comes.
    @discardableResult
    public nonisolated(nonsending) func withFrame<Value>(
        _ framing: some Framing, within limit: Duration? = nil, _ body: (RawSpan) throws -> Value
    ) async throws -> Value? {
        var result: Result<Value, any Error>?
        _ = try await takeFrame(framing, within: limit) { bytes in result = Result { try body(bytes) } }
        return try result?.get()
    }

    /// Returns whether there was one.
    private nonisolated(nonsending) func takeFrame(
        _ framing: some Framing, within limit: Duration?, _ body: (RawSpan) -> Void
    ) async throws(IOCPError) -> Bool {
        var buffer = FrameBuffer(framing)
        let until = self.until(limit)
        do throws(IOCPError) {
            while let lent = try await waitForLent(until) {
                if try take(from: lent, &buffer, body) { return true }
            }
        } catch {
            putBack(buffer.takeUnfinished())
            throw error
        }
        guard buffer.unfinishedByteCount > 0 else { return false }
        putBack(buffer.takeUnfinished())
        if isStopping { return false }
        throw .finishedWithin("a frame")
    }

    /// Drops the next `count` bytes: a body that nobody needs. Nothing is copied.
    /// - Parameters:
    ///   - count: 0 or more.
    ///   - limit: how long to wait for all of them; nil for ``timeout``.
    /// - Returns: false when the peer finished before the first of them, or when the port stops.
    /// - Throws: ENODATA when the peer finished within them; why the connection has closed, ECANCELED, or ETIMEDOUT. What was
    ///   dropped until then is gone.
    @discardableResult
    public nonisolated(nonsending) func skip(_ count: Int, within limit: Duration? = nil) async throws(IOCPError) -> Bool {
        precondition(count >= 0, "bytes to skip are 0 or more")
        let until = self.until(limit)
        var rest = count
        while rest > 0 {
            guard var lent = try await waitForLent(until) else {
                if rest == count || isStopping { return false }
                throw .finishedWithin("bytes that were to be skipped")
            }
            let here = min(rest, Int(lent.count - lent.skipped))
            rest -= here
            lent.skipped += UInt32(truncatingIfNeeded: here)
            if lent.skipped == lent.count { drop(lent) } else { putBack(lent) }
        }
        return true
    }

    /// Returns whether a frame ends in the bytes. What is behind it is put back.
    private func take(
        from lent: LentBytes, _ buffer: inout FrameBuffer<some Framing>, _ body: (RawSpan) -> Void
    ) throws(IOCPError) -> Bool {
        var lent = lent
        var input = unsafe lent.unread
        let frame: Frame?
        do throws(IOCPError) {
            frame = try buffer.next(in: &input)
        } catch {
            drop(lent)
            throw error
        }
        guard let frame else {
            drop(lent)
            return false
        }
        body(frame.bytes)
        lent.skipped = lent.count - UInt32(truncatingIfNeeded: input.byteCount)
        if input.isEmpty { drop(lent) } else { putBack(lent) }
        return true
    }

    /// The next `count` bytes.
    /// - Parameter count: 1 to 2,147,483,647; another one traps.
    /// - Returns: nil when the peer has finished.
    /// - Throws: as ``frame(_:within:)``.
    public nonisolated(nonsending) func readExactly(
        _ count: Int, within limit: Duration? = nil
    ) async throws(IOCPError) -> [UInt8]? {
        try await frame(FixedSize(count), within: limit)
    }

    /// The bytes up to a delimiter, without it.
    /// - Parameters:
    ///   - delimiter: as of ``Delimited``.
    ///   - maximum: the most bytes before it: EMSGSIZE beyond.
    /// - Returns: nil when the peer has finished.
    /// - Throws: as ``frame(_:within:)``.
    public nonisolated(nonsending) func readUntil(
        _ delimiter: [UInt8], maximumByteCount maximum: Int = 65_536, within limit: Duration? = nil
    ) async throws(IOCPError) -> [UInt8]? {
        try await frame(Delimited(delimiter, maximumByteCount: maximum), within: limit)
    }

    /// The next line, without its end; bytes that are no UTF-8 become U+FFFD.
    /// - Parameter lines: which end a line has, and how long it may be.
    /// - Returns: nil when the peer has finished.
    /// - Throws: as ``frame(_:within:)``.
    public nonisolated(nonsending) func line(
        _ lines: Lines = Lines(), within limit: Duration? = nil
    ) async throws(IOCPError) -> String? {
        var line: String?
        _ = try await takeFrame(lines, within: limit) { line = String(decoding: $0) }
        return line
    }

    /// Every frame up to the peer's end: `for try await frame in connection.frames(LengthPrefixed(.four)) { ... }`.
    public func frames<Rule: Framing>(_ framing: Rule) -> AsyncFrames<Rule> {
        AsyncFrames(connection: self, framing: framing)
    }

    /// Every line up to the peer's end: `for try await line in connection.lines() { ... }`.
    public func lines(_ lines: Lines = Lines()) -> AsyncLines {
        AsyncLines(connection: self, framing: lines)
    }

    private func putBack(_ bytes: [UInt8]) {
        if !bytes.isEmpty { putBack(unsafe ReceivedBytes(copying: bytes.span.bytes, worker: raw).lend()) }
    }
}

extension IOCPError {
    fileprivate static func finishedWithin(_ what: String) -> IOCPError {
        IOCPError(code: ENODATA, operation: .framing, detail: "the peer finished within \(what)")
    }
}

/// The frames of a connection, each in an array of its own; see ``AsyncConnection/frames(_:)``.
public struct AsyncFrames<Rule: Framing>: AsyncSequence {
    let connection: AsyncConnection
    let framing: Rule

    /// Reads one frame after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let connection: AsyncConnection
        let framing: Rule

        /// The next frame, without header and delimiter; nil behind the last one. Throws as ``AsyncConnection/frame(_:within:)``.
        public nonisolated(nonsending) mutating func next() async throws -> [UInt8]? {
            try await connection.frame(framing)
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(connection: connection, framing: framing) }
}

/// The lines of a connection; see ``AsyncConnection/lines(_:)``.
public struct AsyncLines: AsyncSequence {
    let connection: AsyncConnection
    let framing: Lines

    /// Reads one line after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let connection: AsyncConnection
        let framing: Lines

        /// The next line, without its end; nil behind the last one. Throws as ``AsyncConnection/line(_:within:)``.
        public nonisolated(nonsending) mutating func next() async throws -> String? {
            try await connection.line(framing)
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(connection: connection, framing: framing) }
}
