import IOCP
import Launch
import Synchronization

/// Rooms, in which each line of a member goes to all, whatever worker they are on: a room is a topic.
final class Chat: ConnectionHandler, Handles.Opened, Handles.Writable, Handles.Closed, Handles.Stopping, Sendable {
    struct State {
        var lines = FrameBuffer(Lines(maximumByteCount: 1_000))
        var name: String
        var room: (name: String, topic: Topic, toldCount: Int)?
    }
    typealias Client = IocpContext<State>

    private let directory = Mutex(Directory())
    private static let commands = "/nick NAME, /join ROOM, /leave, /who, /quit"

    func makeState() -> State { State(name: directory.withLock { $0.nameGuest() }) }
    func opened(_ client: Client) throws(IOCPError) {
        try client.send("* you are \(client.state.name): \(Chat.commands)\n")
    }

    func received(_ bytes: RawSpan, on client: Client) throws(IOCPError) {
        var input = bytes
        do throws(IOCPError) {
            while let line = try client.state.lines.next(in: &input) { try take(Chat.printable(line.bytes), from: client) }
        } catch {
            guard error.operation == .framing else { throw error }
            try dismiss(client, "! a line has at most \(client.state.lines.framing.maximumByteCount) bytes")
        }
    }

    private func take(_ line: String, from client: Client) throws(IOCPError) {
        let (name, room) = (client.state.name, client.state.room)
        let words = line.split(separator: " ").map(String.init)
        switch (words.first ?? "", words.count) {
        case ("/nick", 2) where words[1].utf8.count <= 32:
            let isFree = directory.withLock { $0.rename(name, to: words[1], in: room?.name) }
            guard isFree else { return try client.send("! \(words[1]) is taken\n") }
            client.state.name = words[1]
            try tell("* \(name) is \(words[1]) now", client)
        case ("/join", 2) where words[1].utf8.count <= 32:
            leaveRoom(client)
            let (topic, count) = directory.withLock { $0.join(words[1], as: name) }
            client.state.room = (words[1], topic, 0)
            try client.subscribe(to: topic)
            try tell("* \(name) joins \(words[1]), where \(count) are", client)
        case ("/leave", 1): leaveRoom(client)
        case ("/who", 1):
            let names = room.map { room in directory.withLock { $0.names(in: room.name) } } ?? []
            try client.send("* here: \(names.prefix(100).joined(separator: " "))\n")
        case ("/quit", 1): try dismiss(client, "* good-bye")
        case (let word, _) where word.hasPrefix("/"): try client.send("! \(Chat.commands)\n")
        case _ where room == nil: try client.send("! you are in no room: /join ROOM\n")
        default: try tell("\(name): \(line)", client)
        }
    }

    /// Says a line in the client's room, or to the client alone where there is none or it is full.
    private func tell(_ line: String, _ client: Client) throws(IOCPError) {
        guard let topic = client.state.room?.topic else { return try client.send(line + "\n") }
        let bytes = try SharedBytes(Array("\(line)\n".utf8))
        do { try topic.publish(bytes) } catch { try client.send("! the room is full of lines: say it again\n") }
    }

    private func leaveRoom(_ client: Client) {
        guard let room = client.state.room else { return }
        client.unsubscribe(from: room.topic)
        directory.withLock { $0.leave(room.name, as: client.state.name) }
        try? tell("* \(client.state.name) leaves \(room.name)", client)
        client.state.room = nil
    }

    private func dismiss(_ client: Client, _ line: String) throws(IOCPError) {
        leaveRoom(client)
        try client.send(line + "\n")
        client.close()
    }

    /// What a terminal takes for a command is no part of a line.
    private static func printable(_ bytes: RawSpan) -> String {
        let scalars = String(decoding: bytes).unicodeScalars
        return String(String.UnicodeScalarView(scalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
    }

    /// It reads again, after it missed lines because too many waited for it.
    func writable(_ client: Client) throws(IOCPError) {
        guard let (_, topic, toldCount) = client.state.room, client.missedCount(of: topic) > toldCount else { return }
        client.state.room?.toldCount = client.missedCount(of: topic)
        try client.send("! you missed \(client.missedCount(of: topic) - toldCount) lines\n")
    }

    func closed(_ client: Client, reason: CloseReason) {
        leaveRoom(client)
        directory.withLock { $0.forget(client.state.name) }
    }

    func stopping(_ clients: borrowing ConnectionPool<State>, on worker: Worker) throws(IOCPError) {
        clients.forEach { client in
            try? client.send("* the server stops\n")
            client.close()
        }
    }
}

let arguments = Arguments()
serve(arguments, arguments.configuration) { [chat = Chat()] _ in chat }
