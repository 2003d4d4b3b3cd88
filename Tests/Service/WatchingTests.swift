#if Service
import ChildProcesses
import Foundation
import IOCP
@testable import IOCPService
import Logging
import Synchronization
import Testing

extension Services {
    @Suite struct WatchingTests {
        /// Holds its worker while it is told to.
        private final class Hold: Sendable {
            let isOn = Atomic(false)
            func wait() { while isOn.load(ordering: .relaxed) { usleep(1_000) } }
        }

        /// Serves by a handler that stalls when it receives, until the hold ends.
        private struct Stalling: ConnectionHandler {
            let hold: Hold
            func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
                hold.wait()
                try connection.send(bytes)
            }
        }

        @Test func aStallIsLoggedNotFedAndNotAlive() async throws {
            let (run, systemd, hold) = (Run(), try StandIn(), Hold())
            var settings = ServiceSettings.local
            settings.stallLimit = .milliseconds(300)
            settings.health = .tcp(host: "127.0.0.1", port: 0)
            let server = try IOCPServer(settings.port) { _ in Stalling(hold: hold) }
            let notifier = systemd.notifier(["WATCHDOG_USEC": "400000", "WATCHDOG_PID": "\(getpid())"])
            let service = PortService(server, settings, logger: run.logger, notifier: notifier)
            #expect(notifier.watchdogInterval == .milliseconds(400))
            try await run(service) {
                await eventually("it is fed") { systemd.take().contains("WATCHDOG=1") }
                #expect(try await probe(run, "/livez").contains("200 OK"))
                hold.isOn.store(true, ordering: .relaxed)
                async let answer = ask(server.listeners[0].address!, "hello")
                await eventually("the stall is logged") { run.line("a worker stalls") != nil }
                let live = try await probe(run, "/livez")
                #expect(live.contains("503") && live.contains("worker 0 has been in one handler for"), "\(live)")
                #expect(try await probe(run, "/readyz").contains("503"))
                _ = systemd.take()
                try await Task.sleep(for: .milliseconds(700))
                #expect(!systemd.take().contains("WATCHDOG=1"), "a stalled service is not fed")
                hold.isOn.store(false, ordering: .relaxed)
                let said = try await answer
                #expect(said == "hello")
                await eventually("it goes on") { run.line("a worker goes on") != nil }
                await eventually("it is fed again") { systemd.take().contains("WATCHDOG=1") }
                #expect(try await probe(run, "/livez").contains("200 OK"))
            }
            #expect(run.lines.filter { $0.message.description.hasPrefix("a worker stalls") }.count == 1)
        }

        private func probe(_ run: Run, _ path: String, _ method: String = "GET") async throws -> String {
            let listener = try #require(run.line("answering health")?.metadata["listener"]).description
            let port = try #require(Int(listener.split(separator: ":").last!))
            return try await ask(
                SocketAddress(host: "127.0.0.1", port: port),
                "\(method) \(path) HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n")
        }

