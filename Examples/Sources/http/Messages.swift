import IOCP

enum Status: String, Error {
    case ok = "200 OK"
    case badRequest = "400 Bad Request"
    case notFound = "404 Not Found"
    case methodNotAllowed = "405 Method Not Allowed"
    case contentTooLarge = "413 Content Too Large"
    case headTooLarge = "431 Request Header Fields Too Large"
    case notImplemented = "501 Not Implemented"
    case versionNotSupported = "505 HTTP Version Not Supported"
}

/// A response, but for its date and the fate of its connection.
struct Page {
    let head: [UInt8], body: [UInt8]

    init(_ status: Status, _ body: String? = nil, type: String = "text/plain") {
        let body = body ?? "\(status.rawValue)\n"
        let allowed = status == .methodNotAllowed ? "Allow: GET, HEAD\r\n" : ""
        let fields = "Server: iocp\r\n\(allowed)Content-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n"
        head = Array("HTTP/1.1 \(status.rawValue)\r\n\(fields)".utf8)
        self.body = Array(body.utf8)
    }
}

/// The head of a request, read where it lies. One that two programs could read in two ways is refused.
struct Request {
    private(set) var method = "", path = ""
    private(set) var keepsAlive = true, expectsContinue = false, isChunked = false
    /// The bytes of the body, unless it comes in chunks.
    private(set) var length: Int?
    private var hostCount = 0, isOld = false

    private static let methods: Set = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]

    init() {}

    /// - Parameter head: what stands before the empty line.
    init(_ head: RawSpan) throws(Status) {
        var offset = 0
        while offset < head.byteCount {
            let feed = head.firstOffset(of: 0x0A, from: offset)
            if let feed, feed == offset || head.byte(at: feed - 1) != 0x0D { throw .badRequest }
            let line = head.extracting(offset..<(feed ?? head.byteCount + 1) - 1)
            offset = (feed ?? head.byteCount) + 1
            if !method.isEmpty {
                try readField(line)
            } else if !line.isEmpty {  // clients may send an empty line after a body
                try readFirstLine(line)
            }
        }
        guard hostCount == 1 || isOld && hostCount == 0, !isChunked || length == nil && !isOld else {
            throw .badRequest
        }
    }

    private mutating func readFirstLine(_ line: RawSpan) throws(Status) {
        guard let first = line.firstOffset(of: 0x20), first > 0,
            let second = line.firstOffset(of: 0x20, from: first + 1),
            line.byte(at: first + 1) == UInt8(ascii: "/")
        else { throw .badRequest }
        let target = line.extracting(first + 1..<second)
        method = String(decoding: line.extracting(first: first))
        path = String(decoding: target.extracting(first: target.firstOffset(of: UInt8(ascii: "?")) ?? target.byteCount))
        switch String(decoding: line.extracting(droppingFirst: second + 1)) {
        case "HTTP/1.1": break
        case "HTTP/1.0": (isOld, keepsAlive) = (true, false)
        case let version: throw version.hasPrefix("HTTP/") ? .versionNotSupported : .badRequest
        }
        guard Request.methods.contains(method) else { throw .notImplemented }
    }

    private mutating func readField(_ line: RawSpan) throws(Status) {
        guard let colon = line.firstOffset(of: 0x3A), colon > 0 else { throw .badRequest }
        let name = line.extracting(first: colon)
        for index in 0..<colon where name.byte(at: index) <= 0x20 { throw .badRequest }
        var (start, end) = (colon + 1, line.byteCount)
        while start < end, line.byte(at: start) == 0x20 || line.byte(at: start) == 0x09 { start += 1 }
        while start < end, line.byte(at: end - 1) == 0x20 || line.byte(at: end - 1) == 0x09 { end -= 1 }
        let value = line.extracting(start..<end)
        if name.isWord("host") {
            hostCount += 1
        } else if name.isWord("content-length") {
            guard length == nil, let number = value.decimal else { throw .badRequest }
            length = number
        } else if name.isWord("transfer-encoding") {
            guard !isChunked else { throw .badRequest }
            guard value.isWord("chunked") else { throw .notImplemented }
            isChunked = true
        } else if name.isWord("connection") {
            let options = String(decoding: value).lowercased()
            keepsAlive = keepsAlive ? !options.contains("close") : options.contains("keep-alive")
        } else if name.isWord("expect") {
            expectsContinue = value.isWord("100-continue")
        }
    }
}

extension RawSpan {
    /// Whether the bytes are a word, in letters of either case. `word` is in small ones.
    fileprivate func isWord(_ word: String) -> Bool {
        guard byteCount == word.utf8.count else { return false }
        for (index, letter) in word.utf8.enumerated() where byte(at: index) | 0x20 != letter { return false }
        return true
    }

    /// A number of up to 18 digits and nothing else.
    fileprivate var decimal: Int? {
        var number = 0
        for index in 0..<byteCount {
            let digit = byte(at: index) &- 0x30
            guard digit < 10, index < 18 else { return nil }
            number = 10 * number + Int(digit)
        }
        return isEmpty ? nil : number
    }
}
