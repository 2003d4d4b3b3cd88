import IOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Reading what the user named.
enum PEMFile {
    /// More than any chain has, and less than what would hurt to read.
    static let byteCountMax = 4 << 20

    /// - Throws: what the system refused, with the path.
    static func bytes(of path: String) throws(IOCPError) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw refused(path, errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = unsafe read(descriptor, &block, block.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw refused(path, errno) }
            if count == 0 { return bytes }
            bytes.append(contentsOf: block[..<count])
            guard bytes.count <= byteCountMax else { throw refused(path, EFBIG) }
        }
    }

    private static func refused(_ path: String, _ code: Int32) -> IOCPError {
        IOCPError(
            code: EINVAL, operation: .security,
            detail: "\(path) cannot be read: \(unsafe String(cString: strerror(code)))")
    }
}
