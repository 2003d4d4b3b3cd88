#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

// An echo server that does one thing wrong to every connection, for the tests of `iocp stress`:
//   FaultyServer corrupt BYTES   changes the byte after so many
//   FaultyServer close BYTES     closes after so many
//   FaultyServer add BYTES       echoes one byte twice after so many
// It prints its port and runs until it is killed. A program of its own, so that the test process opens no sockets.

enum Fault: String {
    case corrupt, close, add
}

/// What a connection's thread is given.
final class Conversation: Sendable {
    let descriptor: Int32
    let fault: Fault
    let position: Int

    init(_ descriptor: Int32, _ fault: Fault, _ position: Int) {
        (self.descriptor, self.fault, self.position) = (descriptor, fault, position)
    }

    /// Not a closure: one written in main-actor code would check for the main thread, and trap here.
    static let enter: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { conversation in
        unsafe Unmanaged<Conversation>.fromOpaque(conversation!).takeRetainedValue().run()
        return nil
    }

    private func run() {
        var seen = 0
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            var reply = Array(buffer[..<count])
            if (seen..<seen + count).contains(position) {
                switch fault {
                case .corrupt: reply[position - seen] ^= 1
                case .add: reply.insert(reply[position - seen], at: position - seen)
                case .close:
                    reply.removeSubrange((position - seen)...)
                    transmit(reply)
                    _ = shutdown(descriptor, Int32(SHUT_RDWR))
                    return
                }
            }
            seen += count
            transmit(reply)
        }
    }

    private func transmit(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { bytes in
                unsafe send(descriptor, bytes.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }
}

func listenOnFreePort() -> (descriptor: Int32, port: UInt16) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = unsafe withUnsafeMutablePointer(to: &address) { address in
        unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            unsafe bind(descriptor, address, length) | listen(descriptor, 128)
                | getsockname(descriptor, address, &length)
        }
    }
    precondition(result == 0, "no port to listen on")
    return (descriptor, UInt16(bigEndian: address.sin_port))
}

let arguments = CommandLine.arguments
guard arguments.count == 3, let fault = Fault(rawValue: arguments[1]), let position = Int(arguments[2]) else {
    fatalError("usage: FaultyServer corrupt|close|add BYTES")
}
let listener = listenOnFreePort()
print(listener.port)
fflush(nil)
while true {
    let descriptor = accept(listener.descriptor, nil, nil)
    guard descriptor >= 0 else { continue }
    let conversation = unsafe Unmanaged.passRetained(Conversation(descriptor, fault, position)).toOpaque()
    var thread = pthread_t()
    unsafe pthread_create(&thread, nil, Conversation.enter, conversation)
}