        @Test func healthIsWhatTheServiceAndTheApplicationSay() async throws {
            let run = Run()
            let reason = Mutex<String?>(nil)
            var settings = ServiceSettings.local
            settings.health = .tcp(host: "127.0.0.1", port: 0)
            var service = PortService(try settings.echoServer(), settings, logger: run.logger)
            service.unreadiness = { reason.withLock { $0 } }
            #expect(service.notReady == "starting")
            let ready = service
            try await run(ready) {
                #expect(try await probe(run, "/readyz").hasSuffix("\r\n\r\nok\n"))
                reason.withLock { $0 = "the database does not answer" }
                let answer = try await probe(run, "/readyz?verbose")
                #expect(
                    answer.contains("503 Service Unavailable") && answer.hasSuffix("the database does not answer\n"))
                #expect(try await probe(run, "/livez").contains("200 OK"))
                #expect(try await probe(run, "/").contains("404"))
                #expect(try await probe(run, "/livez", "POST").contains("405"))
                let head = try await probe(run, "/livez", "HEAD")
                #expect(head.contains("Content-Length: 3") && head.hasSuffix("\r\n\r\n"))
                let port = Int(
                    run.line("answering health")!.metadata["listener"]!.description.split(separator: ":").last!)!
                let address = try SocketAddress(host: "127.0.0.1", port: port)
                for garbage in [
                    "x\r\n\r\n", "GET / HTTP/2\r\n\r\n", String(repeating: "a", count: 5_000), "\0\u{1}\r\n",
                    "GET / HTTP/1.1\r\n" + String(repeating: "a: b\r\n", count: 40) + "\r\n",
                ] {
                    _ = try? await ask(address, garbage)
                }
                let two = "GET /livez HTTP/1.1\r\n\r\n"
                let kept = try await ask(address, two + two)
                #expect(kept.components(separatedBy: "200 OK").count == 3, "\(kept)")
            }
            #expect(ready.notReady == "stopped")
        }

        @Test(arguments: [false, true]) func healthAnswersMetricsIfItIsTold(isOn: Bool) async throws {
            let run = Run()
            var settings = ServiceSettings.local
            settings.health = .tcp(host: "127.0.0.1", port: 0)
            settings.healthMetrics = isOn
            let service = PortService(try settings.echoServer(), settings, logger: run.logger)
            try await run(service) {
                let answer = try await probe(run, "/metrics")
                #expect(answer.hasPrefix(isOn ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 404 "))
                #expect(answer.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n") == isOn)
                #expect(
                    answer.contains("# TYPE iocp_accepted_total counter\niocp_accepted_total{worker=\"0\"} ") == isOn)
                #expect(
                    try await probe(run, "/").hasSuffix(
                        isOn ? "/livez, /readyz and /metrics\n" : "/livez and /readyz\n"))
            }
        }

        @Test func theAdminSocketIsThereWhileTheServiceRuns() async throws {
            let run = Run()
            var settings = ServiceSettings.local
            let name = "iocp-service-admin-\(getpid())"
            settings.admin = try UnixAddress(abstract: name)
            let service = PortService(try settings.echoServer(), settings, logger: run.logger)
            try await run(service) {
                #expect(run.line("answering the admin socket")?.metadata["listener"] == "@\(name)")
                let command = try ChildProcess("iocp", ["connections", "--socket", "@\(name)", "--order", "old"])
                #expect(try command.end() == 0, "\(command.text(of: .errors))")
                #expect(command.text(of: .output) == "0 shown of 0 that are meant, of 0 connections\n")
            }
            let late = try ChildProcess("iocp", ["connections", "--socket", "@\(name)"])
            #expect(try late.end() == 1)
            #expect(late.text(of: .errors).hasPrefix("iocp: nobody listens on the admin socket @\(name): start the server"))
        }

        @Test func errorsAreLoggedAFewAtATime() throws {
            let run = Run()
            let errors = ErrorLog(run.logger, most: 3, per: .milliseconds(200))
            for _ in 0..<1_000 { errors.record(IOCPError(code: 5, detail: "broken")) }
            #expect(run.lines.count == 3)
            #expect(run.lines[0].metadata["errno"] == "EIO")
            #expect(run.lines[0].level == .warning)
            usleep(250_000)
            errors.record(IOCPError(code: 5, detail: "broken"), in: .received)
            #expect(run.lines.last?.metadata["unlogged"] == "997")
            #expect(run.lines.last?.metadata["method"] == "received")
        }

        @Test func whatGrewIsToldOnce() async throws {
            let run = Run()
            var settings = ServiceSettings.local
            settings.port.connectionsPerAddress = 1
            let server = try settings.echoServer()
            let service = PortService(server, settings, logger: run.logger)
            try await run(service) {
                let address = server.listeners[0].address!
                let client = try IOCPClient()
                try await client.withConnection(to: .tcp(address)) { _, connection in
                    try await connection.send("a")
                    _ = try await connection.next()
                    for _ in 0..<3 { _ = try? await ask(address, "b") }
                }
                client.stop()
            }
            let line = run.line("connections were refused")
            #expect(line?.level == .warning && line?.metadata["count"] == "3", "\(run.lines)")
        }

        @Test func aServiceThatNobodyWatchesTellsNobody() throws {
            #expect(!SystemdNotifier(environment: [:]).isConnected)
            #expect(!SystemdNotifier(environment: ["NOTIFY_SOCKET": "vsock:2:1"]).isConnected)
            #expect(
                SystemdNotifier(environment: ["NOTIFY_SOCKET": "@none", "WATCHDOG_USEC": "x"]).watchdogInterval == nil)
            let other = ["NOTIFY_SOCKET": "@none", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"]
            #expect(SystemdNotifier(environment: other).watchdogInterval == nil)
            SystemdNotifier(environment: other).ready(status: "nobody hears it")
            SystemdNotifier(environment: ["NOTIFY_SOCKET": "/" + String(repeating: "a", count: 200)]).watchdog()
            #expect(SystemdSockets(environment: [:]).all.isEmpty)
            #expect(SystemdSockets(environment: ["LISTEN_PID": "1", "LISTEN_FDS": "1"]).all.isEmpty)
            #expect(SystemdSockets(environment: ["LISTEN_PID": "\(getpid())", "LISTEN_FDS": "-1"]).all.isEmpty)
        }
    }
}
#endif
