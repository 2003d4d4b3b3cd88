import Glibc
import IOCP

// A server of two workers whose handler does what no handler should, for the tests of what becomes of the others:
// a message that begins with "t" traps, one with "s" is never returned from, every other is echoed.
struct Troubled: ConnectionHandler {
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {
        switch bytes.bytes.unsafeLoad(as: UInt8.self) {
        case UInt8(ascii: "t"): preconditionFailure("asked to trap")
        case UInt8(ascii: "s"): while true { _ = connection.connection }
        default: try connection.send(bytes)
        }
    }
}

var configuration = PortConfiguration()
configuration.workers = 2
configuration.driver = CommandLine.arguments[1] == "epoll" ? .epoll : .uring
let server = try IOCPServer(configuration) { _ in Troubled() }
print(try server.listen(host: "127.0.0.1", port: 0).address!.port)
fflush(nil)  // a pipe's reader waits for it
try server.wait()
