import IOCP
import Launch

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What is controlled: TCP clients have their lines sent back.
struct EchoLines: ConnectionHandler {
    func makeState() -> FrameBuffer<Lines> { FrameBuffer(Lines(maximumByteCount: 1_024)) }

    func received(_ bytes: RawSpan, on client: IocpContext<FrameBuffer<Lines>>) throws(IOCPError) {
        var input = bytes
        while let line = try client.state.next(in: &input) { try client.send(line.encoded) }
    }
}

/// The control channel: lines of commands on a Unix socket, each answered by lines of which the last is `ok` or begins
/// with `error`. Its file has the mode 0600, so strangers cannot connect; where that was loosened, they are refused here.
struct Control: ConnectionHandler {
    struct Client {
        var lines = FrameBuffer(Lines(maximumByteCount: 256))
        var isLeaving = false  // bytes of the same batch still come after a close
    }

    let service: IOCPServer<EchoLines>, listener: Listener

    func makeState() -> Client { Client() }

    func opened(_ client: IocpContext<Client>) throws(IOCPError) {
        let peer = try client.peerCredentials()
        guard peer.user != geteuid(), peer.user != 0 else { return }
        try leave(client, saying: "error: user \(peer.user) may not control this server")
    }

    func received(_ bytes: RawSpan, on client: IocpContext<Client>) throws(IOCPError) {
        var input = bytes
        do throws(IOCPError) {
            while !client.state.isLeaving, let line = try client.state.lines.next(in: &input) {
                try take(String(decoding: line.bytes), from: client)
            }
        } catch where error.operation == .framing {
            try leave(client, saying: "error: \(error)")
        }
    }

    func take(_ command: String, from client: IocpContext<Client>) throws(IOCPError) {
        switch command {
        case "stats": try client.send(stats() + "ok\n")
        case "pause":  // clients that come wait, and those that are there go on
            listener.pause()
            try client.send("ok\n")
        case "resume":
            listener.resume()
            try client.send("ok\n")
        case "stop":
            service.stop(drainingFor: .seconds(2))
            try leave(client, saying: "ok")
        case "quit": try leave(client, saying: "ok")
        case "help": try client.send("stats, pause, resume, stop, quit\nok\n")
        default: try client.send("error: unknown command; help lists them\n")
        }
    }

    func leave(_ client: IocpContext<Client>, saying words: String) throws(IOCPError) {
        try client.send("\(words)\n")
        client.state.isLeaving = true
        client.close()
    }

    /// Every worker keeps counters of its own, so nobody waits for anybody.
    func stats() -> String {
        let workers = (0..<service.port.workerCount).map { service.port.stats(ofWorker: $0) }
        let connections = workers.reduce(0) { $0 + $1.connections }
        let accepted = workers.reduce(0) { $0 + $1.accepted }
        let receivedBytes = workers.reduce(0) { $0 + $1.receivedBytes }
        let state = listener.state == .paused ? "paused" : "listening"
        return "state \(state)\nconnections \(connections)\naccepted \(accepted)\nreceived_bytes \(receivedBytes)\n"
    }
}

let arguments = Arguments(["control": ""])
var controlConfiguration = arguments.configuration
controlConfiguration.workers = 1
controlConfiguration.connectionsPerWorker = 1_024
controlConfiguration.idleTimeout = .seconds(300)
do {
    let path = try UnixAddress(path: arguments["control"])
    let service = try IOCPServer(arguments.configuration) { _ in EchoLines() }
    let listener = try service.listen(host: "127.0.0.1", port: arguments.port)
    let control = try IOCPServer(controlConfiguration) { _ in Control(service: service, listener: listener) }
    var options = ListenOptions()
    options.permissions = 0o600
    try control.listen(unix: path, options: options)
    announce(listener)
    try service.wait()  // until somebody says `stop`
    control.stop(drainingFor: .seconds(2))
    try control.wait()
} catch {
    fail(error)
}
