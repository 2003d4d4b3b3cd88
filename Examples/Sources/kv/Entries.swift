/// Keys and their values, of a bounded size together.
struct Entries {
    struct Entry { let value: [UInt8], deadline: Duration }

    private var entries: [Key: Entry] = [:]
    private var byteCount = 0
    private var nextSweep = Duration.zero

    private static let byteCountMax = 256 << 20, countMax = 4 << 20

    var count: Int { entries.count }

    func find(_ key: ArraySlice<UInt8>, at now: Duration) -> Entry? {
        guard let entry = entries[Key(bytes: key)], entry.deadline > now else { return nil }
        return entry
    }

    /// - Returns: whether it was there.
    mutating func remove(_ key: ArraySlice<UInt8>, at now: Duration) -> Bool {
        guard let entry = entries.removeValue(forKey: Key(bytes: key)) else { return false }
        byteCount -= key.count + entry.value.count
        return entry.deadline > now
    }

    /// - Returns: false if there is no room for it; then nothing has changed.
    mutating func store(
        _ value: ArraySlice<UInt8>, under key: ArraySlice<UInt8>, until deadline: Duration, at now: Duration
    ) -> Bool {
        let size = key.count + value.count
        if !hasRoom(for: size) { sweep(at: now) }
        guard hasRoom(for: size) else { return false }
        _ = remove(key, at: now)
        byteCount += size
        entries[Key(bytes: ArraySlice(Array(key)))] = Entry(value: Array(value), deadline: deadline)
        return true
    }

    private func hasRoom(for size: Int) -> Bool {
        byteCount + size <= Entries.byteCountMax && entries.count < Entries.countMax
    }

    /// Drops what has expired. It looks at every entry, so once a second is enough.
    private mutating func sweep(at now: Duration) {
        guard now >= nextSweep else { return }
        nextSweep = now + .seconds(1)
        entries = entries.filter { $0.value.deadline > now }
        byteCount = entries.reduce(0) { $0 + $1.key.bytes.count + $1.value.value.count }
    }
}

extension Duration { static let never = Duration.seconds(Int64.max) }

/// Bytes that are hashed at once. An array's own hash goes byte by byte, which cost more than anything else in a GET.
private struct Key: Hashable {
    let bytes: ArraySlice<UInt8>

    func hash(into hasher: inout Hasher) {
        unsafe bytes.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
    }
}
