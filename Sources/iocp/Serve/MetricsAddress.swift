#if Command
import ArgumentParser
import IOCP

/// Where `iocp serve --metrics` answers: "127.0.0.1:9464", "localhost:0", "[::1]:9464".
struct MetricsAddress {
    private let host: String
    private let port: Int

    init(_ text: String) throws {
        guard let colon = text.lastIndex(of: ":") else { throw MetricsAddress.malformed(text) }
        var host = text[..<colon]
        if host.first == "[", host.last == "]" {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw ValidationError("'\(text.printable)' has no port, or an IPv6 address without brackets: [::1]:9464")
        }
        let digits = text[text.index(after: colon)...]
        guard !host.isEmpty, !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = Int(digits), port <= 65_535
        else { throw MetricsAddress.malformed(text) }
        (self.host, self.port) = (String(host), port)
    }

    private static func malformed(_ text: String) -> ValidationError {
        ValidationError("'\(text.printable)' is no HOST:PORT, with a port of 0 to 65535")
    }

    func serve(_ completionPort: CompletionPort) throws -> MetricsEndpoint {
        do throws(IOCPError) {
            return try completionPort.serveMetrics(on: SocketAddress(host: host, port: port))
        } catch {
            throw CommandFailure("cannot serve metrics on \(host.printable):\(port): \(error)")
        }
    }
}
#endif
