import Glibc
import NIOCore

/// The ready line.
public enum Announcement {
    /// Prints the address with the port the kernel chose. Call once, when clients may come.
    public static func print(_ listener: any Channel) {
        guard let address = listener.localAddress, let host = address.ipAddress, let port = address.port else {
            preconditionFailure("a bound TCP listener has an address")
        }
        let shown = address.protocol == .inet6 ? "[\(host)]" : host
        Swift.print("listening on \(shown):\(port)")
        // Whoever waits for the line reads a pipe, which stdio would fill first.
        fflush(nil)
    }
}
