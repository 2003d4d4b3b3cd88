#if Service
#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Sockets that systemd bound before it started the service, and keeps while it restarts: sd_listen_fds(3).
public struct SystemdSockets: Sendable {
    /// One socket, which listens already.
    public struct Socket: Hashable, Sendable {
        /// Its file descriptor, which is closed by exec(2). The port takes it over: `CompletionPort.listen(onDescriptor:options:)`.
        public let descriptor: Int32
        /// What `FileDescriptorName=` of the socket unit says; the unit's own name otherwise.
        public let name: String
    }

    /// Those that are this process's, in their order; none where it was not started by a socket unit.
    public let all: [Socket]

    /// Takes them: programs that the service starts do not inherit them.
    /// - Parameter environment: with LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES.
    public init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        guard environment["LISTEN_PID"].flatMap({ Int32($0) }) == getpid(),
            let count = environment["LISTEN_FDS"].flatMap({ Int32($0) }), (1...1_024).contains(count)
        else {
            all = []
            return
        }
        let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":", omittingEmptySubsequences: false)
        let first: Int32 = 3  // SD_LISTEN_FDS_START
        all = (0..<count).map { place in
            let name = Int(place) < names.count ? String(names[Int(place)]) : "unknown"
            _ = fcntl(first + place, F_SETFD, FD_CLOEXEC)
            return Socket(descriptor: first + place, name: name)
        }
    }
}
#endif
