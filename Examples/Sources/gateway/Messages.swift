import IOCP

/// A message: its length (2 bytes), its type, a sequence number (4 bytes), a body. Numbers are big-endian.
///
///     from clients          body                                                  sequence number
///     L  login              name, 1 to 16 bytes                                   0
///     O  order              id (8), B or S, quantity (4), price (8)               1, 2, 3 ... for each name
///     C  cancel             id (8)                                                likewise
///     H  heartbeat                                                                the last one sent
///
///     from the gateway
///     W  welcome                                                                  the one expected next
///     A  accepted           id (8)                                                that of the order or cancel
///     R  rejected           id (8), a reason (1)                                  likewise
///     G  gap                                                                      the one expected: send from there on
///     H  heartbeat                                                                the last one taken
///     B  bye                a reason (1)                                          the last one taken
enum Message {
    case login(name: [UInt8])
    case order(id: UInt64, quantity: UInt64, price: UInt64)
    case cancel(id: UInt64)
    case heartbeat

    static let framing = LengthPrefixed(.two, maximumByteCount: 64)

    /// Nil for bytes that are no message.
    init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= 5 else { return nil }
        let body = bytes.extracting(droppingFirst: 5)
        switch (Character(Unicode.Scalar(bytes.byte(at: 0))), body.byteCount) {
        case ("L", 1...16): self = .login(name: [UInt8](body))
        case ("O", 21) where body.byte(at: 8) == 0x42 || body.byte(at: 8) == 0x53:
            self = .order(id: body.number(0..<8), quantity: body.number(9..<13), price: body.number(13..<21))
        case ("C", 8): self = .cancel(id: body.number(0..<8))
        case ("H", 0): self = .heartbeat
        default: return nil
        }
    }
}

enum Bye: UInt8 {
    case stopping = 1
    case malformed, silent, notLoggedIn, nameInUse, tooManyNames
}
enum Rejection: UInt8 {
    case idInUse = 1
    case outOfRange, tooManyOrders, unknownOrder
}

extension RawSpan {
    /// A big-endian number of at most eight bytes.
    func number(_ place: Range<Int>) -> UInt64 {
        var number: UInt64 = 0
        for offset in place { number = number << 8 | UInt64(byte(at: offset)) }
        return number
    }
}

extension [UInt8] {
    mutating func append(_ number: UInt64, byteCount: Int) {
        for index in 0..<byteCount { append(UInt8(truncatingIfNeeded: number >> UInt64(8 * (byteCount - 1 - index)))) }
    }
}
