import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

// A server that does one thing wrong to every connection, for the tests of `iocp stress`:
//   FaultyServer corrupt BYTES   changes the byte after so many
//   FaultyServer close BYTES     closes after so many
//   FaultyServer add BYTES       sends one byte twice after so many
//   FaultyServer drop BYTES      forgets 64 bytes after so many
//   FaultyServer stall BYTES     pauses for 100 ms after so many
// It echoes; with a third argument, "relay", it sends what it receives to all other connections instead.
// It prints its port and runs until it is killed. A program of its own, so that the test process opens no sockets.
//
// And clients that do one thing wrong:
//   FaultyServer part BYTES PORT   200 connections that send so many bytes to a port, and then nothing

enum Fault: String {
    case corrupt, close, add, drop, stall
}

/// What a connection's thread is given.
final class Conversation: Sendable {
    let descriptor: Int32
    let fault: Fault
    let position: Int
    /// Of a relay.
    let members: Members?

    init(_ descriptor: Int32, _ fault: Fault, _ position: Int, _ members: Members?) {
        (self.descriptor, self.fault, self.position, self.members) = (descriptor, fault, position, members)
    }

    /// Not a closure: one written in main-actor code would check for the main thread, and trap here.
    static let enter: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { conversation in
        unsafe Unmanaged<Conversation>.fromOpaque(conversation!).takeRetainedValue().run()
        return nil
    }

    private func run() {
        var seen = 0
        var forgotten = 0
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            var reply = Array(buffer[..<count])
            if (seen..<seen + count).contains(position) {
                switch fault {
                case .corrupt: reply[position - seen] ^= 1
                case .add: reply.insert(reply[position - seen], at: position - seen)
                case .stall: usleep(100_000)
                case .drop: break
                case .close:
                    reply.removeSubrange((position - seen)...)
                    transmit(reply)
                    _ = shutdown(descriptor, Int32(SHUT_RDWR))
                    return
                }
            }
            if fault == .drop, seen + count > position, forgotten < 64 {
                let start = max(0, position + forgotten - seen)
                let end = min(count, start + 64 - forgotten)
                reply.removeSubrange(start..<end)
                forgotten += end - start
            }
            seen += count
            transmit(reply)
        }
        if members == nil { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    private func transmit(_ bytes: [UInt8]) {
        guard let members else { return transmit(bytes, to: descriptor) }
        members.others(than: descriptor).forEach { transmit(bytes, to: $0) }
    }

    private func transmit(_ bytes: [UInt8], to descriptor: Int32) {
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

/// The connections of a relay. They are never taken out: a send to one that is gone fails, and that is all.
final class Members: Sendable {
    private let descriptors = Mutex<[Int32]>([])

    func add(_ descriptor: Int32) { descriptors.withLock { $0.append(descriptor) } }

    func others(than descriptor: Int32) -> [Int32] {
        descriptors.withLock { $0.filter { $0 != descriptor } }
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
if arguments.count == 4, arguments[1] == "part", let bytes = Int(arguments[2]), let port = UInt16(arguments[3]) {
    HalfSenders.run(count: 200, bytes: bytes, port: port)
}
guard (3...4).contains(arguments.count), let fault = Fault(rawValue: arguments[1]), let position = Int(arguments[2])
else {
    fatalError("usage: FaultyServer corrupt|close|add|drop|stall BYTES [relay], or FaultyServer part BYTES PORT")
}
let members = arguments.count == 4 ? Members() : nil
let listener = listenOnFreePort()
print(listener.port)
fflush(nil)
while true {
    let descriptor = accept(listener.descriptor, nil, nil)
    guard descriptor >= 0 else { continue }
    members?.add(descriptor)
    let conversation = unsafe Unmanaged.passRetained(Conversation(descriptor, fault, position, members)).toOpaque()
    var thread = pthread_t()
    unsafe pthread_create(&thread, nil, Conversation.enter, conversation)
}
