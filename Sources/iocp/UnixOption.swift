#if Command
import ArgumentParser
import IOCP

/// Where a server listens, as it is said on the command line.
enum ServerOption {
    case tcp(host: String, port: Int)
    case unix(UnixAddress)
}

extension UnixAddress {
    /// For an option's value: a path, or an abstract name behind "@".
    static func option(_ text: String) throws -> UnixAddress {
        do throws(IOCPError) {
            return try UnixAddress(named: text)
        } catch {
            throw ValidationError("'\(text.printable)' names no Unix socket: \(error)")
        }
    }
}
#endif
