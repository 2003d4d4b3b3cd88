import CIOCP

/// What TCP knows about a connection now (TCP_INFO, tcp(7)). What the kernel does not tell is 0.
public struct ConnectionInfo: Hashable, Sendable {
    /// Smoothed.
    public let roundTrip: Duration
    /// The mean deviation of ``roundTrip``.
    public let roundTripVariation: Duration
    /// The least of the latest minutes.
    public let minimumRoundTrip: Duration
    /// How long an acknowledgement is waited for before a segment is sent again.
    public let retransmissionTimeout: Duration
    /// Segments that may be on their way unacknowledged.
    public let congestionWindow: Int
    /// The largest segment that is sent, in bytes.
    public let segmentBytes: Int
    /// Segments on their way.
    public let unacknowledgedSegments: Int
    /// Segments taken for lost, and not acknowledged since.
    public let lostSegments: Int
    /// Segments sent again so far.
    public let retransmittedSegments: Int
    /// Bytes in the socket that were not sent yet. ``ConnectionContext/unsentByteCount`` has those before it.
    public let notSentBytes: Int
    /// Bytes that the peer has acknowledged since the connection opened.
    public let acknowledgedBytes: UInt64
    /// Bytes that TCP has received since the connection opened, also those that nobody has read yet.
    public let receivedBytes: UInt64
    /// At which the kernel paces sends; the largest number: it does not.
    public let pacingBytesPerSecond: UInt64
    /// As measured lately.
    public let deliveryBytesPerSecond: UInt64
    /// How long it had something to send.
    public let busy: Duration
    /// And of that: how long it waited for the peer to read.
    public let limitedByReceiveWindow: Duration
    /// And how long for room in the send buffer.
    public let limitedBySendBuffer: Duration

    init(_ raw: iocp_connection_info) {
        func microseconds(_ count: UInt64) -> Duration { .microseconds(Int64(clamping: count)) }
        roundTrip = microseconds(UInt64(raw.round_trip_us))
        roundTripVariation = microseconds(UInt64(raw.round_trip_variation_us))
        minimumRoundTrip = microseconds(UInt64(raw.round_trip_least_us))
        retransmissionTimeout = microseconds(UInt64(raw.retransmission_timeout_us))
        congestionWindow = Int(raw.congestion_window_segments)
        segmentBytes = Int(raw.segment_bytes)
        unacknowledgedSegments = Int(raw.unacknowledged_segments)
        lostSegments = Int(raw.lost_segments)
        retransmittedSegments = Int(raw.retransmitted_segments)
        notSentBytes = Int(raw.not_sent_bytes)
        acknowledgedBytes = raw.acknowledged_bytes
        receivedBytes = raw.received_bytes
        pacingBytesPerSecond = raw.pacing_bytes_per_second
        deliveryBytesPerSecond = raw.delivery_bytes_per_second
        busy = microseconds(raw.busy_us)
        limitedByReceiveWindow = microseconds(raw.receive_window_limited_us)
        limitedBySendBuffer = microseconds(raw.send_buffer_limited_us)
    }
}

extension ConnectionContext {
    /// What TCP knows about this connection: round trips, retransmissions, what limits it. Asked of the kernel at each
    /// call, for a few microseconds.
    /// - Throws: as ``localAddress()``; EOPNOTSUPP, too, for a connection that is not TCP.
    public func info() throws(IOCPError) -> ConnectionInfo {
        var info = iocp_connection_info()
        try check(unsafe iocp_connection_info_get(raw, token, &info), .socketOption)
        return ConnectionInfo(info)
    }
}

extension Worker {
    /// See ``ConnectionContext/info()``.
    public func info(of connection: Connection) throws(IOCPError) -> ConnectionInfo {
        var info = iocp_connection_info()
        try check(unsafe iocp_connection_info_get(raw, connection.token, &info), .socketOption)
        return ConnectionInfo(info)
    }
}
