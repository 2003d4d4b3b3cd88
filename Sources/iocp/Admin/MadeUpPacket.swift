#if Command

/// An IP packet with a TCP segment in it, as it might have carried the bytes of a connection.
struct MadeUpPacket {
    struct End {
        /// 4 bytes, or 16.
        let address: [UInt8]
        let port: UInt16
    }

    struct Flags: OptionSet {
        let rawValue: UInt8
        static let fin = Flags(rawValue: 1), syn = Flags(rawValue: 2), rst = Flags(rawValue: 4)
        static let psh = Flags(rawValue: 8), ack = Flags(rawValue: 16)
    }

    let from: End
    let to: End
    let sequence: UInt32
    let acknowledged: UInt32
    let flags: Flags
    let bytes: ArraySlice<UInt8>

    private static let tcp: UInt8 = 6

    /// With the checksums that it would have (RFC 791, 8200, 9293).
    var encoded: [UInt8] {
        var segment: [UInt8] = []
        segment.reserveCapacity(20 + bytes.count)
        segment.append(big: from.port)
        segment.append(big: to.port)
        segment.append(big: sequence)
        segment.append(big: acknowledged)
        segment += [5 << 4, flags.rawValue]
        segment.append(big: UInt16.max)  // window
        segment += [0, 0, 0, 0]  // checksum, urgent pointer
        segment += bytes
        var pseudo = from.address + to.address
        pseudo.append(big: UInt32(Self.tcp))
        pseudo.append(big: UInt32(segment.count))
        segment.replaceSubrange(16..<18, with: Self.checksum(pseudo + segment))
        return header(segment.count) + segment
    }

    private func header(_ segmentBytes: Int) -> [UInt8] {
        guard from.address.count == 4 else {
            var header: [UInt8] = [6 << 4, 0, 0, 0]
            header.append(big: UInt16(segmentBytes))
            return header + [Self.tcp, 64] + from.address + to.address
        }
        var header: [UInt8] = [4 << 4 | 5, 0]
        header.append(big: UInt16(20 + segmentBytes))
        header += [0, 0, 0x40, 0, 64, Self.tcp, 0, 0] + from.address + to.address  // not to be fragmented
        header.replaceSubrange(10..<12, with: Self.checksum(header))
        return header
    }

    /// The Internet checksum (RFC 1071), in network order.
    private static func checksum(_ bytes: [UInt8]) -> [UInt8] {
        var sum: UInt64 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt64(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt64(bytes[index + 1]) : 0)
        }
        while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
        return [UInt8(~sum >> 8 & 0xff), UInt8(~sum & 0xff)]
    }
}

extension [UInt8] {
    fileprivate mutating func append(big value: some FixedWidthInteger) {
        unsafe Swift.withUnsafeBytes(of: value.bigEndian) { unsafe append(contentsOf: $0) }
    }
}
#endif
