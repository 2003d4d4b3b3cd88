import ChildProcesses
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension Commands {
    @Suite(needsRing) struct Serve {
        @Test("one ready line, then exit 0 when asked to end", arguments: [SIGTERM, SIGINT], ["uring", "epoll"])
        func endsWhenAsked(signal: Int32, driver: String) throws {
            let server = try Server(["--workers", "2", "--driver", driver])
            #expect(try #require(Int(server.port)) > 0)
            #expect(server.readyLine == "listening on 127.0.0.1:\(server.port) workers=2 driver=\(driver)")
            #expect(try server.end(signal) == 0)
            #expect(server.child.lines(of: .output).count == 1)
            #expect(server.child.text(of: .errors) == "")
        }

        @Test("every driver echoes", arguments: ["uring", "epoll"])
        func echoes(driver: String) throws {
            let server = try Server(["--driver", driver])
            let outcome = try stress(port: server.port, ["--depth", "2", "--size", "100000"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.outputLines.last == "mismatches: 0")
            #expect(try server.end() == 0)
        }

        @Test("ends its connections when asked to end, and tells nobody it failed")
        func endsWithConnections() throws {
            let server = try Server()
            let load = try ChildProcess(
                "iocp", ["stress", "--port", server.port, "--connections", "50", "--duration", "60"])
            _ = try load.line(of: .output, beginning: "connections established: 50")
            // Each was used once; the load itself begins after that.
            let deadline = ContinuousClock.now + .seconds(20)
            while try Wrapper.stats(of: server.child)[0]["received_operations"] as? Int ?? 0 < 1000, .now < deadline {}
            #expect(try server.end() == 0)
            #expect(server.child.text(of: .errors) == "")
            #expect(try load.end() == 1)
            #expect(load.text(of: .errors).contains("ended a connection"))
        }

        @Test("a port in use is an error that names cause and remedy")
        func portInUse() throws {
            let server = try Server()
            let second = try Outcome(of: ["serve", "--host", "127.0.0.1", "--port", server.port, "--workers", "1"])
            #expect(second.status == 1)
            #expect(second.output == "")
            #expect(second.errorLines.count == 1)
            #expect(second.errors.hasPrefix("iocp: cannot listen on 127.0.0.1:\(server.port): the port is in use"))
            #expect(second.errors.contains("choose another port"))
            #expect(try server.end() == 0)
        }

        @Test("a host that names nothing is an error")
        func unknownHost() throws {
            let outcome = try Outcome(of: ["serve", "--host", "no such host", "--port", "0", "--workers", "1"])
            #expect(outcome.status == 1)
            #expect(outcome.errorLines.count == 1)
            #expect(outcome.errors.contains("no such host"))
        }
    }
}
