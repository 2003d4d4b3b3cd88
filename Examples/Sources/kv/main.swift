import IOCP
import Launch

/// A key-value server for Redis clients. The keys are the worker's, so nothing is locked, and there is one worker.
/// To use more cores, run a server for each; clients choose it by a hash of the key, as those of a Redis cluster do.
struct KeyValueServer: ConnectionHandler {
    struct Client { var commands = FrameBuffer(RESP()), isLeaving = false }

    var entries = Entries()
    var command: [UInt8] = [], words: [Range<Int>] = []  // at hand; kept, so that most commands allocate nothing

    func makeState() -> Client { Client() }

    /// The replies leave in one send, which throws if too much is unsent: that ends a client that does not read.
    mutating func received(_ bytes: RawSpan, on client: IocpContext<Client>) throws(IOCPError) {
        var input = bytes
        do throws(IOCPError) {
            // Bytes of the same batch still come after a close.
            while !client.state.isLeaving, let frame = try client.state.commands.next(in: &input) {
                command.removeAll(keepingCapacity: true)
                frame.bytes.append(to: &command)
                words.removeAll(keepingCapacity: true)
                _ = try? RESP.walk(frame.bytes) { words.append($0) }
                if words.isEmpty { continue }  // `*0`
                try client.send(execute(String(decoding: word(0), as: UTF8.self), of: &client.state))
            }
        } catch where error.operation == .framing {
            try client.send(line("-ERR Protocol error: \(error.detail ?? error.summary)"))
            client.state.isLeaving = true
        }
        if client.state.isLeaving { client.close() }
    }

    mutating func execute(_ name: String, of client: inout Client) -> [UInt8] {
        switch (name, words.count) {
        case ("GET", 2): return entries[word(1)] ?? nothing
        case ("SET", 3),
            ("MSET", 3...) where words.count % 2 == 1:
            for index in stride(from: 1, to: words.count, by: 2) {
                guard entries.store(word(index + 1), under: word(index)) else { return noMemory }
            }
            return ok
        case ("INCR", 2):
            guard let number = entries[word(1)].map(number) ?? 0, number < .max else {
                return line("-ERR value is not an integer or out of range")
            }
            guard entries.store(ArraySlice("\(number + 1)".utf8), under: word(1)) else { return noMemory }
            return line(":\(number + 1)")
        case ("EXISTS", 2...): return line(":\(words.indices.dropFirst().count { entries[word($0)] != nil })")
        case ("DEL", 2...): return line(":\(words.indices.dropFirst().count { entries.remove(word($0)) })")
        case ("PING", 1): return line("+PONG")
        case ("PING", 2), ("ECHO", 2): return bulk(word(1))
        case ("CONFIG", 3): return line("*2") + bulk(word(2)) + bulk([])
        case ("COMMAND", _): return line("*0")
        case ("QUIT", 1):
            client.isLeaving = true
            return ok
        case _ where name != name.uppercased(): return execute(name.uppercased(), of: &client)
        default: return line("-ERR unknown command, or wrong arguments for it")
        }
    }

    func word(_ index: Int) -> ArraySlice<UInt8> { command[words[index]] }
    func number(_ reply: [UInt8]) -> Int? {
        Int(String(decoding: reply.split(separator: 0x0A)[1].dropLast(), as: UTF8.self))
    }
}

let arguments = Arguments()
var configuration = arguments.configuration
configuration.workers = 1
serve(arguments, configuration) { _ in KeyValueServer() }
