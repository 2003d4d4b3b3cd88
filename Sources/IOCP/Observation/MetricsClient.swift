#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One client of a ``MetricsEndpoint``: its request, its answer, its end.
struct MetricsClient: SideClient {
    private enum State {
        case reading([UInt8])
        case writing([UInt8], from: Int)
        /// The answer is sent. What the client still sends is read and dropped: a close with unread bytes would reset the
        /// connection, and could take the answer with it.
        case draining(UInt64)
    }

    private let descriptor: Int32
    private var state = State.reading([])
    /// When the client is cut, on the monotonic clock.
    private let deadline: UInt64
    /// nil once there is nothing to tell any more.
    private let metrics: () -> String?

    private static let patienceNanoseconds: UInt64 = 5_000_000_000
    /// As much is dropped at an end.
    private static let drainBytesMax: UInt64 = 2 << 20

    init(_ descriptor: Int32, acceptedAt now: UInt64, metrics: @escaping () -> String?) {
        self.descriptor = descriptor
        self.metrics = metrics
        deadline = now + Self.patienceNanoseconds
    }

    func end() { close(descriptor) }

    var interest: pollfd {
        let events = if case .writing = state { POLLOUT } else { POLLIN }
        return pollfd(fd: descriptor, events: Int16(events), revents: 0)
    }

    mutating func advance(isReady: Bool, at now: UInt64) -> Bool {
        if now >= deadline { return false }
        guard isReady else { return true }
        switch state {
        case .reading(let request): return read(onto: request)
        case .writing(let answer, let offset): return write(answer, from: offset)
        case .draining(let count): return drain(count)
        }
    }

    private mutating func read(onto request: [UInt8]) -> Bool {
        var buffer = [UInt8](repeating: 0, count: MetricsRequest.bytesMax - request.count)
        let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
        if count <= 0 { return count < 0 && (errno == EAGAIN || errno == EINTR) }
        let request = request + buffer.prefix(count)
        guard let answer = MetricsRequest.answer(to: request, metrics: metrics) else {
            state = .reading(request)
            return true
        }
        return write(answer, from: 0)
    }

    private mutating func write(_ answer: [UInt8], from start: Int) -> Bool {
        var offset = start
        while offset < answer.count {
            let count = unsafe answer.withUnsafeBytes { bytes in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
                return unsafe send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                let code = errno
                if code == EINTR { continue }
                state = .writing(answer, from: offset)
                return code == EAGAIN
            }
            offset += count
        }
        shutdown(descriptor, Int32(SHUT_WR))
        state = .draining(0)
        return true
    }

    private mutating func drain(_ before: UInt64) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
        if count <= 0 { return count < 0 && (errno == EAGAIN || errno == EINTR) }
        state = .draining(before + UInt64(count))
        return before + UInt64(count) < Self.drainBytesMax
    }
}
