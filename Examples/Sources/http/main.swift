import IOCP
import Launch

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// HTTP/1.1 with a few fixed pages. The bodies of requests are skipped.
struct WebServer: ConnectionHandler {
    struct Client {
        var heads = FrameBuffer(Delimited("\r\n\r\n", maximumByteCount: 8_192))
        var lines = FrameBuffer(Lines(.carriageReturnLineFeed, maximumByteCount: 1_024))  // of a body in chunks
        var phase = Phase.head
        var request = Request()
        var bodyByteCount = 0
    }
    enum Phase: Equatable {
        case bytes(left: Int)
        case head, chunkSize, chunkEnd, trailer, leaving
    }

    private let pages = [
        "/": Page(.ok, "<!doctype html><title>iocp</title><a href=/hello>hello</a>\n", type: "text/html"),
        "/hello": Page(.ok, "Hello, world!\n"),
        "/health": Page(.ok, "{\"healthy\":true}\n", type: "application/json"),
    ]
    private var date = WebServer.dateField()
    private var replies: [UInt8] = []
    private static let bodyByteCountMax = 1 << 20

    func makeState() -> Client { Client() }

    mutating func received(_ bytes: RawSpan, on client: IocpContext<Client>) throws(IOCPError) {
        var input = bytes
        replies.removeAll(keepingCapacity: true)
        do throws(IOCPError) {
            parts: while true {
                switch client.state.phase {
                case .head:
                    guard let head = try client.state.heads.next(in: &input) else { break parts }
                    begin(head.bytes, of: &client.state)
                    if replies.count > 1 << 18 {
                        try client.send(replies)  // throws if too much is unsent: the client does not read
                        replies.removeAll(keepingCapacity: true)
                    }
                case .bytes(let left):
                    let count = min(left, input.byteCount)
                    input = input.extracting(droppingFirst: count)
                    client.state.phase = .bytes(left: left - count)
                    if count < left { break parts }
                    if client.state.request.isChunked { client.state.phase = .chunkEnd } else { answer(&client.state) }
                case .chunkSize, .chunkEnd, .trailer:
                    guard let line = try client.state.lines.next(in: &input) else { break parts }
                    take(String(decoding: line.bytes), of: &client.state)
                case .leaving: break parts
                }
            }
        } catch {
            guard error.operation == .framing else { throw error }
            refuse(&client.state, client.state.heads.failure != nil ? .headTooLarge : .badRequest)
        }
        if !replies.isEmpty { try client.send(replies) }  // one send for the replies to all that one receive brought
        if client.state.phase == .leaving { client.close() }
    }

    private mutating func begin(_ head: RawSpan, of client: inout Client) {
        do throws(Status) { client.request = try Request(head) } catch { return refuse(&client, error) }
        let length = client.request.length ?? 0
        guard length <= WebServer.bodyByteCountMax else { return refuse(&client, .contentTooLarge) }
        client.bodyByteCount = 0
        guard length > 0 || client.request.isChunked else { return answer(&client) }
        client.phase = client.request.isChunked ? .chunkSize : .bytes(left: length)
        if client.request.expectsContinue { replies += "HTTP/1.1 100 Continue\r\n\r\n".utf8 }
    }

    /// A line of a body in chunks: a size, the end of a chunk, or a trailer.
    private mutating func take(_ line: String, of client: inout Client) {
        client.bodyByteCount += line.utf8.count + 2
        let left = WebServer.bodyByteCountMax - client.bodyByteCount
        switch client.phase {
        case _ where left < 0: refuse(&client, .contentTooLarge)
        case .chunkSize:
            let digits = line.prefix { $0.isHexDigit }
            let rest = line.dropFirst(digits.count)
            let size = rest.isEmpty || rest.hasPrefix(";") ? Int(digits, radix: 16) : nil
            guard let size, size <= left else { return refuse(&client, size == nil ? .badRequest : .contentTooLarge) }
            client.bodyByteCount += size
            client.phase = size == 0 ? .trailer : .bytes(left: size)
        case .chunkEnd where line.isEmpty: client.phase = .chunkSize
        case .trailer: if line.isEmpty { answer(&client) }
        default: refuse(&client, .badRequest)
        }
    }

    private mutating func answer(_ client: inout Client) {
        let request = client.request
        client.phase = request.keepsAlive ? .head : .leaving
        let isRead = request.method == "GET" || request.method == "HEAD"
        let page = pages[request.path].map { isRead ? $0 : Page(.methodNotAllowed) } ?? Page(.notFound)
        reply(page, keepsAlive: request.keepsAlive, withBody: request.method != "HEAD")
    }

    private mutating func refuse(_ client: inout Client, _ status: Status) {
        client.phase = .leaving
        reply(Page(status), keepsAlive: false, withBody: true)
    }

    private mutating func reply(_ page: Page, keepsAlive: Bool, withBody: Bool) {
        replies += page.head
        replies += date
        replies += (keepsAlive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n").utf8
        if withBody { replies += page.body }
    }

    // MARK: The date, which is written once a second

    func started(on worker: Worker) throws(IOCPError) { try worker.startTimer(after: .seconds(1), key: 0) }

    mutating func timerFired(key: UInt64, error: IOCPError?, connection: IocpContext<Client>?, on worker: Worker)
        throws(IOCPError)
    {
        guard error == nil else { return }
        date = WebServer.dateField()
        try worker.startTimer(after: .seconds(1), key: 0)
    }

    private static func dateField() -> [UInt8] {
        var (now, text) = (time(nil), [CChar](repeating: 0, count: 64))
        var parts = unsafe tm()
        unsafe gmtime_r(&now, &parts)
        let count = unsafe strftime(&text, text.count, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts)
        return text.prefix(count).map { UInt8(bitPattern: $0) }
    }
}

let arguments = Arguments()
var configuration = arguments.configuration
configuration.idleTimeout = .seconds(60)
do {
    let server = try IOCPServer(configuration) { _ in WebServer() }
    announce(try server.listen(host: "127.0.0.1", port: arguments.port))
    try server.wait()
} catch {
    fail(error)
}
