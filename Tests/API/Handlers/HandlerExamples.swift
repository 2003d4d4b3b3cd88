import IOCP
import Testing

// The examples in the comments of Sources/IOCP, line for line: `DocumentedCode` looks for each of them here.

struct Greeter: ConnectionHandler, Handles.Opened, Handles.Closed {
    func opened(_ connection: IocpContext<Void>) throws(IOCPError) { try connection.send("hello") }
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) { try connection.send(bytes) }
    func closed(_ connection: IocpContext<Void>, reason: CloseReason) { print(reason) }
}

extension RealSockets {
    @Suite struct HandlerExamples {
        @Test("a handler whose methods are checked is an ordinary one", arguments: testedDrivers)
        func greeter(driver: Driver) throws {
            let server = try IOCPServer(oneWorker(driver)) { _ in Greeter() }
            let peer = try Peer.connect(port: server.listen(host: "127.0.0.1", port: 0).address!.port)
            try peer.send([1])
            #expect(try peer.receive(6) == Array("hello".utf8) + [1])
            server.stop()
            try server.wait()
        }
    }
}
