import IOCP
import Launch

struct Page: Sendable {
    let head: [UInt8], body: [UInt8]

    init(_ status: String, _ body: String? = nil, type: String = "text/plain", fields: String = "") {
        self.body = Array((body ?? "\(status)\n").utf8)
        let fields = "Server: iocp\r\n\(fields)Content-Type: \(type)\r\nContent-Length: \(self.body.count)\r\n"
        head = Array("HTTP/1.1 \(status)\r\n\(fields)".utf8)
    }

    static let notAllowed = Page("405 Method Not Allowed", fields: "Allow: GET, HEAD\r\n")
    static let known = [
        "/": Page("200 OK", "<!doctype html><title>iocp</title><a href=/hello>hello</a>\n", type: "text/html"),
        "/hello": Page("200 OK", "Hello, world!\n"),
        "/health": Page("200 OK", "{\"healthy\":true}\n", type: "application/json"),
    ]
}

/// HTTP/1.1 with a few fixed pages, as `http` serves them, by a task for each client. No page needs the body of a request:
/// it is skipped, and refused without a length.
struct Client {
    let connection: AsyncConnection
    var date: [UInt8] = [], dateEnds = Duration.zero
    var message: [UInt8] = []  // kept, so that a response allocates nothing

    /// Requests may come ahead of their answers: what is behind one stays for the next.
    nonisolated(nonsending) mutating func serve() async throws {
        do {
            while let request = try await nextRequest() {
                let isRead = request.method == "GET" || request.method == "HEAD"
                let page = Page.known[request.path].map { isRead ? $0 : .notAllowed } ?? Page("404 Not Found")
                let keepsAlive = request.keepsAlive && !connection.isStopping
                try await reply(page, keepsAlive: keepsAlive, withBody: request.method != "HEAD")
                guard keepsAlive else { return }
                try await connection.skip(request.length ?? 0)
            }
        } catch let refusal as Refusal {
            try await reply(Page(refusal.status), keepsAlive: false)
        }
    }

    /// The head of the next request, read line by line where it lies; nil when the client has finished.
    nonisolated(nonsending) func nextRequest() async throws -> Request? {
        let lines = Lines(.carriageReturnLineFeed, maximumByteCount: 8_192)
        var request = Request()
        do {
            while let isWhole = try await connection.withFrame(lines, { try request.read($0) }) {
                if isWhole { return request }
            }
        } catch let error as IOCPError where error.operation == .framing {
            throw error.name == "EMSGSIZE" ? Refusal.headTooLarge : .badRequest
        }
        return nil
    }

    /// Waits while the client does not read what it asked for.
    nonisolated(nonsending) mutating func reply(_ page: Page, keepsAlive: Bool, withBody: Bool = true)
        async throws(IOCPError)
    {
        let now = connection.worker.now
        if now >= dateEnds {
            date = Array("Date: \(internetDate())\r\n".utf8)
            dateEnds = now + .seconds(1)
        }
        message.removeAll(keepingCapacity: true)
        message += page.head
        message += date
        message += (keepsAlive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n").utf8
        if withBody { message += page.body }
        try await connection.send(message)
    }
}

let arguments = Arguments()
var configuration = arguments.configuration
configuration.idleTimeout = .seconds(60)
serve(arguments, configuration) { _, connection in
    connection.readsPastStop = .seconds(1)  // a request that is on its way has its answer, which says that it is the last
    var client = Client(connection: connection)
    try await client.serve()
}
