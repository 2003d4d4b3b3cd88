#if Command

/// The blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian, with one interface of raw IP packets.
enum Pcapng {
    private static let rawIP: UInt16 = 101
    private static let endOfOptions: [UInt8] = [0, 0, 0, 0]

    /// What a file begins with.
    static var start: [UInt8] {
        var section: [UInt8] = []
        section.append(little: UInt32(0x1a2b_3c4d))
        section.append(little: UInt16(1))
        section.append(little: UInt16(0))
        section.append(little: UInt64.max)  // the length is not known
        section += option(4, Array("iocp capture".utf8)) + endOfOptions
        var interface: [UInt8] = []
        interface.append(little: rawIP)
        interface.append(little: UInt16(0))
        interface.append(little: UInt32(0))  // no bound of a packet's length
        interface += option(2, Array("iocp".utf8)) + option(9, [9]) + endOfOptions  // times are in ns
        return block(0x0a0d_0d0a, section) + block(1, interface)
    }

    /// - Parameter time: since 1970, in ns.
    static func packet(_ bytes: [UInt8], at time: UInt64, isInbound: Bool, comment: String? = nil) -> [UInt8] {
        var body: [UInt8] = []
        body.append(little: UInt32(0))
        body.append(little: UInt32(time >> 32))
        body.append(little: UInt32(truncatingIfNeeded: time))
        body.append(little: UInt32(bytes.count))
        body.append(little: UInt32(bytes.count))
        body += padded(bytes)
        if let comment { body += option(1, Array(comment.utf8)) }
        body += option(2, [isInbound ? 1 : 2, 0, 0, 0]) + endOfOptions
        return block(6, body)
    }

    static func statistics(received: UInt64, dropped: UInt64, at time: UInt64) -> [UInt8] {
        var body: [UInt8] = []
        body.append(little: UInt32(0))
        body.append(little: UInt32(time >> 32))
        body.append(little: UInt32(truncatingIfNeeded: time))
        for (code, count) in [(UInt16(4), received), (5, dropped)] {
            var value: [UInt8] = []
            value.append(little: count)
            body += option(code, value)
        }
        return block(5, body + endOfOptions)
    }

    private static func block(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
        let length = UInt32(body.count + 12)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(length))
        bytes.append(little: type)
        bytes.append(little: length)
        bytes += body
        bytes.append(little: length)
        return bytes
    }

    private static func option(_ code: UInt16, _ value: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(little: code)
        bytes.append(little: UInt16(value.count))
        return bytes + padded(value)
    }

    private static func padded(_ bytes: [UInt8]) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
    }
}

extension [UInt8] {
    fileprivate mutating func append(little value: some FixedWidthInteger) {
        unsafe Swift.withUnsafeBytes(of: value.littleEndian) { unsafe append(contentsOf: $0) }
    }
}
#endif
