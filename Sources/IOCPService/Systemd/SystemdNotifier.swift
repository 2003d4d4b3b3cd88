#if Service
import IOCP

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

/// Tells systemd how the service is: sd_notify(3)'s protocol, of datagrams to the socket that NOTIFY_SOCKET names. Without one
/// nothing is sent.
///
/// Thread: any.
public final class SystemdNotifier: Sendable {
    private let descriptor: Int32
    private let name: [UInt8]
    /// How often ``watchdog()`` has to come, from WATCHDOG_USEC; nil where systemd does not watch this process.
    public let watchdogInterval: Duration?

    /// - Parameter environment: with NOTIFY_SOCKET, a path or "@name", and WATCHDOG_USEC and WATCHDOG_PID.
    public init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        let path = environment["NOTIFY_SOCKET"] ?? ""
        // A leading NUL makes an abstract name: unix(7).
        name = path.first == "@" ? [0] + path.utf8.dropFirst() : Array(path.utf8)
        // vsock: as systemd 254 has for virtual machines is not spoken.
        let isSpoken = path.first == "@" || path.first == "/"
        descriptor = isSpoken ? socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0) : -1
        let isWatched = environment["WATCHDOG_PID"].map { Int32($0) == getpid() } ?? true
        watchdogInterval =
            isWatched && descriptor >= 0
            ? environment["WATCHDOG_USEC"].flatMap { Int64($0) }.flatMap { $0 > 0 ? .microseconds($0) : nil } : nil
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// Whether anybody is told.
    public var isConnected: Bool { descriptor >= 0 }

    /// The service is up, or up again behind ``reloading()``. systemd starts then what was waiting for it.
    public func ready(status: String) { send("READY=1\nSTATUS=\(status)") }

    /// It reads its settings again. systemd waits for ``ready(status:)`` (`Type=notify-reload`).
    public func reloading() {
        send("RELOADING=1\nMONOTONIC_USEC=\(Int(Duration.onMonotonicClock / .microseconds(1)))")
    }

    /// It stops. systemd waits at least this long from now before it kills.
    public func stopping(within time: Duration, status: String) {
        send("STOPPING=1\nSTATUS=\(status)\nEXTEND_TIMEOUT_USEC=\(Int(time / .microseconds(1)))")
    }

    /// It is well, and says how it is. Without this, systemd ends it behind ``watchdogInterval``.
    public func watchdog() { send("WATCHDOG=1") }

    /// One line for `systemctl status`.
    public func status(_ text: String) { send("STATUS=\(text)") }

    /// Whether it arrives is not told: systemd may be gone, and the service goes on.
    private func send(_ message: String) {
        guard descriptor >= 0 else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard name.count <= MemoryLayout.size(ofValue: address.sun_path) else { return }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let bytes = Array(message.utf8)
        _ = unsafe withUnsafePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe sendto(
                    descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT), address,
                    length)
            }
        }
    }
}
#endif
