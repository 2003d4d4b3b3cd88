import IOCP

/// What a client says. Examples/README.md has the protocol: a type, a sequence number, and a body behind their length.
enum Message {
    case login(name: [UInt8]), cancel(id: UInt64), heartbeat
    case order(id: UInt64, quantity: UInt32, price: UInt64)

    static let framing = LengthPrefixed(.two, maximumByteCount: 64)

    /// Nil for bytes that are no message.
    init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= 5 else { return nil }
        let body = bytes.extracting(droppingFirst: 5)
        switch (Character(Unicode.Scalar(bytes.byte(at: 0))), body.byteCount) {
        case ("L", 1...16): self = .login(name: [UInt8](body))
        case ("O", 21) where body.byte(at: 8) == UInt8(ascii: "B") || body.byte(at: 8) == UInt8(ascii: "S"):
            self = .order(
                id: body.bigEndian(UInt64.self, at: 0), quantity: body.bigEndian(UInt32.self, at: 9),
                price: body.bigEndian(UInt64.self, at: 13))
        case ("C", 8): self = .cancel(id: body.bigEndian(UInt64.self, at: 0))
        case ("H", 0): self = .heartbeat
        default: return nil
        }
    }
}

enum Bye: UInt8, Error { case stopping = 1, malformed, silent, notLoggedIn, nameInUse, tooManyNames }
enum Rejection: UInt8 { case idInUse = 1, outOfRange, tooManyOrders, unknownOrder }
