import CIOCP

/// Sending with backpressure: each call queues its bytes, and returns once fewer are unsent than the high watermark, or, if
/// there were more, than the low one. So a body that sends in a loop is as fast as its peer reads.
extension AsyncConnection {
    /// Queues received bytes themselves, without a copy.
    /// - Parameter limit: how long to wait for the peer; nil for ``timeout``. Then the bytes are queued all the same.
    /// - Throws: why the connection has closed, ENOTCONN when it closes, EPIPE after ``ConnectionContext/finishSending()``,
    ///   ENOBUFS when the worker's send memory is full, ECANCELED, or ETIMEDOUT.
    @inlinable
    public nonisolated(nonsending) func send(
        _ bytes: consuming ReceivedBytes, within limit: Duration? = nil
    ) async throws(IOCPError) {
        if isPressed { try await waitWhilePressed(within: limit) }
        do throws(IOCPError) { try unsafe bytes.send(on: token, of: raw) } catch { throw cause(of: error) }
        if isPressed { try await waitWhilePressed(within: limit) }
    }

    /// Why a send was refused: a connection that has closed says more than that it has.
    @usableFromInline
    func cause(of refusal: IOCPError) -> IOCPError {
        guard refusal.code == 107 /* ENOTCONN */, let endError else { return refusal }
        return endError
    }

    /// Whether the unsent bytes have reached the high watermark, and not fallen to the low one since.
    @inlinable
    var isPressed: Bool {
        @inline(__always) get { unsafe iocp_connection_is_pressed(raw, token) }
    }

    /// Queues a copy of the bytes, of any number: more than ``PortConfiguration/sendCap`` leave in parts, as the peer reads.
    /// - Parameter limit: how long to wait for the peer; nil for ``timeout``.
    /// - Throws: as for received bytes. With ECANCELED and ETIMEDOUT a part may have been queued: end the connection then.
    public nonisolated(nonsending) func send(_ bytes: RawSpan, within limit: Duration? = nil) async throws(IOCPError) {
        let until = until(limit)
        var rest = bytes
        while true {
            if isPressed { try await waitWhilePressed(until) }
            let room = unsafe Int(clamping: iocp_connection_send_room(raw, token))
            let part = rest.extracting(first: min(rest.byteCount, max(room, 1)))
            do throws(IOCPError) { try target.send(part) } catch { throw cause(of: error) }
            rest = rest.extracting(droppingFirst: part.byteCount)
            if rest.isEmpty { break }
        }
        if isPressed { try await waitWhilePressed(until) }
    }

    /// Queues a copy of an array's bytes, as of a span's.
    public nonisolated(nonsending) func send(_ bytes: [UInt8], within limit: Duration? = nil) async throws(IOCPError) {
        try await send(unsafe bytes.span.bytes, within: limit)
    }

    /// Queues a copy of a string's UTF-8, as of a span's.
    public nonisolated(nonsending) func send(_ text: String, within limit: Duration? = nil) async throws(IOCPError) {
        var text = text
        text.makeContiguousUTF8()
        try await send(unsafe text.utf8Span.span.bytes, within: limit)
    }

    /// Queues shared bytes by reference.
    /// - Throws: as for received bytes, and EAGAIN or EMSGSIZE over ``PortConfiguration/sendCap``.
    public nonisolated(nonsending) func send(_ bytes: SharedBytes, within limit: Duration? = nil)
        async throws(IOCPError)
    {
        try await paced(until(limit)) { target throws(IOCPError) in try target.send(bytes) }
    }

    /// Queues a payload behind its length, as one send: see ``ConnectionContext/send(framed:by:)-(RawSpan,_)``.
    /// - Throws: EOVERFLOW if the width cannot count the payload's bytes; or as for shared bytes.
    public nonisolated(nonsending) func send(
        framed payload: RawSpan, by framing: LengthPrefixed, within limit: Duration? = nil
    ) async throws(IOCPError) {
        let prefix = try framing.prefix(forByteCount: payload.byteCount)
        try await paced(until(limit)) { target throws(IOCPError) in try target.send(prefix.bytes, payload) }
    }

    /// Queues an array's bytes behind their length, as one send.
    public nonisolated(nonsending) func send(
        framed payload: [UInt8], by framing: LengthPrefixed, within limit: Duration? = nil
    ) async throws(IOCPError) {
        try await send(framed: unsafe payload.span.bytes, by: framing, within: limit)
    }

    /// Queues bytes that a closure writes straight into the memory they leave from: see
    /// ``ConnectionContext/send(capacity:_:)``.
    /// - Throws: EINVAL for a capacity over 16,384, what the closure threw, or as for shared bytes.
    public nonisolated(nonsending) func send(
        capacity: Int, within limit: Duration? = nil, _ write: (inout OutputRawSpan) throws(IOCPError) -> Void
    ) async throws(IOCPError) {
        try await paced(until(limit)) { target throws(IOCPError) in try target.write(capacity: capacity, write) }
    }

    /// Queues any number of parts, of any size, as one send: see ``SendParts``.
    /// - Throws: what the closure threw, or as for shared bytes.
    public nonisolated(nonsending) func send(
        within limit: Duration? = nil, _ build: (inout SendParts) throws(IOCPError) -> Void
    ) async throws(IOCPError) {
        try await paced(until(limit)) { target throws(IOCPError) in try target.build(build) }
    }

    /// Sends once the peer keeps up, and waits until it does so again.
    private nonisolated(nonsending) func paced(
        _ until: Await.Until, _ send: (SendTarget) throws(IOCPError) -> Void
    ) async throws(IOCPError) {
        if isPressed { try await waitWhilePressed(until) }
        do throws(IOCPError) { try send(target) } catch { throw cause(of: error) }
        if isPressed { try await waitWhilePressed(until) }
    }
}
