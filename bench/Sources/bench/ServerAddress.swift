import Glibc

/// Where a server listens, and where the load finds it.
enum ServerAddress: Hashable {
    /// On ``Contender/host``; 0 until the kernel chose a port.
    case port(Int)
    /// An abstract name: it has no file, so nothing is left behind.
    case unix(String)

    /// What a server listens on that is told so in a command line; as words of that line.
    static func listening(on transport: Workload.Transport) -> [String] {
        switch transport {
        case .tcp: ["--host", Contender.host, "--port", "0"]
        case .unix: ["--unix", Self.name]
        }
    }

    /// Each run has a name of its own: the kernel may still be taking the last one's socket down.
    static func fresh(_ command: [String]) -> [String] {
        command.map { $0 == Self.name ? "@iocp-bench-\(getpid())-\(Int.random(in: 0..<1 << 48))" : $0 }
    }

    /// From `listening on HOST:PORT ...` or `listening on @NAME ...`; `nil` for another line.
    init?(readyLine line: String) {
        let prefix = "listening on "
        guard line.hasPrefix(prefix) else { return nil }
        let address = line.dropFirst(prefix.count).prefix { $0 != " " }
        if address.hasPrefix("@") {
            self = .unix(String(address))
        } else {
            guard let colon = address.lastIndex(of: ":"), let port = Int(address[address.index(after: colon)...]) else {
                return nil
            }
            self = .port(port)
        }
    }

    /// What the load is told; in a report `nil`, as the port or name is another one in each run.
    static func loading(_ address: ServerAddress?, _ transport: Workload.Transport) -> [String] {
        switch (address, transport) {
        case (.port(let port)?, _): ["--host", Contender.host, "--port", "\(port)"]
        case (.unix(let name)?, _): ["--unix", name]
        case (nil, .tcp): ["--host", Contender.host, "--port", "PORT"]
        case (nil, .unix): ["--unix", Self.name]
        }
    }

    private static let name = "@NAME"
}
