import IOCP
import Launch

/// Passes the bytes of each client to the upstream server and back, as `relay` does: by two tasks on the worker's thread,
/// each of which reads one connection no faster than the other is sent.
struct Relay: Sendable {
    let upstream: SocketAddress

    func serve(_ client: AsyncConnection, on worker: isolated WorkerActor) async throws {
        // What the client sends meanwhile is kept, and received no more once that is much.
        let server = try await worker.connect(to: upstream, timeout: .seconds(10))
        try await worker.concurrently {
            try await pass(client, to: server)
        } and: {
            try await pass(server, to: client)
        }
    }

    /// One direction, with its own end.
    private nonisolated(nonsending) func pass(_ source: AsyncConnection, to other: AsyncConnection)
        async throws(IOCPError)
    {
        do throws(IOCPError) {
            while let bytes = try await source.next() {
                try await other.send(bytes)  // the buffer itself, without a copy
            }
            try other.finishSending()
        } catch {
            // A stream that was cut must not look like one that ended. This ends the other direction, too.
            source.abort()
            other.abort()
            throw error
        }
    }
}

let arguments = Arguments(["to": ""])
var configuration = arguments.configuration
configuration.holdsBackReceive = false  // what is unsent here came from the other connection, which is held instead
(configuration.sendHighWatermark, configuration.sendLowWatermark) = (256 << 10, 64 << 10)
do {
    guard let colon = arguments["to"].lastIndex(of: ":"), let port = Int(arguments["to"][colon...].dropFirst()) else {
        fail("--to takes host:port", status: 64)
    }
    let relay = Relay(upstream: try SocketAddress(host: String(arguments["to"][..<colon]), port: port))
    let server = try IOCPServer(configuration) { worker, client in try await relay.serve(client, on: worker) }
    announce(try server.listen(host: "127.0.0.1", port: arguments.port, options: arguments.listenOptions()))
    try server.wait()
} catch {
    fail(error)
}
