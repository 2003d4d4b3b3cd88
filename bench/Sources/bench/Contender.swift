/// A server that takes part: how it is started and how many connections it can hold.
///
/// A new contender is one entry in `all`, and its name in the workloads it takes part in. Its
/// program accepts `--host` and `--port`, prints `listening on HOST:PORT ...` when it is ready,
/// echoes every byte, and ends with status 0 on SIGTERM.
struct Contender: Sendable {
    let name: String
    let summary: String
    /// Whether each connection takes a descriptor, and so counts against RLIMIT_NOFILE.
    var descriptorPerConnection = true
    var threadPerConnection = false
    let command: @Sendable (Launch) -> [String]

    /// The most connections one process of it can hold, whatever is asked for. A hundred
    /// descriptors are left for what else the server needs.
    func connectionsMax(within limits: Limits) -> Int {
        min(
            descriptorPerConnection ? limits.descriptors - 100 : .max,
            threadPerConnection ? limits.threads : .max)
    }

    /// What a contender's command line may depend on.
    struct Launch: Sendable {
        /// Path of the `iocp` command.
        var iocp: String
        /// Folder of the baseline executables.
        var baselines: String
        var connections: Int
        var limits: Limits
    }

    /// The one the others are compared with in CPU per message.
    static let reference = "epoll"
    /// The one this bench is about: the run fails only when it does.
    static let subject = "iocp"
    static let host = "127.0.0.1"

    static let all: [Contender] = [
        Contender(
            name: "iocp", summary: "this library on io_uring",
            descriptorPerConnection: false,
            command: { iocpServe($0) }),
        Contender(
            name: "epoll", summary: "C, one thread, epoll",
            command: { baseline("echo-epoll", $0) }),
        Contender(
            name: "poll", summary: "C, one thread, poll",
            command: { baseline("echo-poll", $0) }),
        Contender(
            name: "select", summary: "C, one thread, select",
            command: { baseline("echo-select", $0) }),
        Contender(
            name: "threads", summary: "C, one thread per connection",
            threadPerConnection: true,
            command: { baseline("echo-threads", $0) }),
    ]

    static func named(_ name: String) -> Contender {
        guard let contender = all.first(where: { $0.name == name }) else {
            preconditionFailure("a workload names an unknown contender: \(name)")
        }
        return contender
    }

    @Sendable
    private static func baseline(_ executable: String, _ launch: Launch) -> [String] {
        ["\(launch.baselines)/\(executable)", "--host", host, "--port", "0"]
    }

    /// One worker for the one CPU it gets; more only where its rings' tables, each bounded by the
    /// descriptor limit, could not hold the connections.
    @Sendable
    private static func iocpServe(_ launch: Launch) -> [String] {
        let perWorker = max(1, launch.limits.descriptors - 1_000)
        let workers = (launch.connections + perWorker - 1) / perWorker
        return [
            launch.iocp, "serve", "--host", host, "--port", "0", "--workers", "\(workers)",
        ]
    }
}
