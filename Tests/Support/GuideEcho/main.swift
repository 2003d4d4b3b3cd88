import Glibc
import IOCP

struct Session {
    var messageCount = 0
}

struct EchoServer: ConnectionHandler, Handles.Closed, Handles.Stopping {
    func makeState() -> Session { Session() }

    func received(_ bytes: consuming ReceivedBytes, on context: IocpContext<Session>) throws(IOCPError) {
        context.state.messageCount += 1
        try context.send(bytes)  // the received buffer itself goes back: no copy
    }

    func closed(_ context: IocpContext<Session>, reason: CloseReason) {
        if case .handlerThrew(let error) = reason { print("a client was dropped: \(error)") }
    }

    func stopping(_ pool: borrowing ConnectionPool<Session>, on worker: Worker) throws(IOCPError) {
        print("worker \(worker.index) closes \(pool.count) connections")
        pool.forEach { context in try? context.send("bye after \(context.state.messageCount) messages\n") }
    }
}

var configuration = PortConfiguration()
configuration.workers = 2  // MAX_CONCURRENT_THREADS; 0: one per CPU
configuration.receiveBufferBytes = 64 * 1024  // MEMORY_PAGE_SIZE: a power of two, 4 KiB to 1 MiB
configuration.idleTimeout = .seconds(60)  // nothing came or went for a minute

var signals = sigset_t()
sigemptyset(&signals)
sigaddset(&signals, SIGTERM)
sigaddset(&signals, SIGINT)
pthread_sigmask(SIG_BLOCK, &signals, nil)  // before the server: its threads inherit the mask

do {
    let server = try IOCPServer(configuration) { _ in EchoServer() }
    print("listening on \(try server.listen(host: "127.0.0.1", port: Int(CommandLine.arguments[1])!))")
    fflush(nil)  // for the test
    var signal: Int32 = 0
    sigwait(&signals, &signal)
    server.stop(drainingFor: .seconds(5))
    try server.wait()
} catch {
    print("the server ended: \(error)")
    exit(1)
}
