/// The figures of one run; in a report, also the medians of several.
struct Measurement: Codable {
    /// What the load could connect.
    var connectionsEstablished: Double
    /// Those of them that the server had accepted when memory was sampled.
    var connectionsAccepted: Double
    var messagesPerSecond: Double
    var bytesPerSecond: Double
    var serverCPUMicrosecondsPerMessage: Double
    var loadCPUMicrosecondsPerMessage: Double
    /// CPU time over wall time: 1 is one core busy all the time.
    var serverCoreBusy: Double
    var loadCoreBusy: Double
    /// The share of the cores of server and load that neither of them used and that was not idle.
    var otherWorkBusy: Double
    var latencyP50Microseconds: Double
    var latencyP99Microseconds: Double
    var latencyP999Microseconds: Double
    var latencyMaxMicroseconds: Double
    /// Of the times that the kind of load has besides: connects, whole frames, or how late the load was.
    var besidesP50Microseconds: Double
    var besidesP99Microseconds: Double
    var besidesP999Microseconds: Double
    /// 1 where the load's own lateness is half of a latency or more.
    var generatorBound: Double
    var userBytesPerConnection: Double
    /// Of both ends of the connection, since server and load are on one machine.
    var kernelBytesPerConnection: Double
    var serverOpenDescriptors: Double
    var serverThreads: Double

    init(run: LoadRun, cpus: Int, residentBytesBefore: Int, kernelBytesBefore: Int) {
        let messages = Double(run.report.messages)
        let established = Double(max(1, run.report.established))
        let accepted = max(1, established - Double(run.holding.connectionsInBacklog))
        let wall = (run.end.time - run.start.time).seconds
        let serverCPU = (run.end.serverCPU - run.start.serverCPU).seconds
        let loadCPU = (run.end.loadCPU - run.start.loadCPU).seconds
        connectionsEstablished = established
        connectionsAccepted = accepted
        messagesPerSecond = run.report.messagesPerSecond
        bytesPerSecond = run.report.bytesPerSecond
        serverCPUMicrosecondsPerMessage = serverCPU * 1e6 / messages
        loadCPUMicrosecondsPerMessage = loadCPU * 1e6 / messages
        serverCoreBusy = serverCPU / wall
        loadCoreBusy = loadCPU / wall
        let idle = (run.end.idle - run.start.idle).seconds
        otherWorkBusy = max(0, 1 - (idle + serverCPU + loadCPU) / (wall * Double(cpus)))
        latencyP50Microseconds = run.report.latencyMicroseconds.p50
        latencyP99Microseconds = run.report.latencyMicroseconds.p99
        latencyP999Microseconds = run.report.latencyMicroseconds.p999
        latencyMaxMicroseconds = run.report.latencyMicroseconds.max
        besidesP50Microseconds = run.report.besides?.p50 ?? 0
        besidesP99Microseconds = run.report.besides?.p99 ?? 0
        besidesP999Microseconds = run.report.besides?.p999 ?? 0
        generatorBound = run.report.isGeneratorBound == true ? 1 : 0
        userBytesPerConnection =
            Double(run.holding.residentBytes - residentBytesBefore) / accepted
        kernelBytesPerConnection = Double(run.holding.kernelBytes - kernelBytesBefore) / established
        serverOpenDescriptors = Double(run.holding.openDescriptors)
        serverThreads = Double(run.holding.threads)
    }

    /// The median of each figure by itself.
    init(mediansOf runs: [Measurement]) {
        func median(_ figure: KeyPath<Measurement, Double>) -> Double {
            Self.median(runs.map { $0[keyPath: figure] })
        }
        connectionsEstablished = median(\.connectionsEstablished)
        connectionsAccepted = median(\.connectionsAccepted)
        messagesPerSecond = median(\.messagesPerSecond)
        bytesPerSecond = median(\.bytesPerSecond)
        serverCPUMicrosecondsPerMessage = median(\.serverCPUMicrosecondsPerMessage)
        loadCPUMicrosecondsPerMessage = median(\.loadCPUMicrosecondsPerMessage)
        serverCoreBusy = median(\.serverCoreBusy)
        loadCoreBusy = median(\.loadCoreBusy)
        otherWorkBusy = median(\.otherWorkBusy)
        latencyP50Microseconds = median(\.latencyP50Microseconds)
        latencyP99Microseconds = median(\.latencyP99Microseconds)
        latencyP999Microseconds = median(\.latencyP999Microseconds)
        latencyMaxMicroseconds = median(\.latencyMaxMicroseconds)
        besidesP50Microseconds = median(\.besidesP50Microseconds)
        besidesP99Microseconds = median(\.besidesP99Microseconds)
        besidesP999Microseconds = median(\.besidesP999Microseconds)
        generatorBound = median(\.generatorBound)
        userBytesPerConnection = median(\.userBytesPerConnection)
        kernelBytesPerConnection = median(\.kernelBytesPerConnection)
        serverOpenDescriptors = median(\.serverOpenDescriptors)
        serverThreads = median(\.serverThreads)
    }

    static func median(_ values: [Double]) -> Double {
        precondition(!values.isEmpty, "the median of nothing")
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2)
            ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }
}
