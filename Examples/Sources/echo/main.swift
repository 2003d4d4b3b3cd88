import IOCP
import Launch

/// Sends back what it receives.
struct Echo: ConnectionHandler {
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.send(bytes)  // the received buffer itself goes back: no copy
    }
}

let arguments = Arguments()
do {
    let server = try IOCPServer(arguments.configuration) { _ in Echo() }  // one worker per CPU, one handler per worker
    announce(try server.listen(host: "127.0.0.1", port: arguments.port, options: arguments.listenOptions()))
    try server.wait()
} catch {
    fail(error)
}
