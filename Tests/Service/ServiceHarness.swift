#if Service
import Foundation
import Glibc
import IOCP
@testable import IOCPService
import InMemoryLogging
import Logging
import ServiceLifecycle
import ServiceLifecycleTestKit
import Testing

/// One suite above all, serialized: tests trap signals, and measure times.
@Suite(.serialized, .timeLimit(.minutes(2))) struct Services {}

/// Waits for something that other threads bring about.
func eventually(
    within limit: Duration = .seconds(10), _ what: String, _ condition: () -> Bool,
    at location: SourceLocation = #_sourceLocation
) async {
    let end = ContinuousClock.now + limit
    while !condition() {
        guard ContinuousClock.now < end else {
            Issue.record("not within \(limit): \(what)", sourceLocation: location)
            return
        }
        try? await Task.sleep(for: .milliseconds(5))
    }
}

/// A socket that stands for systemd's.
final class StandIn: Sendable {
    let path: String
    private let descriptor: Int32

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "iocp-notify-\(UUID().uuidString.prefix(8))").path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
    }

    deinit {
        close(descriptor)
        unlink(path)
    }

    func notifier(_ more: [String: String] = [:]) -> SystemdNotifier {
        SystemdNotifier(environment: ["NOTIFY_SOCKET": path].merging(more) { $1 })
    }

    /// What was told since the last call, a message each.
    func take() -> [String] {
        var messages: [String] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { return messages }
            messages.append(String(decoding: buffer.prefix(count), as: UTF8.self))
        }
    }
}

/// A service in a task, under what stands for a service group.
struct Run: Sendable {
    let log = InMemoryLogHandler()
    var logger: Logger { Logger(label: "test") { _ in log } }

    var lines: [InMemoryLogHandler.Entry] { log.entries }
    func line(_ start: String) -> InMemoryLogHandler.Entry? { lines.first { $0.message.description.hasPrefix(start) } }

    /// Runs the service, calls `use` once it is ready, and asks it to stop behind that.
    func callAsFunction(_ service: PortService, _ use: () async throws -> Void = {}) async throws {
        try await testGracefulShutdown { trigger in
            async let run: Void = service.run()
            await eventually("it is ready") { service.phases.now != .starting }
            do { try await use() } catch {
                trigger.triggerGracefulShutdown()
                throw error
            }
            trigger.triggerGracefulShutdown()
            try await run
        }
    }
}

extension ServiceSettings {
    /// On a free port of the loopback, with one worker.
    static var local: ServiceSettings {
        var settings = ServiceSettings()
        settings.addresses = [.tcp(host: "127.0.0.1", port: 0)]
        settings.port.workers = 1
        settings.port.workerPlacement = .unbound
        settings.drain = .seconds(2)
        return settings
    }

    func echoServer() throws -> IOCPServer<BodyHandler> {
        try IOCPServer(port) { _, connection in
            while let bytes = try await connection.next() { try await connection.send(bytes) }
        }
    }
}

/// Connects, sends, and reads until the peer's end. On a thread of its own, as tasks may be few.
func ask(_ address: SocketAddress, _ text: String) async throws -> String {
    let client = try IOCPClient()
    defer { client.stop() }
    return try await client.withConnection(to: .tcp(address)) { _, connection in
        try await connection.send(text)
        try connection.finishSending()
        var answer: [UInt8] = []
        while let bytes = try await connection.next(within: .seconds(10)) {
            bytes.bytes.append(to: &answer)
        }
        return String(decoding: answer, as: UTF8.self)
    }
}
#endif
