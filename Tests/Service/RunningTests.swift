#if Service
import Foundation
import IOCP
@testable import IOCPService
import Logging
import MetricsTestKit
import ServiceLifecycle
import Synchronization
import Testing

extension Services {
    @Suite struct RunningTests {
        @Test func itListensServesTellsAndStops() async throws {
            let (run, systemd, settings) = (Run(), try StandIn(), ServiceSettings.local)
            let server = try settings.echoServer()
            let service = PortService(server, settings, logger: run.logger, notifier: systemd.notifier())
            try await run(service) {
                let answer = try await ask(server.listeners[0].address!, "hello")
                #expect(answer == "hello")
                #expect(systemd.take().contains { $0.hasPrefix("READY=1\nSTATUS=0 connections on 127.0.0.1:") })
            }
            #expect(
                systemd.take().contains { $0.hasPrefix("STOPPING=1\n") && $0.contains("EXTEND_TIMEOUT_USEC=7000000") })
            let messages = run.lines.map(\.message.description)
            #expect(messages == ["listening", "stopping", "stopped"], "\(messages)")
            #expect(run.line("listening")?.metadata["listener"]?.description.hasPrefix("127.0.0.1:") == true)
            #expect(run.line("stopped")?.metadata["accepted"] == "1")
            #expect(service.phases.now == .stopped)
        }

        @Test func anAddressInUseEndsItWithTheReason() async throws {
            let (run, systemd) = (Run(), try StandIn())
            var settings = ServiceSettings.local
            let other = try IOCPServer(settings.port) { _, _ in }
            let taken = try other.listen(host: "127.0.0.1", port: 0)
            settings.addresses = [.tcp(host: "127.0.0.1", port: taken.port)]
            let service = PortService(
                try settings.echoServer(), settings, logger: run.logger, notifier: systemd.notifier())
            do {
                try await service.run()
                Issue.record("it ran")
            } catch let error as IOCPError {
                #expect(error.name == "EADDRINUSE")
            }
            #expect(run.lines.map(\.message.description) == ["the service cannot listen"])
            #expect(systemd.take().isEmpty)
            other.stop()
        }

        @Test func cancelledItStopsAtOnce() async throws {
            let (run, settings) = (Run(), ServiceSettings.local)
            let server = try settings.echoServer()
            let service = PortService(server, settings, logger: run.logger)
            let task = Task { try await service.run() }
            await eventually("it is ready") { service.phases.now == .ready }
            let start = ContinuousClock.now
            task.cancel()
            try await task.value
            #expect(ContinuousClock.now - start < .seconds(1))
            #expect(run.line("stopped") != nil)
        }

        @Test func theDelayGoesOnAcceptingThoughItIsNotReady() async throws {
            let run = Run()
            var settings = ServiceSettings.local
            settings.stopDelay = .milliseconds(600)
            let server = try settings.echoServer()
            let address = Mutex<SocketAddress?>(nil)
            let service = PortService(server, settings, logger: run.logger)
            async let late: String = {
                await eventually("it was asked to stop") { service.phases.now == .stopping }
                #expect(service.notReady == "stopping")
                return try await ask(address.withLock { $0! }, "late")
            }()
            try await run(service) { address.withLock { $0 = server.listeners[0].address } }
            let answer = try await late
            #expect(answer == "late")
        }

        @Test func whoHasEndedStallsNobody() throws {
            let port = try CompletionPort(ServiceSettings.local.port)
            do {
                let worker = try port.attachWorker()
                var batch = CompletionBatch()
                _ = try worker.wait(into: &batch, timeout: .zero)
                usleep(3_000)
                #expect(Stalls(port: port, limit: .milliseconds(1)).now().count == 1)
                port.stop()
                while (try? worker.wait(into: &batch, timeout: .milliseconds(1))) != nil {}
            }
            usleep(3_000)
            #expect(Stalls(port: port, limit: .milliseconds(1)).now().isEmpty)
        }

        /// A `ServiceGroup` logs its services whole.
        @Test func secretsStayOutOfDescriptions() throws {
            var settings = ServiceSettings.local
            var files = TLSFiles()
            files.passphrase = "hunter2"
            settings.tls = files
            let service = PortService(try IOCPClient(settings.port), settings, logger: Run().logger)
            var dumped = ""
            dump(service, to: &dumped)
            for text in ["\(service)", "\(settings)", String(reflecting: settings), dumped] {
                #expect(!text.contains("hunter2"))
            }
        }

        @Test func aClientRunsToo() async throws {
            let run = Run()
            var settings = ServiceSettings.local
            settings.addresses = []
            let service = PortService(try IOCPClient(settings.port), settings, logger: run.logger)
            try await run(service)
            #expect(run.lines.map(\.message.description) == ["stopping", "stopped"])
        }

        @Test func hangupReloads() async throws {
            let (run, systemd, settings) = (Run(), try StandIn(), ServiceSettings.local)
            let calls = Atomic(0)
            var service = PortService(
                try settings.echoServer(), settings, logger: run.logger, notifier: systemd.notifier())
            service.onReload = {
                if calls.add(1, ordering: .relaxed).newValue == 2 { throw IOCPError(code: 2, detail: "no such file") }
            }
            try await run(service) {
                kill(getpid(), SIGHUP)
                await eventually("it was read again") { run.line("settings were read again") != nil }
                kill(getpid(), SIGHUP)
                await eventually("it failed") { run.line("settings could not") != nil }
                await eventually("both were told") { systemd.take().last?.hasPrefix("READY=1") == true }
            }
        }

        @Test func countersAreExported() async throws {
            let (run, metrics) = (Run(), TestMetrics())
            var settings = ServiceSettings.local
            settings.metricsInterval = .milliseconds(100)
            let server = try settings.echoServer()
            var service = PortService(server, settings, logger: run.logger)
            service.metricsFactory = metrics
            try await run(service) {
                for _ in 0..<3 { _ = try await ask(server.listeners[0].address!, "12345") }
            }
            let worker = [("worker", "0")]
            #expect(try metrics.expectCounter("iocp_accepted", worker).totalValue == 3)
            #expect(try metrics.expectCounter("iocp_received_bytes", worker).totalValue == 15)
            #expect(try metrics.expectGauge("iocp_connections", worker).lastValue == 0)
            #expect(try metrics.expectGauge("iocp_busy_ns", worker).lastValue != nil)
            let labels = Set(metrics.counters.map(\.label) + metrics.recorders.map(\.label))
            let expected = WorkerStats.fields.filter { $0 != .heartbeat }.map { "iocp_\($0.name)" } + ["iocp_busy_ns"]
            #expect(labels == Set(expected))
        }
    }
}
#endif
