/// The bytes of a length, to be sent before a payload. It lies within the value: nothing is allocated.
@frozen
public struct LengthPrefix: Sendable {
    /// The most bytes of a length: those of a varint of 64 bits.
    @usableFromInline static let byteCountMax = 10

    @usableFromInline let storage: InlineArray<10, UInt8>
    /// 1 to 10.
    public let count: Int

    /// The length's bytes, as they are sent.
    @inlinable
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            let bytes = unsafe storage.span.bytes.extracting(first: count)
            return unsafe _overrideLifetime(bytes, borrowing: self)
        }
    }

    init(_ value: UInt64, _ framing: LengthPrefixed) {
        var storage = InlineArray<10, UInt8>(repeating: 0)
        var rest = value
        var index = 0
        if framing.width == .varint {
            while rest > 0x7F {
                storage[index] = UInt8(truncatingIfNeeded: rest) | 0x80
                rest &>>= 7
                index += 1
            }
            storage[index] = UInt8(truncatingIfNeeded: rest)
            count = index + 1
        } else {
            count = framing.width.rawValue
            while index < count {
                storage[framing.order == .bigEndian ? count - 1 - index : index] = UInt8(truncatingIfNeeded: rest)
                rest &>>= 8
                index += 1
            }
        }
        self.storage = storage
    }

    /// How many bytes the varint of a value has.
    static func varintByteCount(_ value: UInt64) -> Int { max(1, (70 - value.leadingZeroBitCount) / 7) }
}

extension LengthPrefixed {
    /// The prefix of a payload, for a frame that is sent in parts.
    ///
    /// ```swift
    /// let prefix = try framing.prefix(forByteCount: head.byteCount + body.byteCount)
    /// try connection.send(prefix.bytes, head, body)
    /// ```
    ///
    /// Send it together with its payload, as here: a prefix alone on its way would frame whatever is sent next.
    /// - Parameter byteCount: the payload's bytes, at least 0. ``maximumByteCount`` is what is received at most, and does
    ///   not bind what is sent.
    /// - Throws: EOVERFLOW if the width cannot count that many.
    /// - Complexity: O(1); allocates nothing.
    public func prefix(forByteCount byteCount: Int) throws(IOCPError) -> LengthPrefix {
        precondition(byteCount >= 0, "a payload has at least 0 bytes")
        let payload = UInt64(byteCount)
        guard payload <= payloadByteCountMax else {
            throw IOCPError(FramingError.payloadTooLarge(byteCount: byteCount, maximum: payloadByteCountMax))
        }
        return LengthPrefix(payload + counted(with: payload), self)
    }

    /// The most bytes of a payload that the width can count.
    private var payloadByteCountMax: UInt64 {
        let most = width == .varint || width == .eight ? UInt64.max : (1 &<< UInt64(8 * width.rawValue)) - 1
        return countsPrefix ? most - UInt64(overheadByteCount) : most
    }

    /// The prefix's own bytes if the length counts them. Those of a varint depend on the sum.
    private func counted(with payload: UInt64) -> UInt64 {
        guard countsPrefix else { return 0 }
        guard width == .varint else { return UInt64(width.rawValue) }
        var count = LengthPrefix.varintByteCount(payload)
        if LengthPrefix.varintByteCount(payload + UInt64(count)) > count { count += 1 }
        return UInt64(count)
    }
}
