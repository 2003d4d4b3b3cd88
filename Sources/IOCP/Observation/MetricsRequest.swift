/// One HTTP/1 request for metrics, and what is answered.
enum MetricsRequest {
    /// The request line and all header fields.
    static let bytesMax = 4_096

    /// The whole answer; nil while the request is not complete. A request that can be told to be wrong before its end is
    /// answered then.
    /// - Parameters:
    ///   - request: what came so far, at most ``bytesMax``.
    ///   - metrics: called for a request that asks for them; nil once there are none.
    static func answer(to request: [UInt8], metrics: () -> String?) -> [UInt8]? {
        guard let line = firstLine(of: request) else {
            return request.count < bytesMax ? nil : answer("414 URI Too Long", "the request line is too long\n")
        }
        let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard words.count == 3, words[2].starts(with: Array("HTTP/1.".utf8)) else {
            return answer("400 Bad Request", "no request of HTTP/1\n")
        }
        guard isComplete(request) else {
            guard request.count >= bytesMax else { return nil }
            return answer("431 Request Header Fields Too Large", "the header has more than \(bytesMax) bytes\n")
        }
        let method = String(decoding: words[0], as: UTF8.self)
        guard method == "GET" || method == "HEAD" else {
            return answer("405 Method Not Allowed", "only GET and HEAD\n", fields: "Allow: GET, HEAD\r\n")
        }
        let isHead = method == "HEAD"
        guard words[1].prefix(while: { $0 != UInt8(ascii: "?") }).elementsEqual("/metrics".utf8) else {
            return answer("404 Not Found", "there is /metrics\n", isHead: isHead)
        }
        guard let text = metrics() else {
            return answer("503 Service Unavailable", "the port is gone\n", isHead: isHead)
        }
        return answer("200 OK", text, type: PrometheusText.contentType, isHead: isHead)
    }

    /// Without its line end; nil if that has not come.
    private static func firstLine(of request: [UInt8]) -> ArraySlice<UInt8>? {
        guard let end = request.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let line = request[..<end]
        return line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    }

    /// Whether the empty line came that ends the header. A line may end without a carriage return (RFC 9112, 2.2).
    private static func isComplete(_ request: [UInt8]) -> Bool {
        var isLineEmpty = false
        for byte in request where byte != UInt8(ascii: "\r") {
            guard byte == UInt8(ascii: "\n") else {
                isLineEmpty = false
                continue
            }
            if isLineEmpty { return true }
            isLineEmpty = true
        }
        return false
    }

    private static func answer(
        _ status: String, _ text: String, type: String = "text/plain; charset=utf-8", fields: String = "",
        isHead: Bool = false
    ) -> [UInt8] {
        let header = """
            HTTP/1.1 \(status)\r
            Content-Type: \(type)\r
            Content-Length: \(text.utf8.count)\r
            Cache-Control: no-store\r
            Connection: close\r
            \(fields)\r\n
            """
        return Array((isHead ? header : header + text).utf8)
    }
}
