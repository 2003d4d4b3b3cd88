import IOCP

/// One client of the chat.
final class Member {
    var lines = FrameBuffer(Lines(maximumByteCount: 1_000))
    var name: String
    var room: Room?
    var missedCount = 0
    var isLeaving = false

    init(name: String) { self.name = name }
}

/// The members of a room, all of one worker.
final class Room {
    let name: String
    private(set) var members: [Connection: IocpContext<Member>] = [:]

    init(name: String) { self.name = name }

    func join(_ connection: IocpContext<Member>) throws(IOCPError) {
        members[connection.connection] = connection
        connection.state.room = self
        try tell("* \(connection.state.name) joins \(name), where \(members.count) are")
    }

    func leave(_ connection: IocpContext<Member>) throws(IOCPError) {
        members[connection.connection] = nil
        connection.state.room = nil
        try tell("* \(connection.state.name) leaves \(name)")
    }

    /// Sends a line to every member: one copy, which all of them share. A member that does not read misses it.
    func tell(_ line: String) throws(IOCPError) {
        let bytes = try SharedBytes(Array("\(line)\n".utf8))
        for member in members.values {
            do throws(IOCPError) { try member.send(bytes) } catch { member.state.missedCount += 1 }
        }
    }
}
