// Serves echoes to plain clients in this process and prints how many heap allocations the steady state made:
// "allocations N messages M". The clients below allocate nothing while they are counted.
import AllocationCounter
import Glibc
import IOCP

struct LeaseEcho: ConnectionHandler {
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.send(bytes)
    }
}

struct CopyEcho: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.send(bytes)
    }
}

struct SharedEcho: ConnectionHandler {
    let reply: SharedBytes
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.send(reply)
    }
}

struct FrameEcho: ConnectionHandler {
    /// A class: unoptimised code allocates for each change of a generic state, and frames would not be what is counted.
    final class State {
        var frames = FrameBuffer(LengthPrefixed(.four))
    }
    func makeState() -> State { State() }
    func received(_ bytes: RawSpan, on connection: IocpContext<State>) throws(IOCPError) {
        let state = connection.state
        var input = bytes
        while let frame = try state.frames.next(in: &input) {
            try connection.send(framed: frame.bytes, by: state.frames.framing)
        }
    }
}

/// Every way to send without an array between, in turn. Each answers 64 bytes.
struct WrittenEcho: ConnectionHandler {
    /// A class, as above.
    final class State {
        var turn = 0
    }
    func makeState() -> State { State() }
    func received(_ bytes: RawSpan, on connection: IocpContext<State>) throws(IOCPError) {
        let state = connection.state
        state.turn += 1
        let half = bytes.extracting(first: 32)
        switch state.turn % 5 {
        case 0: try connection.send(half, half)
        case 1:
            try connection.send(capacity: 1000) { output in
                while output.byteCount < 64 { output.append(7) }
            }
        case 2:
            try connection.send { parts throws(IOCPError) in
                try parts.append(half)
                try parts.append(capacity: 32) { output in
                    while !output.isFull { output.append(7) }
                }
            }
        case 3: try connection.send("A string that is longer than those that lie in the value itself.")
        default:
            #if DEBUG
            try connection.send(bytes)  // unoptimised code allocates for each element of a sequence
            #else
            try connection.send(repeatElement(UInt8(7), count: 64))
            #endif
        }
    }
}

func connected(to port: Int) -> Int32 {
    let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    precondition(result == 0, "connect failed")
    return fd
}

/// Sends one message on every connection, then reads every reply.
func round(_ peers: [Int32], _ buffer: UnsafeMutableRawBufferPointer) {
    // Plain indices: unoptimised, an iterator or an autoclosure would be what is counted.
    peers.withUnsafeBufferPointer { peers in
        var index = 0
        while index < peers.count {
            if send(peers[index], buffer.baseAddress, buffer.count, 0) != buffer.count { fatalError("send") }
            index += 1
        }
        index = 0
        while index < peers.count {
            let count = recv(peers[index], buffer.baseAddress, buffer.count, Int32(MSG_WAITALL))
            if count != buffer.count { fatalError("recv") }
            index += 1
        }
    }
}

func runRounds(_ count: Int, _ peers: [Int32], _ buffer: UnsafeMutableRawBufferPointer) {
    var left = count
    while left > 0 {
        round(peers, buffer)
        left -= 1
    }
}

func measure<Handler: ConnectionHandler>(_ make: @escaping @Sendable () -> Handler) throws -> (Int64, Int) {
    var configuration = PortConfiguration()
    configuration.workers = 1
    let server = try IOCPServer(configuration) { _ in make() }
    let port = try server.listen(host: "127.0.0.1", port: 0).address!.port
    let peers = (0..<50).map { _ in connected(to: port) }
    defer { for peer in peers { close(peer) } }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 64)
    defer { buffer.deallocate() }
    // Two frames of a prefix and 28 bytes, for the handler that looks.
    buffer.initializeMemory(as: UInt8.self, repeating: 0)
    buffer[3] = 28
    buffer[35] = 28
    let rounds = 400
    runRounds(200, peers, buffer)
    let before = allocation_count()
    runRounds(rounds, peers, buffer)
    let after = allocation_count()
    return (after - before, rounds * peers.count)
}

guard allocation_count() >= 0 else {
    print("skipped: a sanitizer has its own malloc")
    exit(0)
}
let reply = try SharedBytes([UInt8](repeating: 7, count: 64))
let results = [
    try measure { LeaseEcho() }, try measure { CopyEcho() }, try measure { FrameEcho() },
    try measure { SharedEcho(reply: reply) }, try measure { WrittenEcho() },
    try measure {
        BodyHandler { _, connection in
            while let bytes = try await connection.next() { try await connection.send(bytes) }
        }
    },
]
for (allocations, messages) in results { print("allocations \(allocations) messages \(messages)") }
