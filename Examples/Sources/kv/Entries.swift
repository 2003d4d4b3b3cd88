/// Keys and their values, of a bounded size together.
struct Entries {
    private var replies: [Key: [UInt8]] = [:], byteCount = 0

    /// The value as a client gets it: `$5\r\nvalue\r\n`.
    subscript(key: ArraySlice<UInt8>) -> [UInt8]? { replies[Key(bytes: key)] }

    /// - Returns: false if there is no room for it; then nothing has changed.
    mutating func store(_ value: ArraySlice<UInt8>, under key: ArraySlice<UInt8>) -> Bool {
        let reply = bulk(value)
        let place = replies.index(forKey: Key(bytes: key))
        let added = reply.count - (place.map { replies.values[$0].count } ?? -key.count)
        guard byteCount + added <= 256 << 20, replies.count < 4 << 20 else { return false }
        byteCount += added
        if let place { replies.values[place] = reply } else { replies[Key(bytes: ArraySlice(Array(key)))] = reply }
        return true
    }

    mutating func remove(_ key: ArraySlice<UInt8>) -> Bool {
        guard let reply = replies.removeValue(forKey: Key(bytes: key)) else { return false }
        byteCount -= key.count + reply.count
        return true
    }
}

/// Bytes that are hashed at once. An array's own hash goes byte by byte, which cost more than anything else in a GET.
private struct Key: Hashable {
    let bytes: ArraySlice<UInt8>

    func hash(into hasher: inout Hasher) { unsafe bytes.withUnsafeBytes { unsafe hasher.combine(bytes: $0) } }
}

func line(_ text: String) -> [UInt8] { Array("\(text)\r\n".utf8) }
func bulk(_ bytes: ArraySlice<UInt8>) -> [UInt8] { line("$\(bytes.count)") + bytes + [0x0D, 0x0A] }
let ok = line("+OK"), nothing = line("$-1"), noMemory = line("-ERR no memory is left for it")
