import CIOCPInternals
import Glibc
import IOCP
import Testing

/// An error says what failed in the words of the operation it came from.
@Suite struct ErrorWordsTests {
    @Test("every operation has its own sentence for an errno", arguments: ErrorSentences.all.indices)
    func sentence(index: Int) {
        let row = ErrorSentences.all[index]
        let error = IOCPError(code: row.code, operation: row.operation, detail: row.hasDetail ? "DETAIL" : nil)
        #expect(error.description == row.text)
    }

    @Test("every operation is in the table or has one sentence for all", arguments: IOCPError.Operation.allCases)
    func covered(operation: IOCPError.Operation) {
        let alike: Set<IOCPError.Operation> = [.ringFiles, .ringBuffers, .ringLockdown, .epoll, .thread, .busyPoll]
        #expect(alike.contains(operation) || ErrorSentences.all.contains { $0.operation == operation })
        // An errno that nobody thought of is still said with what failed.
        let error = IOCPError(code: ENOTTY, operation: operation, detail: "here")
        #expect(error.description.contains("ENOTTY") && !error.summary.isEmpty)
    }

    @Test("one errno never gets another call's sentence")
    func apart() {
        #expect(!IOCPError(code: EAGAIN, operation: .send).description.contains("mailbox"))
        #expect(
            !IOCPError(code: EADDRNOTAVAIL, operation: .connect, detail: "from 192.0.2.1:0").description
                .contains("local port"))
        #expect(!IOCPError(code: ENFILE, operation: .post).description.contains("slot"))
    }

    @Test("what a terminal would obey is spelled out")
    func printable() {
        let error = IOCPError(code: EINVAL, operation: .resolve, detail: "a\u{1B}[31m\u{202E}b\r\n\u{9B}é")
        #expect(error.description.contains(#"a\u{1b}[31m\u{202e}b\u{d}\u{a}\u{9b}é"#))
        #expect(error.cause?.unicodeScalars.contains { $0.value < 0x20 } == false)
        #expect(error.detail == "a\u{1B}[31m\u{202E}b\r\n\u{9B}é")
    }

    @Test("an application's own error says what the system says")
    func ofTheApplication() {
        #expect(IOCPError(code: -EAGAIN).code == EAGAIN)
        #expect(IOCPError(code: .min).code > 0)
        #expect(IOCPError(code: ENFILE).description == "Too many open files in system (ENFILE)")
    }

    // MARK: Configuration

    typealias Change = @Sendable (inout PortConfiguration) -> Void

    /// A value out of bounds for each property that has any, and the bounds that are due.
    static let broken: [(property: String, bounds: String, change: Change)] = [
        ("workers", "at most 1,024", { $0.workers = 1025 }),
        ("workers", "at most 1,024", { $0.workers = -1 }),
        ("connectionsPerWorker", "at most 1,048,576", { $0.connectionsPerWorker = 1 << 21 }),
        ("connectionsPerWorker", "at most 1,048,576", { $0.connectionsPerWorker = -1 }),
        ("receiveBufferBytes", "a power of two, 4,096 to 1,048,576", { $0.receiveBufferBytes = 5000 }),
        ("receiveBufferBytes", "a power of two, 4,096 to 1,048,576", { $0.receiveBufferBytes = 1 << 40 }),
        ("receiveBuffersPerWorker", "a power of two, 2 to 16,384", { $0.receiveBuffersPerWorker = 1 }),
        ("sendChunksPerWorker", "4 to 1,048,576", { $0.sendChunksPerWorker = 3 }),
        ("completionQueueEntries", "a power of two, 64 to 65,536", { $0.completionQueueEntries = 32 }),
        ("mailboxEntries", "a power of two, 16 to 1,048,576", { $0.mailboxEntries = 17 }),
        ("listenBacklog", "1 to 65,536", { $0.listenBacklog = 0 }),
        ("lingerTimeout", "1 ns to one day", { $0.lingerTimeout = .zero }),
        ("lingerTimeout", "1 ns to one day", { $0.lingerTimeout = .seconds(-1) }),
        ("sendCap", "1 to 2,147,483,647", { $0.sendCap = 1 << 31 }),
        ("sendHighWatermark", "1 to sendCap", { $0.sendHighWatermark = $0.sendCap + 1 }),
        ("sendLowWatermark", "less than sendHighWatermark", { $0.sendLowWatermark = $0.sendHighWatermark }),
        ("unsentBytesPerWorker", "at least sendHighWatermark", { $0.unsentBytesPerWorker = -1 }),
        ("idleTimeout", "at most one day", { $0.idleTimeout = .seconds(86_401) }),
        ("idleTimeout", "at most one day", { $0.idleTimeout = .seconds(-1) }),
        ("receiveTimeout", "at most one day", { $0.receiveTimeout = .seconds(86_401) }),
        ("sendTimeout", "at most one day", { $0.sendTimeout = .seconds(86_401) }),
        ("receiveProgressBytes", "at least 1", { $0.receiveProgressBytes = 0 }),
        ("receiveProgressBytes", "at most 4294967295", { $0.receiveProgressBytes = -1 }),
        ("timersPerWorker", "at most 1,048,576", { $0.timersPerWorker = 1 << 21 }),
        ("offloadThreads", "at most 4,096", { $0.offloadThreads = 4_097 }),
        ("offloadThreads", "at most 4,096", { $0.offloadThreads = -1 }),
        ("offloadQueueEntries", "1 to 1,048,576", { $0.offloadQueueEntries = 0 }),
        ("offloadIdleTimeout", "at most one day", { $0.offloadIdleTimeout = .seconds(86_401) }),
        ("offloadIdleTimeout", "at most one day", { $0.offloadIdleTimeout = .seconds(-1) }),
        ("connectionsPerAddress", "at most 4294967295", { $0.connectionsPerAddress = -1 }),
        ("acceptsPerSecond", "at most 10,000,000", { $0.acceptsPerSecond = -1 }),
        ("spinBeforeSleep", "at most 10 ms", { $0.spinBeforeSleep = .milliseconds(11) }),
        ("spinBeforeSleep", "at most 10 ms", { $0.spinBeforeSleep = .microseconds(-1) }),
        ("connections", "at most 1,073,741,824", { $0.connections = 1 << 31 }),
        ("connections", "at most 1,073,741,824", { $0.connections = -1 }),
        ("workerPlacement", "1 to 1,024 where they are listed, otherwise none", { $0.workerPlacement = .cpus([]) }),
        ("workerPlacement", "CPUs that the process may run on, each once", { $0.workerPlacement = .cpus([-1]) }),
        ("workerPlacement", "CPUs that the process may run on, each once", { $0.workerPlacement = .cpus([1 << 40]) }),
        ("completionsPerWait", "16 to 65,536", { $0.completionsPerWait = 15 }),
        ("completionsPerWait", "16 to 65,536", { $0.completionsPerWait = -1 }),
        ("busyPoll", "at most 10 ms", { $0.busyPoll = .milliseconds(11) }),
        ("busyPoll", "at most 10 ms", { $0.busyPoll = .microseconds(-1) }),
    ]

    @Test("a configuration error names the property and its bounds", arguments: broken.indices)
    func bounds(index: Int) {
        let (property, bounds, change) = Self.broken[index]
        var configuration = PortConfiguration()
        change(&configuration)
        let error = refusal { () throws(IOCPError) in _ = try CompletionPort(configuration) }
        #expect(error?.name == "EINVAL" && error?.operation == .configuration)
        #expect(error?.detail == "\(property) (\(bounds))")
        #expect(error.map { ErrorSentences.due($0) == $0.description } == true)
    }

    /// A property that is added to the structure gets its sentence, or is among those that every value fits.
    @Test func everyPropertyIsCovered() {
        let free: Set = [
            "driver", "overflowPolicy", "placement", "holdsBackReceive", "lockdown", "deliversHalfClose",
            "opensAfterFirstBytes", "cancelsOffloadsAtStop", "balancesLoad",
        ]
        let properties = Set(Mirror(reflecting: PortConfiguration()).children.compactMap(\.label))
        #expect(Set(Self.broken.map(\.property)).union(free) == properties)
    }
}
