import Glibc
import IOCP
import Testing

// The examples in the comments of Sources/IOCP, line for line: `DocumentedCode` looks for each of them here.

private let prices = Topic()

private struct Feed: ConnectionHandler, Handles.Opened, Handles.PostedObject {
    let port: CompletionPort

    func opened(_ connection: IocpContext<Void>) throws(IOCPError) { try connection.subscribe(to: prices) }

    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        try port.post(Order(symbol: "XYZ", count: 100), toWorker: 1)
        try tick(connection.connection)
    }

    private func tick(_ connection: Connection) throws(IOCPError) {
        let bytes = try SharedBytes([UInt8]("tick\n".utf8))
        try port.send(bytes, to: connection)
    }

    func posted(object: any AnyObject & Sendable, to connection: IocpContext<Void>?, on worker: Worker) throws(IOCPError) {
        guard let order = object as? Order, order.symbol == "XYZ" else { return }
        try publish()
    }
}

private final class Order: Sendable {
    let symbol: String
    let count: Int
    init(symbol: String, count: Int) { (self.symbol, self.count) = (symbol, count) }
}

private func publish() throws(IOCPError) {
    let prices = Topic()
    // in a handler or body: try connection.subscribe(to: prices)
    try prices.publish(try SharedBytes([UInt8]("XYZ 100.25\n".utf8)))
    try current.publish(try SharedBytes([UInt8]("XYZ 100.25\n".utf8)))
}

private let current = prices

extension RealSockets {
    @Suite struct TopicExamples {
        @Test("an order that is posted becomes a price for everyone", arguments: testedDrivers)
        func feed(driver: Driver) async throws {
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 2
            let server = try IOCPServer(configuration) { worker in Feed(port: worker.port) }
            let port = try server.listen(host: "127.0.0.1", port: 0).address!.port
            let peers = try (0..<10).map { _ in try Peer.connect(port: port) }
            try await eventually("all are subscribed") { prices.subscriberCount == 10 }
            try peers[0].send([1])
            for peer in peers.dropFirst() { #expect(try peer.receive(11) == Array("XYZ 100.25\n".utf8)) }
            let all = try peers[0].receive(16)
            #expect(all == Array("XYZ 100.25\ntick\n".utf8) || all == Array("tick\nXYZ 100.25\n".utf8))
            server.stop()
            try await server.wait()
            #expect(prices.subscriberCount == 0)
        }
    }
}
