import IOCP
import Testing

// The examples in the comments of Sources/IOCP, line for line: `DocumentedCode` looks for each of them here.

private struct ControlServer: ConnectionHandler, Handles.Opened {
    func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
        guard case .unix = connection.listener?.endpoint else { return }
        try connection.send("control: ")
    }

    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) { try connection.send(bytes) }
}

extension RealSockets {
    @Suite struct ListenerExamples {
        @Test("a listener is paused, resumed and closed", arguments: testedDrivers)
        func listener(driver: Driver) throws {
            let server = try IOCPServer(oneWorker(driver)) { _ in ControlServer() }
            let listener = try server.listen(host: "127.0.0.1", port: 0)
            print("listening on \(listener)")
            listener.pause()  // clients wait, connections go on
            listener.resume()
            listener.close()  // clients are refused, connections go on
            #expect("\(listener)" == "127.0.0.1:\(listener.address!.port)" && listener.state == .closed)
            #expect(Peer.isRefused(by: listener.address!.port))
            server.stop()
            try server.wait()
        }

        @Test("a handler tells its listeners apart", arguments: testedDrivers)
        func control(driver: Driver) throws {
            let folder = try TemporaryFolder()
            let server = try IOCPServer(oneWorker(driver)) { _ in ControlServer() }
            let control = try server.listen(unix: UnixAddress(path: folder.path + "/control.sock"))
            let service = try server.listen(host: "127.0.0.1", port: 0)
            let operators = try Peer.connect(unix: UnixAddress(path: folder.path + "/control.sock"))
            #expect(try operators.receive(9) == Array("control: ".utf8))
            let peer = try Peer.connect(port: service.address!.port)
            try peer.send([1])
            #expect(try peer.receive(1) == [1])
            #expect(control.address == nil && "\(control)" == folder.path + "/control.sock")
            server.stop()
            try server.wait()
        }
    }
}
