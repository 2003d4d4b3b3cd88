import Foundation
import IOCP
import Testing

extension RealSockets {
    /// The endpoint for Prometheus, and clients that mean it no good.
    @Suite struct MetricsEndpoints {
        private static func port() throws -> CompletionPort {
            var configuration = PortConfiguration()
            configuration.workers = 2
            configuration.driver = .epoll
            return try CompletionPort(configuration)
        }

        private static func endpoint(_ port: CompletionPort) throws -> MetricsEndpoint {
            try port.serveMetrics(on: SocketAddress(bytes: [127, 0, 0, 1], port: 0)!)
        }

        /// A plain client of the endpoint, with a limit on every wait.
        private final class Client {
            let descriptor: Int32

            init(_ address: SocketAddress) throws {
                descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                var name = sockaddr_in()
                name.sin_family = sa_family_t(AF_INET)
                name.sin_port = UInt16(address.port).bigEndian
                name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
                let result = withUnsafePointer(to: &name) { name in
                    name.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
                guard result == 0 else { throw IOCPError(code: errno, operation: .connect) }
            }

            deinit { close(descriptor) }

            /// Whether all of it was taken.
            @discardableResult
            func say(_ bytes: [UInt8]) -> Bool {
                var offset = 0
                while offset < bytes.count {
                    let count = bytes.withUnsafeBytes {
                        send(descriptor, $0.baseAddress! + offset, bytes.count - offset, Int32(MSG_NOSIGNAL))
                    }
                    guard count > 0 else { return false }
                    offset += count
                }
                return true
            }

            func say(_ text: String) { say(Array(text.utf8)) }

            /// All that comes until the end.
            func answer(within limit: Duration = .seconds(20)) throws -> String {
                var text: [UInt8] = []
                var buffer = [UInt8](repeating: 0, count: 64 << 10)
                let deadline = ContinuousClock.now + limit
                while true {
                    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                    let left = (deadline - .now) / .milliseconds(1)
                    try #require(left > 0 && poll(&entry, 1, Int32(left) + 1) > 0, "no end within \(limit)")
                    let count = recv(descriptor, &buffer, buffer.count, 0)
                    if count <= 0 { return String(decoding: text, as: UTF8.self) }
                    text += buffer.prefix(count)
                }
            }
        }

        private static func get(_ endpoint: MetricsEndpoint) throws -> String {
            let client = try Client(endpoint.address)
            client.say("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            return try client.answer()
        }

        @Test("the text of the port, with a length that is right")
        func metrics() throws {
            let port = try Self.port()
            let endpoint = try Self.endpoint(port)
            let answer = try Self.get(endpoint)
            let parts = answer.split(separator: "\r\n\r\n", maxSplits: 1)
            try #require(parts.count == 2)
            #expect(parts[0].hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(parts[0].contains("Content-Length: \(parts[1].utf8.count)"))
            #expect(parts[1] == port.prometheusText())
            for field in WorkerStats.fields where field.unit != .set {
                let counter = field.kind == .counter ? "_total" : ""
                let name =
                    "iocp_" + (field.unit == .nanoseconds ? field.name.dropLast(3) + "_seconds" : field.name) + counter
                #expect(parts[1].contains("# HELP \(name) \(field.summary)\n"), "\(name)")
                #expect(parts[1].contains("\(name){worker=\"1\"} "), "\(name)")
            }
        }

        @Test("a request in pieces, and one without carriage returns")
        func pieces() throws {
            let port = try Self.port()
            let endpoint = try Self.endpoint(port)
            let client = try Client(endpoint.address)
            for byte in "HEAD /metrics?a=b HTTP/1.0\nA: b\n\n".utf8 { client.say([byte]) }
            let answer = try client.answer()
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.hasSuffix("\r\n\r\n"))
        }

        @Test(
            "what is no request for metrics gets a word and an end",
            arguments: [
                ("GET / HTTP/1.1\r\n\r\n", "404"), ("PUT /metrics HTTP/1.1\r\n\r\n", "405"), ("\r\n", "400"),
                ("GET /metrics\r\n\r\n", "400"), ("GET /metrics HTTP/2.0\r\n\r\n", "400"), ("\u{0}\u{1}\n", "400"),
                ("GET  /metrics HTTP/1.1\r\n\r\n", "400"), ("GET /metricsx HTTP/1.1\r\n\r\n", "404"),
            ])
        func wrong(request: String, status: String) throws {
            let port = try Self.port()
            let endpoint = try Self.endpoint(port)
            let client = try Client(endpoint.address)
            client.say(request)
            #expect(try client.answer().hasPrefix("HTTP/1.1 \(status) "))
            #expect(try Self.get(endpoint).hasPrefix("HTTP/1.1 200 "))
        }

        @Test("a header of 1 MB is refused, and its sender hears why", arguments: ["", "GET /metrics HTTP/1.1\r\nX: "])
        func large(start: String) throws {
            let port = try Self.port()
            let endpoint = try Self.endpoint(port)
            let client = try Client(endpoint.address)
            client.say(Array(start.utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20))
            let answer = try client.answer()
            #expect(answer.hasPrefix(start.isEmpty ? "HTTP/1.1 414 " : "HTTP/1.1 431 "), "\(answer.prefix(80))")
            #expect(try Self.get(endpoint).hasPrefix("HTTP/1.1 200 "))
        }

