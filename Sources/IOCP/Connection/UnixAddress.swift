import CIOCP

/// The name of a Unix socket: a path of the file system, or an abstract name; see unix(7).
///
/// An abstract name has no file: it lasts as long as its socket, and any process in the network namespace may connect to
/// it. A path is guarded by its permissions and those of its folder.
public struct UnixAddress: Hashable, Sendable {
    /// The bytes of the name: a path, or what follows the NUL of an abstract name.
    public let bytes: [UInt8]
    /// Whether it is an abstract name, which has no file.
    public let isAbstract: Bool

    /// A path of 1 to 107 bytes, absolute or relative to the working directory.
    /// - Throws: EINVAL for an empty path or one with a NUL in it, ENAMETOOLONG for a longer one.
    public init(path: String) throws(IOCPError) {
        bytes = Array(path.utf8)
        isAbstract = false
        guard !bytes.isEmpty, !bytes.contains(0) else {
            throw IOCPError(
                code: 22 /* EINVAL */, operation: .listenUnix, detail: "a path has 1 to 107 bytes, none of them 0")
        }
        try UnixAddress.check(length: bytes.count)
    }

    /// An abstract name of 1 to 107 bytes.
    /// - Throws: EINVAL for an empty name, ENAMETOOLONG for a longer one.
    public init(abstract name: String) throws(IOCPError) {
        bytes = Array(name.utf8)
        isAbstract = true
        guard !bytes.isEmpty else {
            throw IOCPError(
                code: 22 /* EINVAL */, operation: .listenUnix, detail: "an abstract name has 1 to 107 bytes")
        }
        try UnixAddress.check(length: bytes.count)
    }

    /// As it is said on a command line and in settings: a path, or an abstract name behind "@".
    package init(named text: String) throws(IOCPError) {
        self = text.hasPrefix("@") ? try UnixAddress(abstract: String(text.dropFirst())) : try UnixAddress(path: text)
    }

    private static func check(length: Int) throws(IOCPError) {
        guard length < Int(IOCP_UNIX_NAME_BYTES_MAX) else {
            throw IOCPError(
                code: 36 /* ENAMETOOLONG */, operation: .listenUnix,
                detail: "\(length) bytes, and at most \(Int(IOCP_UNIX_NAME_BYTES_MAX) - 1) fit")
        }
    }

    init?(raw: iocp_endpoint) {
        guard raw.kind == IOCP_ENDPOINT_UNIX else { return nil }
        let name = unsafe withUnsafeBytes(of: raw.name) { unsafe Array($0.prefix(Int(raw.name_bytes))) }
        isAbstract = name.first == 0
        bytes = isAbstract ? Array(name.dropFirst()) : name
    }

    var raw: iocp_endpoint {
        var endpoint = iocp_endpoint()
        let name = isAbstract ? [0] + bytes : bytes
        endpoint.kind = IOCP_ENDPOINT_UNIX
        endpoint.name_bytes = UInt8(name.count)
        unsafe withUnsafeMutableBytes(of: &endpoint.name) { unsafe $0.copyBytes(from: name) }
        return endpoint
    }
}

extension UnixAddress: CustomStringConvertible {
    /// "/run/server.sock", or "@name" for an abstract name, as ss(8) shows it. Control characters are escaped.
    public var description: String { ((isAbstract ? "@" : "") + String(decoding: bytes, as: UTF8.self)).printable }
}
