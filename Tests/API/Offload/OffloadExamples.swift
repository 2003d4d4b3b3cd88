import Glibc
import IOCP
import Testing

// The examples in the comments of Sources/IOCP and in docs/GUIDE.md, line for line: `DocumentedCode` looks for each of them here.

/// A library's call that blocks.
private func contents(of path: String) throws -> String {
    guard let file = fopen(path, "r") else { throw IOCPError(code: errno) }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, Int32(line.count), file) != nil else { return "" }
    return String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

private struct Files: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        let path = String(decoding: bytes)
        try connection.offload {
            try contents(of: path)  // may block
        } then: { result, connection in
            try connection.send(result.get())
        }
    }
}

private let files: ConnectionBody = { worker, connection in
    while let path = try await connection.line() {
        let text = try await connection.offload { try contents(of: path) }
        try await connection.send(text)
    }
}

extension RealSockets.Offload {
    @Suite struct Examples {
        @Test("a file is read beside the worker", arguments: testedDrivers)
        func handler(driver: Driver) throws {
            let server = try IOCPServer(oneWorker(driver)) { _ in Files() }
            let peer = try Peer.connect(port: server.listen(host: "127.0.0.1", port: 0).address!.port)
            try peer.send(Array("/proc/sys/kernel/ostype".utf8))
            let answer = try peer.receive(6)
            #expect(answer == Array("Linux\n".utf8))
            server.stop()
            try server.wait()
        }

        @Test("and by a body", arguments: testedDrivers)
        func body(driver: Driver) async throws {
            try await withBodies(driver, body: files) { _, port, _ in
                try await onThreads(1) { _ in
                    let peer = try Peer.connect(port: port)
                    try peer.send(Array("/proc/sys/kernel/ostype\n".utf8))
                    let answer = try peer.receive(6)
                    #expect(answer == Array("Linux\n".utf8))
                }
            }
        }
    }
}
