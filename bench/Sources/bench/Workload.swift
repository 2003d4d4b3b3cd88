/// What the load does to a server, and which contenders it is done to.
///
/// A new workload is one entry in `all`.
struct Workload {
    /// What is done with the connections; each has a mode of `iocp stress`.
    enum Kind: Equatable {
        /// A closed loop: each busy connection keeps this number of messages outstanding.
        case echo(depth: Int)
        /// An open loop at this share of the closed-loop peak of the reference contender.
        case rate(share: Double)
        /// Connections that open, echo one message and close, over and over.
        case churn
        /// A publisher whose frames go to every connection, this number outstanding.
        case fanOut(depth: Int)
    }

    enum Transport {
        /// The loopback network.
        case tcp
        /// Unix stream sockets.
        case unix
    }

    /// Stable: `--only`, the JSON report and the documents use it.
    let name: String
    let summary: String
    let connections: Int
    /// Connections that are kept busy; `nil` means all of them.
    var active: Int? = nil
    var messageBytes = 64
    var kind = Kind.echo(depth: 1)
    var transport = Transport.tcp
    /// How many times longer its slices are: one that is not far longer than a round of messages shows its beginning only.
    var sliceScale = 1
    /// Names of contenders, in the order in which they take turns.
    var contenders = scalable
    /// Those of them in the short selection, which is what runs unless more is asked for; `nil` where the workload is
    /// no part of it.
    var shortContenders: [String]? = nil

    private static let everyone = Contender.all.map(\.name)
    /// Those for which each workload says something new.
    private static let scalable = names { !$0.scansConnections && !$0.threadPerConnection }
    /// The server models without a library.
    private static let models = ["iocp", "epoll", "poll", "select", "threads"]

    private static func names(where takesPart: (Contender) -> Bool) -> [String] {
        Contender.all.filter(takesPart).map(\.name)
    }

    static let all: [Workload] = [
        Workload(
            name: "echo-1000",
            summary: "1,000 connections, all busy, 64-byte echo",
            connections: 1_000, contenders: everyone,
            shortContenders: ["iocp", "iocp-epoll", "uring", "epoll", "poll", "select", "threads"]),
        Workload(
            name: "active-100",
            summary: "18,000 connections, 100 of them busy, 64-byte echo",
            connections: 18_000, active: 100, contenders: everyone, shortContenders: models),
        Workload(
            name: "held-20000",
            summary: "20,400 connections held, 100 of them busy, 64-byte echo",
            connections: 20_400, active: 100,
            contenders: names { !$0.threadPerConnection },
            shortContenders: ["iocp", "epoll", "poll", "select"]),
        Workload(
            name: "held-40000",
            summary: "40,000 connections in one process, each of them echoing",
            connections: 40_000, sliceScale: 8, contenders: ["iocp"], shortContenders: ["iocp"]),

        Workload(name: "echo-1", summary: "1 connection, 64-byte echo", connections: 1),
        Workload(
            name: "echo-100", summary: "100 connections, all busy, 64-byte echo", connections: 100,
            contenders: everyone),
        Workload(
            name: "echo-18000", summary: "18,000 connections, all busy, 64-byte echo",
            connections: 18_000, sliceScale: 4),
        Workload(
            name: "pipelined-16", summary: "100 connections, each 16 messages of 64 bytes ahead",
            connections: 100, kind: .echo(depth: 16)),
        Workload(
            name: "pipelined-64", summary: "100 connections, each 64 messages of 64 bytes ahead",
            connections: 100, kind: .echo(depth: 64)),
        Workload(
            name: "echo-4k", summary: "100 connections, all busy, 4 KiB echo",
            connections: 100, messageBytes: 4 << 10),
        Workload(
            name: "echo-64k", summary: "100 connections, all busy, 64 KiB echo",
            connections: 100, messageBytes: 64 << 10),
        Workload(
            name: "stream-1m", summary: "10 connections, each echoing a stream, 2 MiB ahead in pieces of 1 MiB",
            connections: 10, messageBytes: 1 << 20, kind: .echo(depth: 2)),
        Workload(
            name: "unix-1000", summary: "1,000 connections on a Unix socket, all busy, 64-byte echo",
            connections: 1_000, transport: .unix, contenders: names(where: \.listensOnUnix)),
        Workload(
            name: "unix-pipelined-16",
            summary: "100 connections on a Unix socket, each 16 messages of 64 bytes ahead",
            connections: 100, kind: .echo(depth: 16), transport: .unix, contenders: names(where: \.listensOnUnix)),
        Workload(
            name: "fan-out-10000",
            summary: "a publisher and 10,000 subscribers, frames of 1 KiB to each of them",
            connections: 10_000, messageBytes: 1 << 10, kind: .fanOut(depth: 1), sliceScale: 4,
            contenders: names(where: \.fansOut)),
        Workload(
            name: "churn",
            summary: "100 lanes that connect, echo one message of 64 bytes and close, over and over",
            connections: 100, kind: .churn),
        Workload(
            name: "rate-25",
            summary: "1,000 connections, 64-byte echo, open loop at 25 % of epoll's peak",
            connections: 1_000, kind: .rate(share: 0.25)),
        Workload(
            name: "rate-50",
            summary: "1,000 connections, 64-byte echo, open loop at 50 % of epoll's peak",
            connections: 1_000, kind: .rate(share: 0.5)),
        Workload(
            name: "rate-75",
            summary: "1,000 connections, 64-byte echo, open loop at 75 % of epoll's peak",
            connections: 1_000, kind: .rate(share: 0.75)),
    ]

    /// The short selection, each with the contenders it has there.
    static var short: [Workload] {
        all.compactMap { workload in
            guard let contenders = workload.shortContenders else { return nil }
            var short = workload
            short.contenders = contenders
            return short
        }
    }

    /// What a server is told beyond its contender's own command line.
    var serverOptions: [String] {
        if case .fanOut = kind { ["--fan-out", "\(messageBytes)"] } else { [] }
    }

    var isRate: Bool {
        if case .rate = kind { true } else { false }
    }

    /// The closed loop whose peak the rates are shares of; workloads of the same load share it.
    var closedLoop: Workload {
        var loop = Workload(
            name: "peak-\(connections)-\(messageBytes)", summary: summary, connections: connections)
        loop.active = active
        loop.messageBytes = messageBytes
        loop.transport = transport
        return loop
    }
}

extension Workload.Kind {
    /// What its figures count.
    var noun: String {
        switch self {
        case .echo, .rate: "message"
        case .churn: "cycle"
        case .fanOut: "delivery"
        }
    }

    /// On rates, where words are short.
    var unit: String {
        switch self {
        case .echo, .rate: "msg/s"
        case .churn: "cycles/s"
        case .fanOut: "deliveries/s"
        }
    }

    /// The times that it has besides its latency.
    var besides: String? {
        switch self {
        case .echo: nil
        case .rate: "load late"
        case .churn: "connect"
        case .fanOut: "whole frame"
        }
    }
}
