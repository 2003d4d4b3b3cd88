#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What secures connections.
extension Explanation {
    static func security(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case ETIMEDOUT:
            Explanation(
                "the TLS handshake did not end in time", "the peer is slow or silent, or does not speak TLS",
                "raise handshakeTimeout if such peers are to be served")
        case ECONNRESET:
            Explanation(
                "the peer went away in the TLS handshake", "it was only looking, or did not like what it was shown")
        case EBADMSG:
            Explanation(
                "the TLS stream was cut", "FIN came without close_notify: what the peer sent may not be complete")
        case ENOBUFS:
            Explanation(
                "there was no room for a TLS handshake", "too many were going on, or memory is short",
                "raise handshakesMax, or limit accepts with acceptsPerSecond")
        case ENOTCONN: Explanation("the connection has no TLS", "it is in the clear, or is closed")
        case EINVAL: Explanation("TLS cannot be set up so", error.detail)
        case EPROTO: Explanation("TLS failed", error.detail)
        default: nil
        }
    }
}
