#if NIO
import NIOCore
import Testing

/// A client and its server's channel for it, each with a recorder at the end of its pipeline.
struct Pair {
    let client: any Channel
    let server: any Channel
    let listener: any Channel
    let clientEvents: Recorder
    let serverEvents: Recorder

    /// - Parameters: handlers before the recorders.
    static func with<Value>(
        _ transport: Transport, loops: Int = 1,
        server serverHandlers: @escaping @Sendable () -> [any ChannelHandler & Sendable] = { [] },
        client clientHandlers: @escaping @Sendable () -> [any ChannelHandler & Sendable] = { [] },
        configure: (any ServerMaking) -> any ServerMaking = { $0 },
        _ body: (Pair) async throws -> Value
    ) async throws -> Value {
        try await transport.withGroup(loops) { group in
            let accepted = group.next().makePromise(of: (any Channel).self)
            let (clientEvents, serverEvents) = (Recorder(), Recorder())
            let listener = try await configure(transport.server(group)).childChannelInitializer { channel in
                accepted.succeed(channel)
                return channel.eventLoop.submit {
                    try channel.pipeline.syncOperations.addHandlers(serverHandlers() + [serverEvents])
                }
            }.bind(host: "127.0.0.1", port: 0).get()
            let client = try await transport.client(group).channelInitializer { channel in
                channel.eventLoop.submit {
                    try channel.pipeline.syncOperations.addHandlers(clientHandlers() + [clientEvents])
                }
            }.connect(to: listener.localAddress!).get()
            let server = try await accepted.futureResult.get()
            try await eventually("the server's channel is active") { serverEvents.events.contains("active") }
            return try await body(
                Pair(
                    client: client, server: server, listener: listener, clientEvents: clientEvents,
                    serverEvents: serverEvents))
        }
    }
}

/// A server's channel for a blocking client, with a recorder in its pipeline.
struct Visit {
    let peer: RawPeer
    let server: any Channel
    let listener: any Channel
    let events = Recorder()

    init(
        _ transport: Transport, _ group: any EventLoopGroup,
        configure: (any ServerMaking) -> any ServerMaking = { $0 }
    ) async throws {
        let accepted = group.next().makePromise(of: (any Channel).self)
        let events = events
        listener = try await configure(transport.server(group)).childChannelInitializer {
            accepted.succeed($0)
            return $0.add(events)
        }.bind(host: "127.0.0.1", port: 0).get()
        peer = RawPeer(port: listener.localAddress!.port!)
        server = try await accepted.futureResult.get()
        try await eventually("active") { events.events.contains("active") }
    }
}

/// Waits for what other threads do, twenty seconds at most.
func eventually(_ what: String, _ isSo: () async throws -> Bool) async throws {
    for _ in 0..<2_000 {
        if try await isSo() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("never: \(what)")
}

/// The error that a future ends with; nil: it succeeded.
func failure<Value: Sendable>(of future: EventLoopFuture<Value>) async -> (any Error)? {
    do {
        _ = try await future.get()
        return nil
    } catch {
        return error
    }
}
#endif
