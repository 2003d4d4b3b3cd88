import ArgumentParser
import IOCP

struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve connections until SIGINT or SIGTERM.",
        discussion: """
            Once it accepts, it prints one line, for example
              listening on 0.0.0.0:4666 workers=8 driver=uring
            and nothing else. Connections get up to 2 s to finish when it is asked to end; a second signal ends it at \
            once. Exit status: 0 when asked to end, 1 when it cannot listen, 64 for bad usage.

            Examples:
              iocp serve                         echo, a worker on every CPU
              iocp serve --port 0 --workers 1    a free port, one core
              iocp serve --handler discard       receive only
              iocp serve --port 7 --user nobody --lockdown
            """)

    @Option(help: "Address or name to listen on.")
    var host = "0.0.0.0"

    @Option(help: "TCP port, 0 to 65535; 0 takes a free one.")
    var port = 4666

    @Option(help: "Worker threads, 1 to 1024. (default: one per CPU)")
    var workers: Int?

    @Option(help: "What moves the bytes: auto is uring where the kernel allows it, otherwise epoll.")
    var driver: DriverOption = .auto

    @Option(help: "What is done with received bytes.")
    var handler: HandlerOption = .echo

    @Option(help: "Become this user once it listens and all memory is registered; takes root. (default: stay)")
    var user: User?

    @Flag(help: "Let each ring do nothing but what this program needs (uring).")
    var lockdown = false

    func validate() throws {
        try Bounds.port(port, least: 0)
        try Bounds.workers(workers)
    }

    func run() throws {
        OpenFileLimit.raise()
        let signals = TerminationSignals()
        switch handler {
        case .echo: try serve(until: signals) { _ throws(IOCPError) in EchoHandler() }
        case .discard: try serve(until: signals) { _ throws(IOCPError) in DiscardHandler() }
        }
    }

    private func serve<Handler: ConnectionHandler>(
        until signals: consuming TerminationSignals,
        handler: @escaping @Sendable (Worker) throws(IOCPError) -> Handler
    ) throws {
        var configuration = PortConfiguration()
        configuration.driver = driver.driver
        configuration.workers = workers ?? 0
        configuration.lockdown = lockdown
        let server = try IOCPServer(configuration, handler: handler)
        server.port.warnAboutFallback()
        let address: SocketAddress
        do {
            address = try server.listen(host: host, port: port)
        } catch {
            throw CommandFailure("cannot listen on \(host):\(port): \(error)")
        }
        try user?.become()
        Console.say("listening on \(address) workers=\(server.port.workerCount) driver=\(server.port.driver)")
        signals.wait()
        server.stop(drainingFor: .seconds(2))
        try server.wait()
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
