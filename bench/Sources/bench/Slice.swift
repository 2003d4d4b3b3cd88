/// The figures of one slice: a turn of one server, without the part in which it settled.
struct Slice: Codable {
    var messagesPerSecond: Double
    var bytesPerSecond: Double
    var serverCPUMicrosecondsPerMessage: Double
    var loadCPUMicrosecondsPerMessage: Double
    /// CPU time over wall time: 1 is one core busy all the time.
    var serverCoreBusy: Double
    var loadCoreBusy: Double
    var latencyP50Microseconds: Double
    var latencyP99Microseconds: Double
    var latencyP999Microseconds: Double

    /// - Throws: `Failure` where nothing came back, so that there is nothing to say.
    init(_ turn: StressReport) throws {
        guard turn.messages > 0, let seconds = turn.seconds, let loadCPU = turn.loadCPU, let serverCPU = turn.serverCPU
        else { throw Failure("no message came back within a slice: make it longer with --slice-ms") }
        let messages = Double(turn.messages)
        messagesPerSecond = turn.messagesPerSecond
        bytesPerSecond = turn.bytesPerSecond
        serverCPUMicrosecondsPerMessage = serverCPU / messages
        loadCPUMicrosecondsPerMessage = loadCPU / messages
        serverCoreBusy = serverCPU / (seconds * 1e6)
        loadCoreBusy = loadCPU / (seconds * 1e6)
        latencyP50Microseconds = turn.latencyMicroseconds.p50
        latencyP99Microseconds = turn.latencyMicroseconds.p99
        latencyP999Microseconds = turn.latencyMicroseconds.p999
    }

    /// A slice of iocp and one of another server, next to each other in time.
    struct Pair {
        var subject: Slice
        var other: Slice
    }
}

/// What holding its connections costs a server, sampled once they all have been used.
struct Holding: Codable {
    /// What the load could connect.
    var connectionsEstablished: Double
    /// Those of them that the server had accepted.
    var connectionsAccepted: Double
    var userBytesPerConnection: Double
    /// Of both ends of the connection, since server and load are on one machine.
    var kernelBytesPerConnection: Double
    var openDescriptors: Double
    var threads: Double
}
