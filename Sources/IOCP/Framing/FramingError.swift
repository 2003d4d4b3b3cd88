#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Why a stream cannot be cut into frames, or a payload cannot become one, with the numbers.
///
/// ``FrameBuffer`` and ``LengthPrefixed/prefix(forByteCount:)`` throw it as an ``IOCPError`` of the operation `framing`,
/// so that a handler can let it pass: an error that leaves the handler aborts the connection.
public enum FramingError: Error, Hashable, Sendable {
    /// The peer's frame is larger than the rule's maximum. `byteCount` is nil if its end was not seen yet.
    case frameTooLarge(byteCount: UInt64?, maximum: Int)
    /// The length counts its own prefix, and is smaller than that.
    case lengthTooSmall(UInt64, minimum: Int)
    /// A varint of more than 64 bits.
    case varintTooLarge
    /// A varint of more bytes than its value needs.
    case varintOverlong
    /// A line feed without a carriage return, where both are asked for.
    case lineFeedAlone
    /// Anything else that a rule of your own refuses, in its words.
    case malformed(String)
    /// The rule named a frame that cannot be: an error of the rule's code.
    case inconsistent
    /// A payload that the width of the prefix cannot count. Of sending only.
    case payloadTooLarge(byteCount: Int, maximum: UInt64)

    fileprivate var code: Int32 {
        switch self {
        case .frameTooLarge: EMSGSIZE
        case .lengthTooSmall, .varintTooLarge, .varintOverlong, .lineFeedAlone, .malformed: EBADMSG
        case .inconsistent: EPROTO
        case .payloadTooLarge: EOVERFLOW
        }
    }

    /// The numbers, in words.
    fileprivate var detail: String? {
        switch self {
        case .frameTooLarge(let byteCount?, let maximum): "it has \(byteCount) bytes, and \(maximum) are allowed"
        case .frameTooLarge(nil, let maximum): "it has more than the \(maximum) bytes that are allowed"
        case .lengthTooSmall(let length, let minimum):
            "its length is \(length), and its prefix alone has \(minimum) bytes"
        case .varintTooLarge: "its length has more than 64 bits"
        case .varintOverlong: "its length is a varint of more bytes than it needs"
        case .lineFeedAlone: "a line feed has no carriage return before it"
        case .malformed(let reason): reason
        case .inconsistent: nil
        case .payloadTooLarge(let byteCount, let maximum):
            "it has \(byteCount) bytes, and the prefix counts to \(maximum)"
        }
    }
}

extension FramingError: CustomStringConvertible {
    /// One line: what failed, the numbers, and what helps. Safe to print.
    public var description: String {
        let error = IOCPError(self)
        return [error.summary, error.cause, error.remedy].compactMap(\.self).joined(separator: ": ")
    }
}

extension IOCPError {
    /// The same error for a handler to throw: the operation is `framing`, and the numbers are in its ``detail``.
    public init(_ error: FramingError) {
        self.init(code: error.code, operation: .framing, detail: error.detail)
    }
}

/// Frames that a peer sent, and frames for it.
extension Explanation {
    static func framing(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EMSGSIZE:
            Explanation(
                "the peer's frame is too large", error.detail, "raise the framing's maximum if such frames are meant")
        case ENODATA: Explanation("the peer finished too early", error.detail)
        case EBADMSG:
            Explanation(
                "the peer's bytes are no frame", error.detail, "check that both ends use the same framing")
        case EPROTO:
            Explanation(
                "the framing contradicts itself", "its search named a frame outside of the bytes that it was given",
                "mend the search of the framing")
        case EOVERFLOW:
            Explanation(
                "the payload does not fit the length prefix", error.detail, "use a wider prefix, or send it in parts")
        default: nil
        }
    }
}
