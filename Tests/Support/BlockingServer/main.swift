// A server for bench/blocking.py: on one address it echoes; on a Unix socket each message is work that blocks for some milliseconds, on
// the port's pool or, with `inline`, in the handler itself.
//
//   iocp-blocking DRIVER MILLISECONDS offload|inline

import Glibc
import IOCP

struct Handler: ConnectionHandler, Handles.Opened {
    let milliseconds: UInt32
    let isInline: Bool

    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Bool>) throws(IOCPError) {
        guard connection.state else { return try connection.send(bytes) }
        let time = milliseconds * 1_000
        if isInline {
            usleep(time)
            return try connection.send(bytes)
        }
        let copy = bytes.withBytes { bytes in
            var copy: [UInt8] = []
            bytes.append(to: &copy)
            return copy
        }
        try connection.offload {
            usleep(time)
            return copy
        } then: { result, connection in
            try connection.send(result.get())
        }
    }

    func makeState() -> Bool { false }

    func opened(_ connection: IocpContext<Bool>) throws(IOCPError) {
        if case .unix = connection.listener?.endpoint { connection.state = true }
    }
}

let arguments = CommandLine.arguments
guard arguments.count == 4, let driver = Driver.allCases.first(where: { $0.description == arguments[1] }),
    let milliseconds = UInt32(arguments[2]), milliseconds <= 1_000, ["offload", "inline"].contains(arguments[3])
else {
    print("usage: iocp-blocking DRIVER MILLISECONDS offload|inline")
    exit(64)
}
var configuration = PortConfiguration()
configuration.driver = driver
configuration.workers = 1
let isInline = arguments[3] == "inline"
let server = try IOCPServer(configuration) { _ in Handler(milliseconds: milliseconds, isInline: isInline) }
let echo = try server.listen(host: "127.0.0.1", port: 0)
let name = "iocp-blocking-\(getpid())"
_ = try server.listen(unix: UnixAddress(abstract: name))
print(echo.port, "@" + name)
fflush(nil)  // a pipe's reader waits for it
try server.wait()
