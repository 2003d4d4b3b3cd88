import IOCP
import Launch

/// Rooms, in which each line of a member goes to all. The rooms are the worker's, so there is one worker.
struct Chat: ConnectionHandler {
    private var rooms: [String: Room] = [:]
    private var names: Set<String> = []
    private var guestCount = 0
    private static let commands = "/nick NAME, /join ROOM, /leave, /who, /quit"

    mutating func makeState() -> Member {
        repeat { guestCount += 1 } while !names.insert("guest\(guestCount)").inserted
        return Member(name: "guest\(guestCount)")
    }

    func opened(_ client: IocpContext<Member>) throws(IOCPError) {
        try client.send("* you are \(client.state.name): \(Chat.commands)\n")
    }

    mutating func received(_ bytes: RawSpan, on client: IocpContext<Member>) throws(IOCPError) {
        var input = bytes
        do throws(IOCPError) {
            while !client.state.isLeaving, let line = try client.state.lines.next(in: &input) {
                try take(Chat.printable(line.bytes), from: client)
            }
        } catch {
            guard error.operation == .framing else { throw error }
            try leaveRoom(client)
            try dismiss(client, "! a line has at most \(client.state.lines.framing.maximumByteCount) bytes")
        }
    }

    private mutating func take(_ line: String, from client: IocpContext<Member>) throws(IOCPError) {
        let member = client.state
        let words = line.split(separator: " ").map(String.init)
        switch (words.first ?? "", words.count) {
        case ("/nick", 2) where words[1].utf8.count <= 32:
            guard names.insert(words[1]).inserted else { return try client.send("! \(words[1]) is taken\n") }
            names.remove(member.name)
            let line = "* \(member.name) is \(words[1]) now"
            member.name = words[1]
            if let room = member.room { try room.tell(line) } else { try client.send(line + "\n") }
        case ("/join", 2) where words[1].utf8.count <= 32:
            try leaveRoom(client)
            let room = rooms[words[1]] ?? Room(name: words[1])
            rooms[room.name] = room
            try room.join(client)
        case ("/leave", 1): try leaveRoom(client)
        case ("/who", 1):
            let names = (member.room?.members.values.prefix(100).map(\.state.name) ?? []).sorted()
            try client.send("* here: \(names.joined(separator: " "))\n")
        case ("/quit", 1):
            try leaveRoom(client)
            try dismiss(client, "* good-bye")
        case (let word, _) where word.hasPrefix("/"): try client.send("! \(Chat.commands)\n")
        default:
            guard let room = member.room else { return try client.send("! you are in no room: /join ROOM\n") }
            try room.tell("\(member.name): \(line)")
        }
    }

    private mutating func leaveRoom(_ client: IocpContext<Member>) throws(IOCPError) {
        guard let room = client.state.room else { return }
        try room.leave(client)
        if room.members.isEmpty { rooms[room.name] = nil }
    }

    private func dismiss(_ client: IocpContext<Member>, _ line: String) throws(IOCPError) {
        guard !client.state.isLeaving else { return }
        client.state.isLeaving = true
        try client.send(line + "\n")
        client.close()
    }

    /// What a terminal takes for a command is no part of a line.
    private static func printable(_ bytes: RawSpan) -> String {
        let scalars = String(decoding: bytes).unicodeScalars.map {
            $0.properties.generalCategory == .control ? "?" : $0
        }
        return String(String.UnicodeScalarView(scalars))
    }

    /// It reads again, after lines were refused because too many waited for it.
    func writable(_ client: IocpContext<Member>) throws(IOCPError) {
        guard client.state.missedCount > 0 else { return }
        try client.send("! you missed \(client.state.missedCount) lines\n")
        client.state.missedCount = 0
    }

    mutating func closed(_ client: IocpContext<Member>, reason: CloseReason) {
        names.remove(client.state.name)
        try? leaveRoom(client)
    }

    func stopping(_ clients: borrowing ConnectionPool<Member>, on worker: Worker) throws(IOCPError) {
        clients.forEach { client in try? dismiss(client, "* the server stops") }
    }
}

let arguments = Arguments()
var configuration = arguments.configuration
configuration.workers = 1
configuration.overflowPolicy = .refuse  // a member that does not read misses lines, and stays
configuration.sendLowWatermark = 16 << 10
configuration.sendHighWatermark = 256 << 10
configuration.sendCap = 256 << 10
var termination = Termination()
do {
    let server = try IOCPServer(configuration) { _ in Chat() }
    announce(try server.listen(host: "127.0.0.1", port: arguments.port))
    termination.wait()
    server.stop(drainingFor: .seconds(2))
    try server.wait()
} catch {
    fail(error)
}
