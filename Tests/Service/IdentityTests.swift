#if Service
import IOCP
@testable import IOCPService
import InMemoryTracing
import Logging
import Synchronization
import Testing
import Tracing

extension Services {
    @Suite struct IdentityTests {
        @Test func linesAndSpansOfABodyNameItsConnection() async throws {
            let (run, settings, tracer) = (Run(), ServiceSettings.local, InMemoryTracer())
            var logger = Logger(label: "test") { _ in
                var log = run.log
                log.metadataProvider = .connection
                return log
            }
            logger.logLevel = .debug
            let log = logger
            let server = try IOCPServer(
                settings.port,
                body: identified { worker, connection in
                    while let line = try await connection.line() {
                        try await withRequest(line, by: tracer) {
                            log.debug("it was taken")
                            try await connection.send("\(line)\n")
                        }
                    }
                })
            try await run(PortService(server, settings, logger: run.logger)) {
                let address = server.listeners[0].address!
                async let one = ask(address, "a\nb\n")
                async let two = ask(address, "c\n")
                let answers = try await [one, two]
                #expect(answers == ["a\nb\n", "c\n"])
            }
            let lines = run.lines.filter { $0.message == "it was taken" }
            #expect(lines.count == 3)
            #expect(Set(lines.compactMap { $0.metadata["connection"]?.description }).count == 2)
            #expect(lines.allSatisfy { $0.metadata["peer"]?.description.hasPrefix("127.0.0.1:") == true })
            let spans = tracer.finishedSpans
            #expect(Set(spans.map(\.operationName)) == ["a", "b", "c", "inner a", "inner b", "inner c"])
            for inner in spans where inner.operationName.hasPrefix("inner") {
                let outer = spans.first { "inner \($0.operationName)" == inner.operationName }
                #expect(inner.parentSpanID == outer?.spanID && inner.traceID == outer?.traceID)
                #expect(inner.context.connection != nil)
            }
        }

        @Test func aHandlersCallsHaveTheContextToo() async throws {
            struct Handler: ConnectionHandler {
                func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
                    let id = connection.withServiceContext { ServiceContext.current?.connection?.id }
                    let peer = connection.withServiceContext { ServiceContext.current?.connection?.peer }
                    let isKnown = try peer == connection.peerAddress()
                    try connection.withServiceContext { () throws(IOCPError) in try connection.send("\(id!) \(isKnown)")
                    }
                }
            }
            let (run, settings) = (Run(), ServiceSettings.local)
            let server = try IOCPServer(settings.port) { _ in Handler() }
            try await run(PortService(server, settings, logger: run.logger)) {
                let answer = try await ask(server.listeners[0].address!, "?")
                #expect(answer == "0-0 true")
            }
        }
    }
}

/// A span around a request, with another one behind an await.
private nonisolated(nonsending) func withRequest(
    _ name: String, by tracer: InMemoryTracer, _ body: () async throws -> Void
) async throws {
    try await tracer.withSpan(name) { _ in
        await Task.yield()
        try await tracer.withSpan("inner \(name)") { _ in try await body() }
    }
}
#endif
