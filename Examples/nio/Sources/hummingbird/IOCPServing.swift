import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import Support

/// Hummingbird's router behind a bootstrap of either transport: what its `Application` does for NIO's own sockets.
func serve<Responder: HTTPResponder>(
    _ responder: Responder, on bootstrap: any Bootstrap, port: Int, logger: Logger,
    listening: @Sendable (any Channel) -> Void
) async throws where Responder.Context: InitializableFromSource<ApplicationRequestContextSource> {
    let http = HTTP1Channel { request, writer, channel in
        let context = Responder.Context(source: .init(channel: channel, logger: logger))
        let response =
            (try? await responder.respond(to: request, context: context)) ?? Response(status: .internalServerError)
        try await writer.write(response: response.head, body: response.body)
    }
    let server = try await bootstrap.bind(host: "127.0.0.1", port: port, serverBackPressureStrategy: nil) { channel in
        http.setup(channel: channel, logger: logger)
    }
    listening(server.channel)
    try await withThrowingDiscardingTaskGroup { tasks in
        try await server.executeThenClose { clients in
            for try await client in clients { tasks.addTask { await http.handle(value: client, logger: logger) } }
        }
    }
}
