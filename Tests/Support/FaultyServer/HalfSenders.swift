#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Clients that send the beginning of a frame, never its end, and read nothing.
enum HalfSenders {
    /// Sends one after the other; what the server resets is left. Prints how many took all of it, and waits to be killed.
    static func run(count: Int, bytes: Int, port: UInt16) -> Never {
        let piece = [UInt8](repeating: 7, count: 1 << 20)
        let whole = (0..<count).filter { _ in
            let descriptor = connected(to: port)
            var sent = 0
            while sent < bytes {
                let step = min(piece.count, bytes - sent)
                let result = unsafe send(descriptor, piece, step, Int32(MSG_NOSIGNAL))
                guard result > 0 else { return false }
                sent += result
            }
            return true
        }
        print("sent by \(whole.count)")
        fflush(nil)
        while true { pause() }
    }

    private static func connected(to port: UInt16) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = port.bigEndian
        let result = unsafe withUnsafeMutablePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        precondition(result == 0, "no connection to port \(port)")
        return descriptor
    }
}
