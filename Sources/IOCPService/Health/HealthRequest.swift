#if Service
import IOCP

/// One HTTP request of a probe, as far as a probe has one: its body is not read.
struct HealthRequest {
    private let method: Substring
    private let path: Substring
    /// Whether the connection stays for the next one.
    let isKept: Bool

    /// - Returns: nil when the peer has finished.
    /// - Throws: what ends the connection: over 32 lines or 1 KiB in one, or silence.
    nonisolated(nonsending) init?(from connection: AsyncConnection) async throws {
        guard let first = try await connection.line(Self.lines) else { return nil }
        let words = first.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[2].hasPrefix("HTTP/1.") else { throw Self.malformed }
        var isKept = words[2] == "HTTP/1.1"
        var hasBody = false
        for count in 0... {
            guard count < 32, let line = try await connection.line(Self.lines) else { throw Self.malformed }
            if line.isEmpty { break }
            let field = line.lowercased()
            if field.hasPrefix("connection:") { isKept = isKept && !field.contains("close") }
            hasBody = hasBody || field.hasPrefix("content-length:") || field.hasPrefix("transfer-encoding:")
        }
        (method, path) = (words[0], words[1].prefix { $0 != "?" })
        self.isKept = isKept && !hasBody
    }

    private static let lines = Lines(maximumByteCount: 1_024)

    private static var malformed: IOCPError { IOCPError(code: 74 /* EBADMSG */, detail: "no request of HTTP/1") }

    /// The whole response.
    func answer(by service: PortService) -> String {
        guard method == "GET" || method == "HEAD" else {
            return response("405 Method Not Allowed", "only GET and HEAD\n", "Allow: GET, HEAD\r\n")
        }
        switch path {
        case "/livez": return response(failing: service.deadliness)
        case "/readyz": return response(failing: service.notReady)
        case "/metrics" where service.settings.healthMetrics:
            return response("200 OK", service.server.port.prometheusText(), type: PrometheusText.contentType)
        default:
            let paths = service.settings.healthMetrics ? "/livez, /readyz and /metrics" : "/livez and /readyz"
            return response("404 Not Found", "there are \(paths)\n")
        }
    }

    private func response(failing reason: String?) -> String {
        reason.map { response("503 Service Unavailable", $0 + "\n") } ?? response("200 OK", "ok\n")
    }

    private func response(
        _ status: String, _ text: String, _ fields: String = "", type: String = "text/plain; charset=utf-8"
    ) -> String {
        """
        HTTP/1.1 \(status)\r
        Content-Type: \(type)\r
        Content-Length: \(text.utf8.count)\r
        Cache-Control: no-store\r
        \(fields)\(isKept ? "" : "Connection: close\r\n")\r
        \(method == "HEAD" ? "" : text)
        """
    }
}

extension PortService {
    /// Why somebody should end this process; nil: it lives.
    var deadliness: String? {
        let stalls = Stalls(port: server.port, limit: stallLimit).now()
        if stalls.isEmpty { return nil }
        return stalls.map { "worker \($0.worker) has been in one handler for \($0.busy.inSeconds)" }.joined(
            separator: "\n")
    }

    /// Why no client should be sent here; nil: it is ready.
    var notReady: String? {
        switch phases.now {
        case .starting: "starting"
        case .ready: deadliness ?? unreadiness()
        case .stopping: "stopping"
        case .stopped: "stopped"
        }
    }
}
#endif
