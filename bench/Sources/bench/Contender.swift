/// A server that takes part: how it is started and how many connections it can hold.
///
/// A new contender is one entry in `all`. Its program accepts `--host` and `--port`, prints `listening on HOST:PORT ...`
/// when it is ready, echoes every byte, and ends with status 0 on SIGTERM. With `--unix @NAME` in their place it listens on
/// that abstract name, and says so.
struct Contender: Sendable {
    let name: String
    let summary: String
    /// Whether RLIMIT_NOFILE bounds its connections: each takes a descriptor, or a place in the one table of direct
    /// descriptors that a process with a single ring has.
    var boundByDescriptors = true
    var threadPerConnection = false
    /// Whether it understands `--fan-out`.
    var fansOut = false
    /// Whether it understands `--unix`.
    var listensOnUnix = false
    /// Whether its work grows with the connections that it holds, so that most workloads would only show that again.
    var scansConnections = false
    /// What its own counter of kernel entries counts; `nil` where there is no such counter to read.
    var countedEntries: String? = nil
    let command: @Sendable (Launch) -> [String]

    /// The most connections one process of it can hold, whatever is asked for. A hundred
    /// descriptors are left for what else the server needs.
    func connectionsMax(within limits: Limits) -> Int {
        min(
            boundByDescriptors ? limits.descriptors - 100 : .max,
            threadPerConnection ? limits.threads : .max)
    }

    /// What a contender's command line may depend on.
    struct Launch: Sendable {
        var programs: Programs
        var transport: Workload.Transport
        var connections: Int
        var limits: Limits
    }

    /// Where executables are.
    struct Programs: Sendable {
        /// Path of the `iocp` command.
        var iocp: String
        /// Folder of the baseline executables, which are targets of this package.
        var baselines: String
        /// Folder of the servers that `baselines/build-peers.sh` builds.
        var peers: String
    }

    /// The one the others are compared with in CPU per message.
    static let reference = "epoll"
    /// The one this bench is about: the run fails only when it does.
    static let subject = "iocp"
    static let host = "127.0.0.1"
    /// What is said of one that has no executable.
    static let notBuilt = "not built: make bench-peers builds it"

    static let all: [Contender] = [
        Contender(
            name: "iocp", summary: "this library on io_uring",
            boundByDescriptors: false, fansOut: true, listensOnUnix: true, countedEntries: "kernel entries",
            command: { iocpServe($0) }),
        Contender(
            name: "iocp-epoll", summary: "this library on its epoll driver, the twin",
            // That driver's counter knows the loop's waits only.
            fansOut: true, listensOnUnix: true, countedEntries: "epoll_wait calls",
            command: { iocpServeOnEpoll($0) }),
        Contender(
            name: "uring", summary: "C, one thread, bare io_uring", fansOut: true, listensOnUnix: true,
            command: { baseline("echo-uring", $0) }),
        Contender(
            name: "epoll", summary: "C, one thread, epoll", fansOut: true, listensOnUnix: true,
            command: { baseline("echo-epoll", $0) }),
        Contender(
            name: "nio", summary: "Swift, SwiftNIO with channel handlers", fansOut: true,
            command: { peer("echo-nio", $0) }),
        Contender(
            name: "nio-async", summary: "Swift, SwiftNIO with async/await, tasks on its event loop",
            command: { peer("echo-nio-async", $0) + ["--takeover"] }),
        Contender(
            name: "nio-async-pool", summary: "Swift, SwiftNIO with async/await, tasks on Swift's own pool",
            command: { peer("echo-nio-async", $0) }),
        Contender(
            name: "libuv", summary: "C, one thread, libuv",
            command: { peer("echo-libuv", $0) }),
        Contender(
            name: "asio", summary: "C++, one thread, Boost.Asio",
            command: { peer("echo-asio", $0) }),
        Contender(
            name: "go", summary: "Go, a goroutine per connection",
            command: { peer("echo-go", $0) }),
        Contender(
            name: "tokio", summary: "Rust, one thread, tokio, a task per connection",
            command: { peer("echo-tokio", $0) }),
        Contender(
            name: "poll", summary: "C, one thread, poll", scansConnections: true,
            command: { baseline("echo-poll", $0) }),
        Contender(
            name: "select", summary: "C, one thread, select", scansConnections: true,
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
        ["\(launch.programs.baselines)/\(executable)"] + ServerAddress.listening(on: launch.transport)
    }

    @Sendable
    private static func peer(_ executable: String, _ launch: Launch) -> [String] {
        ["\(launch.programs.peers)/\(executable)"] + ServerAddress.listening(on: launch.transport)
    }

    /// One worker for the one CPU it gets, of as many rings as the connections need where one ring's table, bounded by the
    /// descriptor limit, could not hold them.
    @Sendable
    private static func iocpServe(_ launch: Launch) -> [String] {
        let perRing = max(1, launch.limits.descriptors - 1_000)
        return [launch.programs.iocp, "serve"] + ServerAddress.listening(on: launch.transport) + ["--workers", "1"]
            + (launch.connections > perRing ? ["--connections", "\(launch.connections)"] : [])
    }

    @Sendable
    private static func iocpServeOnEpoll(_ launch: Launch) -> [String] {
        [launch.programs.iocp, "serve"] + ServerAddress.listening(on: launch.transport)
            + ["--workers", "1", "--driver", "epoll"]
    }
}
