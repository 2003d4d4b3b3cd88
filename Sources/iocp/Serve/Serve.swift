#if Command
import ArgumentParser
import IOCP

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve connections until SIGINT or SIGTERM.",
        discussion: """
            Once it accepts, it prints one line, for example
              listening on 0.0.0.0:4666 workers=8 driver=uring
            and nothing else; with --metrics, " metrics=127.0.0.1:9464" at its end, and with --publish-port, \
            " publishers=0.0.0.0:4667". A name is listened on at every address it has. Connections get up to 2 s to finish when it \
            is asked to end; a second signal ends it at once. Exit status: 0 when asked to end, 1 when it cannot listen \
            or write to stdout, 64 for bad usage.

            With --fan-out it sends each frame of that many bytes, from whatever connection, to every other connection, \
            as a relay or a chat does, by reference and without a copy for each. A connection that does not read loses \
            whole frames once 1 MiB or 16 frames wait for it. Frames that are not sent to their end hold at most 64 MiB of \
            each worker: beyond that the connection whose frame has waited longest for its next byte is reset.

            Examples:
              iocp serve                         echo, a worker on every CPU
              iocp serve --port 0 --workers 1    a free port, one core
              iocp serve --handler discard       receive only
              iocp serve --async                 echo, a task for each connection
              iocp serve --fan-out 1024          frames of 1 KiB, from each to all
              iocp serve --connections 1000000   as many workers as they need
              iocp serve --balance               connections move to workers with time left
              iocp serve --fan-out 64 --publish-port 4667
              iocp serve --port 7 --user nobody --lockdown
              iocp serve --unix /run/echo.sock   a Unix socket
              iocp serve --metrics 127.0.0.1:9464
              iocp serve --admin /run/echo.admin
              iocp serve --tls-certificate server.pem --tls-key server.key
            """)

    @Option(help: "Address or name to listen on.")
    var host = "0.0.0.0"

    @Option(parsing: .unconditional, help: "TCP port, 0 to 65535; 0 takes a free one.")
    var port = 4666

    @Option(
        help: "Listen on a Unix socket instead: a path, or @NAME for an abstract name.", transform: UnixAddress.option)
    var unix: UnixAddress?

    @Option(
        parsing: .unconditional,
        help: "Worker threads, 1 to 1024. (default: one per CPU, at most what a cgroup's quota pays for)")
    var workers: Int?

    @Option(
        help:
            "CPUs that workers are bound to: automatic (one each, if there are as many), every-cpu, cores, unbound, or a list as 0,2,8-11.",
        transform: WorkerPlacement.option)
    var cpus: WorkerPlacement = .automatic

    @Option(
        parsing: .unconditional,
        help: """
            Connections to hold, 1 to 10000000: as many workers as they need, and tables for all. (default: what a worker for \
            each CPU holds)
            """)
    var connections: Int?

    @Option(help: "What moves the bytes: auto is uring where the kernel allows it, otherwise epoll.")
    var driver: DriverOption = .auto

    @Option(help: "Which worker has a client: the kernel's hash, the CPU of its packets, or the one with the fewest.")
    var placement: PlacementOption = .kernelHash

    @Option(help: "What is done with received bytes.")
    var handler: HandlerOption = .echo

    @Flag(help: "Move connections of a worker that has no time left to one that has some.")
    var balance = false

    @Option(
        parsing: .unconditional,
        help: "Microseconds of CPU that each receive takes beside its echo, 0 to 100000: to see what --balance does.")
    var spend = 0

    @Flag(help: "Serve each connection by an async task of its own, on its worker's thread.")
    var async = false

    @Option(
        parsing: .unconditional,
        help: "Bytes of a frame, 1 to 8388608 (8 MiB): sends each that is received to all other connections.")
    var fanOut: Int?

    @Option(
        parsing: .unconditional,
        help: """
            With --fan-out: listen on this port, too, 0 to 65535. Only what comes there is sent to all; connections of --port \
            are echoed.
            """)
    var publishPort: Int?

    @Option(
        parsing: .unconditional, help: "Microseconds that a busy worker looks for more before it sleeps, 0 to 10000.")
    var spin = 0

    @Option(
        parsing: .unconditional, help: "Completions that a worker takes at a time, at most, 16 to 65536.")
    var batch = PortConfiguration().completionsPerWait

    @Option(
        parsing: .unconditional,
        help: "Bytes of a receive buffer, 4096 to 1048576 (1 MiB), a power of two.")
    var receiveBuffer = PortConfiguration().receiveBufferBytes

    @Option(
        help: "Become this user once it listens and all memory is registered; takes root. (default: stay)",
        transform: User.init(named:))
    var user: User?

    @Flag(help: "Let each ring do nothing but what this program needs (uring).")
    var lockdown = false

    @Option(
        help:
            "Answer GET /metrics for Prometheus by HTTP at HOST:PORT, on a thread of its own; port 0 takes a free one.",
        transform: MetricsAddress.init)
    var metrics: MetricsAddress?

    @Option(
        help: """
            Open an admin socket for iocp connections and iocp capture: a path, or @NAME for an abstract name. Only this user \
            and root are served; they can read all that is said.
            """,
        transform: UnixAddress.option)
    var admin: UnixAddress?

    @OptionGroup var tls: ServerTLSOptions

    func validate() throws {
        try Bounds.port(port, least: 0)
        try Bounds.workers(workers)
        if let connections { try Bounds.check(connections, "--connections", 1...10_000_000) }
        if let publishPort {
            try Bounds.check(publishPort, "--publish-port", 0...65_535)
            guard fanOut != nil else { throw ValidationError("--publish-port goes with --fan-out only") }
            guard unix == nil else { throw ValidationError("--publish-port is a TCP port: leave --unix out") }
        }
        try Bounds.check(spin, "--spin", 0...10_000, unit: " microseconds")
        try Bounds.check(spend, "--spend", 0...100_000, unit: " microseconds")
        if balance || spend > 0, handler != .echo || async || fanOut != nil {
            throw ValidationError("--balance and --spend are there for the echo handler: leave --handler, --async and --fan-out out")
        }
        if balance, tls.tlsCertificate != nil {
            throw ValidationError("--balance moves no TLS connections: leave --tls-certificate out")
        }
        try Bounds.check(batch, "--batch", 16...65_536, unit: " completions")
        try Bounds.check(receiveBuffer, "--receive-buffer", 4096...1_048_576, unit: " bytes")
        guard receiveBuffer.nonzeroBitCount == 1 else {
            throw ValidationError("--receive-buffer takes a power of two, not \(receiveBuffer)")
        }
        if let fanOut { try Bounds.check(fanOut, "--fan-out", 1...8_388_608, unit: " bytes") }
        if fanOut != nil, handler != .echo {
            throw ValidationError("--fan-out is a handler of its own: leave --handler out")
        }
        if async, fanOut != nil { throw ValidationError("--async is there for --handler alone: leave --fan-out out") }
    }

    func run() throws {
        OpenFileLimit.raise()
        let signals = TerminationSignals()
        var configuration = PortConfiguration()
        configuration.driver = driver.driver
        configuration.workers = workers ?? 0
        configuration.workerPlacement = cpus
        configuration.placement = placement.placement
        configuration.connections = connections ?? 0
        configuration.lockdown = lockdown
        configuration.spinBeforeSleep = .microseconds(spin)
        configuration.completionsPerWait = batch
        configuration.receiveBufferBytes = receiveBuffer
        if let fanOut, let publishPort {
            BroadcastHandler.configure(&configuration)
            let hall = BroadcastHall()
            try serve(configuration, until: signals, publishers: (hall, publishPort)) { worker throws(IOCPError) in
                BroadcastHandler(frameBytes: fanOut, hall, worker)
            }
            for line in hall.summary { Console.complain(line) }
            return
        }
        if let fanOut {
            FanOutHandler.configure(&configuration, frameBytes: fanOut)
            let hall = FanOutHall(frameBytes: fanOut)
            try serve(configuration, until: signals) { _ throws(IOCPError) in
                FanOutHandler(frameBytes: fanOut, hall)
            }
            for line in hall.summary { Console.complain(line) }
            return
        }
        if async {
            let body = handler.body
            return try serve(configuration, until: signals) { _ throws(IOCPError) in BodyHandler(body: body) }
        }
        if balance || spend > 0 {
            configuration.balancesLoad = balance
            return try serve(configuration, until: signals) { [spend] _ throws(IOCPError) in
                BalancedEcho(spentMicroseconds: spend)
            }
        }
        switch handler {
        case .echo: try serve(configuration, until: signals) { _ throws(IOCPError) in EchoHandler() }
        case .discard: try serve(configuration, until: signals) { _ throws(IOCPError) in DiscardHandler() }
        }
    }

    private func serve<Handler: ConnectionHandler>(
        _ configuration: PortConfiguration, until signals: consuming TerminationSignals,
        publishers: (hall: BroadcastHall, port: Int)? = nil,
        handler: @escaping @Sendable (Worker) throws(IOCPError) -> Handler
    ) throws {
        let options = try tls.listenOptions()
        let server = try IOCPServer(configuration, handler: handler)
        server.port.warnAboutFallback()
        let listener: Listener
        var publishing: Listener?
        do {
            if let publishers {
                publishing = try publishers.hall.open {
                    try server.listen(host: host, port: publishers.port, options: options)
                }
            }
            if let unix {
                listener = try server.listen(unix: unix, options: options)
            } else {
                listener = try server.listen(host: host, port: port, options: options)
            }
        } catch {
            throw CommandFailure("cannot listen on \(unix.map(\.description) ?? "\(host):\(port)"): \(error)")
        }
        let endpoint = try metrics?.serve(server.port)
        // It belongs to the user that the server becomes, so it is opened behind that.
        try user?.become()
        let desk = try openAdmin(server.port)
        Console.say(
            "listening on \(listener) workers=\(server.port.workerCount) driver=\(server.port.driver)"
                + (publishing.map { " publishers=\($0)" } ?? "") + (endpoint.map { " metrics=\($0.address)" } ?? ""))
        signals.wait()
        server.stop(drainingFor: .seconds(2))
        try server.wait()
        desk?.close()
        endpoint?.close()
    }

    private func openAdmin(_ port: CompletionPort) throws -> AdminEndpoint? {
        guard let admin else { return nil }
        do throws(IOCPError) {
            return try port.serveAdmin(at: admin)
        } catch {
            throw CommandFailure("cannot open the admin socket \(admin): \(error)")
        }
    }
}

enum HandlerOption: String, ExpressibleByArgument, CaseIterable {
    case echo, discard
}

enum DriverOption: String, ExpressibleByArgument, CaseIterable {
    case auto, uring, epoll

    var driver: Driver {
        switch self {
        case .auto: .auto
        case .uring: .uring
        case .epoll: .epoll
        }
    }
}

enum PlacementOption: String, ExpressibleByArgument, CaseIterable {
    case kernelHash = "kernel-hash"
    case incomingCPU = "incoming-cpu"
    case leastLoaded = "least-loaded"

    var placement: ConnectionPlacement {
        switch self {
        case .kernelHash: .kernelHash
        case .incomingCPU: .incomingCPU
        case .leastLoaded: .leastLoaded
        }
    }
}
#endif
