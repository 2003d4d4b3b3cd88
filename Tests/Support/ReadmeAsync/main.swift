import Glibc  // for the test
import IOCP

try await withServer { worker, connection in
    while let bytes = try await connection.next() { try await connection.send(bytes) }
} use: { server in
    print("listening on \(try server.listen(host: "127.0.0.1", port: Int(CommandLine.arguments[1])!))")
    fflush(nil)  // for the test
    try await server.wait()
}
