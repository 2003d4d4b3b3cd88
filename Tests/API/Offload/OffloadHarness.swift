import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Work that blocks, beside the workers.
    @Suite struct Offload {}
}

/// Where work waits until the test lets it go on.
final class Gate: @unchecked Sendable {
    // @unchecked: a mutex guards both.
    private let state = Locked((isOpen: false, inside: 0))

    /// How many wait here, or have.
    var inside: Int { state.withLock { $0.inside } }

    func pass() {
        state.withLock { $0.inside += 1 }
        while !state.withLock({ $0.isOpen }) { usleep(200) }
    }

    func open() { state.withLock { $0.isOpen = true } }
}

/// Counts itself, so that closures that are held too long, or for ever, are seen.
final class HeldByClosure: Sendable {
    private let count: Locked<Int>

    init(_ count: Locked<Int>) {
        self.count = count
        count.withLock { $0 += 1 }
    }

    deinit { count.withLock { $0 -= 1 } }

    func touch() {}
}

extension Behaviour {
    /// Each byte of a connection is work; the answer to it is one byte.
    static func offloading(_ work: @escaping @Sendable (UInt8) throws -> UInt8) -> Behaviour {
        var behaviour = Behaviour()
        behaviour.received = { bytes, connection throws(IOCPError) in
            for byte in [UInt8](bytes.bytes) {
                do throws(IOCPError) {
                    try connection.offload {
                        try work(byte)
                    } then: { result, connection in
                        switch result {
                        case .success(let answer): try connection.send([answer])
                        case .failure(let error as IOCPError) where error.code == ECANCELED: try connection.send("C")
                        case .failure: try connection.send("E")
                        }
                    }
                } catch {
                    guard error.code == ENOBUFS || error.code == ESHUTDOWN else { throw error }
                    try connection.send(error.code == ENOBUFS ? "F" : "S")
                }
            }
        }
        return behaviour
    }
}

extension [UInt8] {
    init(_ bytes: RawSpan) {
        self = unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) }
    }
}

func total(of port: CompletionPort) -> WorkerStats {
    WorkerStats.total(of: (0..<port.workerCount).map { port.stats(ofWorker: $0) })
}
