import IOCP

/// Why a request is refused: a status of HTTP.
struct Refusal: Error {
    let status: String

    static let badRequest = Refusal(status: "400 Bad Request")
    static let headTooLarge = Refusal(status: "431 Request Header Fields Too Large")
}

/// The head of a request, read line by line where it lies. One that two programs could read in two ways is refused.
struct Request {
    private(set) var method = "", path = "", keepsAlive = true
    private(set) var length: Int?  // of the body
    private var isOld = false, hostCount = 0, byteCount = 0

    /// - Returns: whether the head ends with this line.
    mutating func read(_ line: RawSpan) throws(Refusal) -> Bool {
        byteCount += line.byteCount + 2
        if byteCount > 8_192 { throw .headTooLarge }
        if line.isEmpty {
            if method.isEmpty { return false }  // clients may send an empty line after a body
            guard hostCount == 1 || isOld && hostCount == 0 else { throw .badRequest }
            return true
        }
        if method.isEmpty { try readFirstLine(line) } else { try readField(line) }
        return false
    }

    private mutating func readFirstLine(_ line: RawSpan) throws(Refusal) {
        var version = line
        guard let method = version.take(upTo: UInt8(ascii: " ")), !method.isEmpty,
            let target = version.take(upTo: UInt8(ascii: " ")), target.first == UInt8(ascii: "/")
        else { throw .badRequest }
        self.method = String(decoding: method)
        path = String(decoding: target.extracting(first: target.firstOffset(of: 0x3F /* ? */) ?? target.byteCount))
        isOld = version.isEqual(to: "HTTP/1.0")
        keepsAlive = !isOld
        guard isOld || version.isEqual(to: "HTTP/1.1") else { throw Refusal(status: "505 HTTP Version Not Supported") }
    }

    private mutating func readField(_ line: RawSpan) throws(Refusal) {
        var rest = line
        guard let name = rest.take(upTo: UInt8(ascii: ":")), !name.isEmpty else { throw .badRequest }
        for offset in 0..<name.byteCount where name.byte(at: offset) <= 0x20 { throw .badRequest }
        let value = rest.trimmingSpaces()
        if name.isEqualIgnoringCase(to: "host") {
            hostCount += 1
        } else if name.isEqualIgnoringCase(to: "content-length") {
            guard length == nil, let number = value.number() else { throw .badRequest }
            guard number <= 1 << 20 else { throw Refusal(status: "413 Content Too Large") }
            length = number
        } else if name.isEqualIgnoringCase(to: "transfer-encoding") {
            throw Refusal(status: "411 Length Required")
        } else if name.isEqualIgnoringCase(to: "connection") {
            let options = String(decoding: value).lowercased()
            keepsAlive = keepsAlive ? !options.contains("close") : options.contains("keep-alive")
        } else if name.isEqualIgnoringCase(to: "expect") {
            keepsAlive = false  // it has its answer before the body
        }
    }
}