        @Test("clients that never ask keep nobody out, and are cut")
        func silent() throws {
            let port = try Self.port()
            let endpoint = try Self.endpoint(port)
            let start = ContinuousClock.now
            let silent = try (0..<40).map { _ in try Client(endpoint.address) }
            silent[39].say("GET /metrics HT")
            #expect(try Self.get(endpoint).hasPrefix("HTTP/1.1 200 "))
            #expect(ContinuousClock.now - start < .seconds(4))
            for client in silent { #expect(try client.answer() == "") }
            #expect(ContinuousClock.now - start < .seconds(12))
        }

        @Test("clients that leave early, or do not read, harm nothing")
        func leaving() throws {
            let port = try Self.port()
            let endpoint = try Self.endpoint(port)
            for _ in 0..<50 {
                let client = try Client(endpoint.address)
                client.say("GET /metrics HTTP/1.1\r\n\r\n")
                var linger = linger(l_onoff: 1, l_linger: 0)
                setsockopt(
                    client.descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
            }
            let lazy = try (0..<20).map { _ in try Client(endpoint.address) }
            for client in lazy { client.say("GET /metrics HTTP/1.1\r\n\r\n") }
            #expect(try Self.get(endpoint).hasPrefix("HTTP/1.1 200 "))
        }

        // MARK: Its end

        private static func isListening(_ address: SocketAddress) -> Bool { (try? Client(address)) != nil }

        @Test("closed, or released, it frees its address at once")
        func closes() throws {
            let port = try Self.port()
            let endpoint = try Self.endpoint(port)
            let idle = try Client(endpoint.address)
            endpoint.close()
            endpoint.close()
            #expect(!Self.isListening(endpoint.address))
            #expect(try idle.answer(within: .seconds(1)) == "")
            var address = endpoint.address
            do {
                let second = try port.serveMetrics(on: address)
                #expect(second.address == address)
                address = second.address
            }
            #expect(!Self.isListening(address))
        }

        @Test("an address that is taken is refused with its name")
        func taken() throws {
            let port = try Self.port()
            let endpoint = try Self.endpoint(port)
            let error = #expect(throws: IOCPError.self) { _ = try port.serveMetrics(on: endpoint.address) }
            #expect(error?.name == "EADDRINUSE" && error?.operation == .listen)
        }

        @Test("it answers while a port drains, and ends with its last worker")
        func stops() throws {
            let server = try IOCPServer { _ in Echo() }
            let listener = try server.listen(host: "127.0.0.1", port: 0)
            let address = try #require(listener.address)
            let endpoint = try Self.endpoint(server.port)
            let client = try Client(address)
            client.say("x")
            // Until the connection is counted.
            let deadline = ContinuousClock.now + .seconds(10)
            while try !Self.get(endpoint).contains(/iocp_connections\{worker="\d+"\} 1\n/) {
                try #require(ContinuousClock.now < deadline)
            }
            server.stop(drainingFor: .seconds(60))
            #expect(try Self.get(endpoint).hasPrefix("HTTP/1.1 200 "))
            shutdown(client.descriptor, Int32(SHUT_WR))
            try server.wait()
            let end = ContinuousClock.now + .seconds(10)
            while Self.isListening(endpoint.address) { try #require(ContinuousClock.now < end) }
        }

        @Test("it answers while every worker is in a handler, and tells for how long")
        func stalls() throws {
            let isReleased = Locked(false)
            var configuration = PortConfiguration()
            configuration.workers = 1
            let server = try IOCPServer(configuration) { _ in Stalling(isReleased: isReleased) }
            defer { isReleased.withLock { $0 = true } }
            let listener = try server.listen(host: "127.0.0.1", port: 0)
            let endpoint = try Self.endpoint(server.port)
            let client = try Client(try #require(listener.address))
            client.say("x")
            let deadline = ContinuousClock.now + .seconds(10)
            var seconds = 0.0
            while seconds < 0.1 {
                try #require(ContinuousClock.now < deadline)
                let sample = try Self.get(endpoint).firstMatch(of: /iocp_since_wait_seconds\{worker="0"\} ([0-9.]+)/)
                seconds = sample.flatMap { Double($0.output.1) } ?? 0
            }
        }

        private struct Stalling: ConnectionHandler {
            let isReleased: Locked<Bool>

            func received(_ bytes: RawSpan, on connection: IocpContext<Void>) {
                while !isReleased.withLock({ $0 }) { usleep(1_000) }
            }
        }

        @Test("a port that is released ends it")
        func released() throws {
            var port: CompletionPort? = try Self.port()
            let endpoint = try Self.endpoint(port!)
            port = nil
            let end = ContinuousClock.now + .seconds(10)
            while Self.isListening(endpoint.address) { try #require(ContinuousClock.now < end) }
        }

        private struct Echo: ConnectionHandler {
            mutating func received(_ bytes: consuming ReceivedBytes, on context: IocpContext<Void>) throws(IOCPError) {
                try context.send(bytes)
            }
        }
    }
}
