import IOCP
import Launch

/// HTTP/1.1 with a few fixed pages. No page needs the body of a request: it is skipped, and refused without a length.
struct WebServer: ConnectionHandler, Handles.Stopping {
    struct Client {
        var lines = FrameBuffer(Lines(.carriageReturnLineFeed, maximumByteCount: 8_192))
        var request = Request()
        var bodyByteCount = 0  // still to come, of the request that was answered
        var isLeaving = false  // bytes of the same batch still come after a close
    }
    struct Page {
        let head: [UInt8], body: [UInt8]

        init(_ status: String, _ body: String? = nil, type: String = "text/plain", fields: String = "") {
            self.body = Array((body ?? "\(status)\n").utf8)
            let fields = "Server: iocp\r\n\(fields)Content-Type: \(type)\r\nContent-Length: \(self.body.count)\r\n"
            head = Array("HTTP/1.1 \(status)\r\n\(fields)".utf8)
        }
    }

    let worker: Worker
    var isStopping = false
    var date: [UInt8] = [], dateEnds = Duration.zero
    var message: [UInt8] = []  // kept, so that a response allocates nothing
    let notAllowed = Page("405 Method Not Allowed", fields: "Allow: GET, HEAD\r\n")
    let pages = [
        "/": Page("200 OK", "<!doctype html><title>iocp</title><a href=/hello>hello</a>\n", type: "text/html"),
        "/hello": Page("200 OK", "Hello, world!\n"),
        "/health": Page("200 OK", "{\"healthy\":true}\n", type: "application/json"),
    ]

    func makeState() -> Client { Client() }

    mutating func received(_ bytes: RawSpan, on client: IocpContext<Client>) throws(IOCPError) {
        var input = bytes
        if worker.now >= dateEnds {
            date = Array("Date: \(internetDate())\r\n".utf8)
            dateEnds = worker.now + .seconds(1)
        }
        do throws(IOCPError) {
            while !client.state.isLeaving {
                let skipped = min(client.state.bodyByteCount, input.byteCount)
                client.state.bodyByteCount -= skipped
                input = input.extracting(droppingFirst: skipped)
                guard let line = try client.state.lines.next(in: &input) else { return }
                try read(line.bytes, from: client)
            }
        } catch {
            guard let failure = client.state.lines.failure else { throw error }
            let refusal = failure == .lineFeedAlone ? Refusal.badRequest : .headTooLarge
            try reply(Page(refusal.status), to: client, keepsAlive: false)
        }
    }

    mutating func read(_ line: RawSpan, from client: IocpContext<Client>) throws(IOCPError) {
        do throws(Refusal) {
            guard try client.state.request.read(line) else { return }
        } catch {
            return try reply(Page(error.status), to: client, keepsAlive: false)
        }
        let request = client.state.request
        client.state.request = Request()
        client.state.bodyByteCount = request.length ?? 0
        let isRead = request.method == "GET" || request.method == "HEAD"
        let page = pages[request.path].map { isRead ? $0 : notAllowed } ?? Page("404 Not Found")
        try reply(page, to: client, keepsAlive: request.keepsAlive && !isStopping, withBody: request.method != "HEAD")
    }

    /// A request that is on its way has its answer, which says that it is the last.
    mutating func stopping(_ connections: borrowing ConnectionPool<Client>, on worker: Worker) throws(IOCPError) {
        isStopping = true
        connections.forEach { client in try? client.setOutlastsStop(true) }
    }

    /// Throws if too much is unsent, which ends the connection: the client does not read.
    mutating func reply(_ page: Page, to client: IocpContext<Client>, keepsAlive: Bool, withBody: Bool = true)
        throws(IOCPError)
    {
        message.removeAll(keepingCapacity: true)
        message += page.head
        message += date
        message += (keepsAlive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n").utf8
        if withBody { message += page.body }
        try client.send(message)
        client.state.isLeaving = !keepsAlive
        if !keepsAlive { client.close() }
    }
}

let arguments = Arguments()
var configuration = arguments.configuration
configuration.idleTimeout = .seconds(60)
serve(arguments, configuration) { worker in WebServer(worker: worker) }
