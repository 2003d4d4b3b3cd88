#if Service
import IOCP

/// Answers how a service is by HTTP/1.1, on a port with a thread of its own: it answers, too, while all workers of the service
/// stall, and takes nothing of theirs.
struct HealthEndpoint: Sendable {
    private let server: IOCPServer<BodyHandler>

    /// - Throws: why it cannot listen there.
    init(_ address: ListenAddress, of service: PortService) throws(IOCPError) {
        var configuration = PortConfiguration()
        configuration.driver = .epoll  // small, and allowed everywhere
        configuration.workers = 1
        configuration.workerPlacement = .unbound
        configuration.connectionsPerWorker = 64
        configuration.receiveBufferBytes = 4_096
        configuration.receiveBuffersPerWorker = 64
        // The counters of 1,024 workers are 3 MiB of text.
        configuration.sendChunksPerWorker = service.settings.healthMetrics ? 512 : 64
        configuration.mailboxEntries = 64
        configuration.timersPerWorker = 256
        configuration.idleTimeout = .seconds(10)
        server = try IOCPServer(configuration) { _, connection in
            // What takes longer is no probe's; who asks more than this at a time has other aims.
            connection.timeout = .seconds(5)
            while let request = try await connection.withDeadline(
                after: .seconds(5), { try await HealthRequest(from: connection) })
            {
                try await connection.send(request.answer(by: service))
                if !request.isKept { return }
            }
        }
        let listener = try server.port.listen(on: address, ListenOptions())
        service.logger.notice("answering health", metadata: ["listener": "\(listener)"])
    }

    func stop() { server.stop(drainingFor: .seconds(1)) }
}
#endif
