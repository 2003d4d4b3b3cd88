import IOCP

/// The members and their rooms: the one thing that the workers share, behind a lock.
struct Directory {
    private var names: Set<String> = []
    private var guestCount = 0
    private var rooms: [String: (topic: Topic, names: Set<String>)] = [:]

    mutating func nameGuest() -> String {
        repeat { guestCount += 1 } while !names.insert("guest\(guestCount)").inserted
        return "guest\(guestCount)"
    }

    mutating func rename(_ name: String, to new: String, in room: String?) -> Bool {
        guard names.insert(new).inserted else { return false }
        names.remove(name)
        if let room, rooms[room]?.names.remove(name) != nil { rooms[room]?.names.insert(new) }
        return true
    }

    /// Returns the room's topic, to which its members subscribe, and how many they are now.
    mutating func join(_ room: String, as name: String) -> (topic: Topic, count: Int) {
        rooms[room, default: (Topic(queueLimit: 1 << 17), [])].names.insert(name)
        return (rooms[room]!.topic, rooms[room]!.names.count)
    }

    mutating func leave(_ room: String, as name: String) {
        rooms[room]?.names.remove(name)
        if rooms[room]?.names.isEmpty == true { rooms[room] = nil }
    }

    mutating func forget(_ name: String) { names.remove(name) }
    func names(in room: String) -> [String] { (rooms[room]?.names ?? []).sorted() }
}
