import IOCP
import Launch

/// A key-value server for Redis clients. The keys are the worker's, so nothing is locked, and there is one worker.
/// To use more cores, run a server for each; clients choose it by a hash of the key, as those of a Redis cluster do.
struct KeyValueServer: ConnectionHandler {
    struct Client { var commands = FrameBuffer(RESP()), isLeaving = false }
    struct Refusal: Error { let text: String }

    let worker: Worker
    var entries = Entries()
    // The command at hand and the replies; kept, so that most commands allocate nothing.
    var command: [UInt8] = [], words: [Range<Int>] = [], replies: [UInt8] = []

    func makeState() -> Client { Client() }

    mutating func received(_ bytes: RawSpan, on client: IocpContext<Client>) throws(IOCPError) {
        var input = bytes
        replies.removeAll(keepingCapacity: true)
        do throws(IOCPError) {
            // Bytes of the same batch still come after a close.
            while !client.state.isLeaving, let frame = try client.state.commands.next(in: &input) {
                command.removeAll(keepingCapacity: true)
                frame.bytes.append(to: &command)
                words.removeAll(keepingCapacity: true)
                _ = try? RESP.walk(frame.bytes) { words.append($0) }
                do throws(Refusal) { try execute(text(0), of: &client.state) } catch { reply("-ERR \(error.text)") }
                if replies.count > 1 << 18 {
                    try client.send(replies)  // throws if too much is unsent: the client does not read
                    replies.removeAll(keepingCapacity: true)
                }
            }
        } catch {
            guard error.operation == .framing else { throw error }
            reply("-ERR Protocol error: \(error.detail ?? error.summary)")
            client.state.isLeaving = true
        }
        if !replies.isEmpty { try client.send(replies) }  // one send for the replies to all that one receive brought
        if client.state.isLeaving { client.close() }
    }

    mutating func execute(_ name: String, of client: inout Client) throws(Refusal) {
        switch (name, words.count) {
        case ("GET", 2): reply(find(1)?.value)
        case ("SET", 3), ("SET", 5):
            try store(word(2), under: 1, until: words.count == 3 ? .never : deadline())
            reply("+OK")
        case ("MSET", 3...) where words.count % 2 == 1:
            for index in stride(from: 1, to: words.count, by: 2) {
                try store(word(index + 1), under: index, until: .never)
            }
            reply("+OK")
        case ("MGET", 2...):
            let size = (1..<words.count).reduce(0) { $0 + (find($1)?.value.count ?? 0) }
            guard size <= 16 << 20 else { throw Refusal(text: "the values have more than 16 MiB") }
            reply("*\(words.count - 1)")
            for index in 1..<words.count { reply(find(index)?.value) }
        case ("INCR", 2):
            let entry = find(1)
            guard let number = entry.map({ Int(String(decoding: $0.value, as: UTF8.self)) }) ?? 0, number < .max else {
                throw Refusal(text: "value is not an integer or out of range")
            }
            try store(ArraySlice("\(number + 1)".utf8), under: 1, until: entry?.deadline ?? .never)
            reply(":\(number + 1)")
        case ("EXISTS", 2...): reply(":\((1..<words.count).count { find($0) != nil })")
        case ("DEL", 2...): reply(":\((1..<words.count).count { entries.remove(word($0), at: worker.now) })")
        case ("PING", 1): reply("+PONG")
        case ("PING", 2), ("ECHO", 2): reply([UInt8](word(1)))
        case ("CONFIG", 3):
            reply("*2")
            for value in [[UInt8](word(2)), []] { reply(value) }
        case ("INFO", _): reply(Array("# Keyspace\r\ndb0:keys=\(entries.count)\r\n".utf8))
        case ("COMMAND", _): reply("*0")
        case ("SELECT", 2) where text(1) == "0": reply("+OK")
        case ("QUIT", 1):
            reply("+OK")
            client.isLeaving = true
        case (_, 0): break  // an empty line
        case _ where name != name.uppercased(): try execute(name.uppercased(), of: &client)
        default: throw Refusal(text: "unknown command, or wrong arguments for it")
        }
    }

    func find(_ index: Int) -> Entries.Entry? { entries.find(word(index), at: worker.now) }

    mutating func store(_ value: ArraySlice<UInt8>, under index: Int, until deadline: Duration) throws(Refusal) {
        guard entries.store(value, under: word(index), until: deadline, at: worker.now) else {
            throw Refusal(text: "no memory is left for it")
        }
    }

    func word(_ index: Int) -> ArraySlice<UInt8> { command[words[index]] }
    func text(_ index: Int) -> String { index < words.count ? String(decoding: word(index), as: UTF8.self) : "" }

    /// From the words behind a value: `EX seconds` or `PX milliseconds`.
    func deadline() throws(Refusal) -> Duration {
        guard let count = Int(text(4)), count > 0 else { throw Refusal(text: "invalid expire time") }
        switch text(3).uppercased() {
        case "EX": return worker.now + .seconds(count)
        case "PX": return worker.now + .milliseconds(count)
        default: throw Refusal(text: "syntax error")
        }
    }

    mutating func reply(_ line: String) {
        replies += line.utf8
        replies += [0x0D, 0x0A]
    }

    mutating func reply(_ bulk: [UInt8]?) {
        guard let bulk else { return reply("$-1") }
        replies.append(UInt8(ascii: "$"))
        reply(String(bulk.count))
        replies += bulk
        replies += [0x0D, 0x0A]
    }
}

let arguments = Arguments()
var configuration = arguments.configuration
configuration.workers = 1
do {
    let server = try IOCPServer(configuration) { worker in KeyValueServer(worker: worker) }
    announce(try server.listen(host: "127.0.0.1", port: arguments.port))
    try server.wait()
} catch {
    fail(error)
}
