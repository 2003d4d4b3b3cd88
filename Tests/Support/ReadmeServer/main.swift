import Glibc  // for the test
import IOCP

struct Echo: ConnectionHandler {
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.send(bytes)  // the received buffer itself goes back: no copy
    }
}

let server = try IOCPServer { _ in Echo() }  // one worker per CPU, one handler per worker
let listener = try server.listen(host: "127.0.0.1", port: Int(CommandLine.arguments[1])!)
print("listening on \(listener)")
fflush(nil)  // for the test
try server.wait()
